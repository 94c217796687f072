"""The walks through what an error is made of."""

from wriftai_anyio._concurrency.causes import causes, members


class Group(Exception):  # noqa: N818 -- a group, not an error
    """A group as Python 3.10 does not know it."""

    def __init__(self, *exceptions: BaseException) -> None:
        self.exceptions = exceptions


def led_to(error: BaseException, cause: BaseException | None, context: BaseException | None = None) -> BaseException:
    error.__cause__, error.__context__ = cause, context
    return error


def test_members_are_those_of_inner_groups_too_and_not_their_causes() -> None:
    first, second = led_to(ValueError("first"), OSError("cause")), KeyError("second")
    assert list(members(Group(first, Group(second)))) == [first, second]
    assert list(members(first)) == [first]


def test_causes_are_all_that_led_to_an_error_each_once() -> None:
    root = OSError("root")
    group = Group(led_to(ValueError("member"), root), KeyError("other"))
    error = led_to(RuntimeError("error"), group, led_to(TypeError("context"), root))
    found = list(causes(error))
    assert {str(each) for each in found if not isinstance(each, Group)} == {
        "error", "member", "'other'", "context", "root",
    }  # fmt: skip
    assert len(found) == 6


def test_a_circle_of_causes_ends() -> None:
    first, second = ValueError("first"), ValueError("second")
    led_to(first, second)
    led_to(second, first)
    assert set(causes(first)) == {first, second}

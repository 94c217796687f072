"""The client as mocks see it: tests of a user's own code put one in its place."""

from typing import Any, get_type_hints
from unittest import mock

import pytest

from tests.support.clients import Script, client_of
from wriftai_anyio import Client
from wriftai_anyio._resources.base import Resource

RESOURCES = {name: kind for name, kind in get_type_hints(Client).items() if issubclass(kind, Resource)}


def mocks() -> dict[str, Any]:
    return {
        "an autospec of an instance": mock.create_autospec(Client, instance=True),
        "an autospec that is called": mock.create_autospec(Client)(),
        "an autospec of a client": mock.create_autospec(client_of(Script()), instance=True),
    }


@pytest.mark.parametrize("kind", mocks())
def test_a_mock_has_the_resources_and_their_signatures(kind: str) -> None:
    client = mocks()[kind]
    client.predictions.create.return_value = {"output": 42}
    assert client.predictions.create({"input": 1}, "a/b", wait=True) == {"output": 42}
    with pytest.raises(TypeError):
        client.predictions.create()
    with pytest.raises(AttributeError):
        client.predictions.creat  # noqa: B018


@pytest.mark.parametrize("name", RESOURCES)
def test_every_resource_is_in_a_mock_with_the_spec_of_the_class(name: str) -> None:
    assert isinstance(getattr(mock.MagicMock(spec=Client), name), mock.MagicMock)
    assert getattr(Client, name) is RESOURCES[name]


def test_a_coroutine_method_of_a_mock_is_awaitable() -> None:
    assert isinstance(mock.create_autospec(Client, instance=True).predictions.async_create, mock.AsyncMock)


def test_a_client_has_resources_of_its_own() -> None:
    one, other = client_of(Script()), client_of(Script())
    assert one.predictions is one.predictions is not other.predictions
    assert {name: type(getattr(one, name)) for name in RESOURCES} == RESOURCES

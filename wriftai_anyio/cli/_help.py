"""The help of a command, with arguments shown by their metavars."""

import re
import shutil
from typing import Any, Final

import typer.core

_RANGE: Final = re.compile(r"\s*\[[^\]]*<?x[<>]=?[^\]]*\]")
"""Text that typer adds for a bound, such as `[x>=0]`."""


def fit(formatter: Any) -> None:  # noqa: ANN401 -- typer's private types
    """Fits help to terminals narrower than 50 columns, which is typer's minimum."""
    formatter.width = min(formatter.width, shutil.get_terminal_size().columns - 2)


_PLAIN: Final = (
    (re.compile(r"Input should be a valid integer.*"), "give a whole number."),
    (re.compile(r"Input should be a valid number.*"), "give a number."),
    (re.compile(r"Input should be greater than or equal to (\S+)"), r"give \1 or more."),
    (re.compile(r"Input should be less than or equal to (\S+)"), r"give \1 or less."),
    (re.compile(r"Input should be "), "it should be "),
)
"""Wording from pydantic in the errors of newer typer versions, and plain wording in its place."""


def _in_plain_words(message: str) -> str:
    for said, plain in _PLAIN:
        if said.match(message):
            return said.sub(plain, message, count=1)
    return message


class Command(typer.core.TyperCommand):
    """A command whose arguments are shown only by their metavars; typer would show braces and Python types."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 -- as above
        """Returns the words of the usage line."""
        return ["[OPTIONS]", *(_name(argument) for argument in _arguments(self))]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 -- as above
        """Reads the command line.

        Raises:
            typer.BadParameter: If a value is not valid; the message is in plain words.
        """
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            error.message = _in_plain_words(error.message)
            raise

    def format_usage(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 -- as above
        """Writes the usage line, and fits all that follows, also after errors, to the width of the terminal."""
        fit(formatter)
        super().format_usage(ctx, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 -- as above
        """Writes the arguments and the options."""
        arguments = [(_name(argument), argument.help or "") for argument in _arguments(self)]
        if arguments:
            with formatter.section("Arguments"):
                formatter.write_dl(arguments, col_max=formatter.width // 3)
        records = [option.get_help_record(ctx) for option in self.get_params(ctx) if _is_option(option)]
        with formatter.section("Options"):
            formatter.write_dl(
                [(name, _RANGE.sub("", text)) for name, text in filter(None, records)], col_max=formatter.width // 3
            )


def _arguments(command: typer.core.TyperCommand) -> list[Any]:
    return [parameter for parameter in command.params if not _is_option(parameter)]


def _is_option(parameter: Any) -> bool:  # noqa: ANN401 -- as above
    return bool(parameter.param_type_name == "option")


def _name(argument: Any) -> str:  # noqa: ANN401 -- as above
    return argument.metavar or str(argument.name).upper()

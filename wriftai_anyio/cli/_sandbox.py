"""The command for the sandbox."""

import typer

commands = typer.Typer(rich_markup_mode=None)


@commands.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    options_metavar="[OPTIONS]",
)
def sandbox(context: typer.Context) -> None:
    """Run a local stand-in for the API, and print how to reach it."""
    from wriftai_anyio.sandbox.__main__ import main

    main(context.args, "wriftai-anyio sandbox")

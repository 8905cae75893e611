"""The JSON schemas that come with Roost: `tools/build_schema.py` writes them from the types themselves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

__all__ = ["editor_line", "schema_option"]

_FOLDER: Final = Path(__file__).parent / "schemas"


def schema_option(name: str, about: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator for the option `--schema`, which prints the schema `name` and ends the command."""

    def show(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click calls it
        if value:
            click.echo((_FOLDER / f"{name}.json").read_text("utf-8"), nl=False)
            ctx.exit()

    return click.option(
        "--schema", is_flag=True, is_eager=True, expose_value=False, callback=show, help=about
    )


def editor_line() -> str:
    """Return the comment that tells editors where this host has the configuration's schema."""
    return f"# yaml-language-server: $schema={_FOLDER / 'configuration.json'}"

"""Options and variables of the environment, of every command."""

import io
import os
from contextlib import redirect_stdout
from typing import Final
from unittest.mock import patch

import click

from fuzz.target import Target
from roost.cli import main

__all__ = ["TARGETS"]

_COMMANDS: Final = tuple(main.list_commands(click.Context(main)))
_VARIABLES: Final = ("ROOST_", "METALLB_")
_REFUSALS: Final = (click.ClickException, click.exceptions.Exit)


def _flags(data: bytes) -> None:
    """The first byte: which command. Each line is a word, or a variable of ours with its value."""
    how, rest = (data[0], data[1:]) if data else (0, b"")
    name = _COMMANDS[how % len(_COMMANDS)]
    command = main.get_command(click.Context(main), name)
    assert command is not None
    lines = rest.decode("utf-8", "replace").replace("\0", "").split("\n")
    variables = dict(
        line.partition("=")[::2] for line in lines if line.startswith(_VARIABLES) and "=" in line
    )
    words = [line for line in lines if not line.startswith(_VARIABLES)]
    with patch.dict(os.environ, variables), redirect_stdout(io.StringIO()):
        command.make_context(name, words)


TARGETS: Final = (
    Target(
        "flags", "cli (options and environment)", _flags, (click.ClickException, click.exceptions.Exit), 1024
    ),
)

"""Exit codes, the same for every command, and the one way to end with an error."""

from enum import IntEnum
from typing import IO, Any

import click

from roost.observe.text import printable

__all__ = ["Exit", "Failure"]


class Exit(IntEnum):
    """What a command's exit code means."""

    OK = 0
    INVALID = 1  # the configuration has errors, what was asked for does not exist, a check found problems
    USAGE = 2  # the command line is wrong (click's own code)
    CANNOT_RUN = 3  # this machine lacks a right, a tool, a free port
    NO_SPEAKER = 4  # no speaker answers at the socket
    INTERRUPTED = 130  # ended by a signal before it was done
    UNREAD = 141  # nobody read its output to the end; what a shell says of SIGPIPE


class Failure(click.ClickException):
    """Ends a command with one line for the user and the exit code `code`."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.exit_code = int(code)  # type: ignore[misc]

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line to stderr (or `file`)."""
        text = "\n".join(map(printable, self.message.splitlines()))
        click.echo(f"roost: {text}", err=True, file=file)

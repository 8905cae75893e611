"""`roost speaker`: the process on every node."""

import asyncio
from pathlib import Path
from typing import Literal

import click

from roost.cli.exits import Exit, Failure
from roost.observe.logs import LEVELS, configure

__all__ = ["command"]


@click.command()
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    required=True,
    envvar="ROOST_CONFIG",
    help="The configuration file; SIGHUP reads it again.",
)
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True)
@click.option("--log-format", type=click.Choice(["human", "json"]), default="human", show_default=True)
def command(path: Path, log_level: str, log_format: Literal["human", "json"]) -> None:
    """Announce service addresses from this node, in the foreground, logging to stderr.

    SIGHUP reloads the file; an invalid one changes nothing. SIGTERM (or SIGINT) hands every address
    over and leaves; a second one leaves at once.

    Exit codes: 0 left as asked, 1 the configuration is invalid, 3 this machine lacks a right or a free
    port.
    """
    configure(log_level, log_format)
    # Imported here so that a wrong option is reported before the whole speaker is loaded.
    from roost.speaker.errors import CannotRunError  # noqa: PLC0415
    from roost.speaker.process import run  # noqa: PLC0415
    from roost.standalone.loader import load  # noqa: PLC0415

    loaded = load(path)
    for problem in loaded.problems:
        click.echo(str(problem), err=True)
    if loaded.config is None:
        raise Failure(f"{path} is invalid; nothing was started", Exit.INVALID)
    try:
        asyncio.run(run(path, loaded.config))
    except CannotRunError as error:
        raise Failure(str(error), Exit.CANNOT_RUN) from error

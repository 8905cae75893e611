"""`roost check FILE`: every problem of a configuration file at once."""

import json
from pathlib import Path

import click

from roost.cli.client import json_option
from roost.cli.exits import Exit
from roost.standalone import Loaded, Problem, load

__all__ = ["command"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@click.pass_context
def command(ctx: click.Context, file: Path, *, as_json: bool) -> None:
    """Validate the configuration FILE with the speaker's own reader; nothing is started or changed.

    Prints one line per problem: FILE:LINE:COLUMN: error: FIELD: cause (cure). Key files are read too.

    Exit codes: 0 no errors, 1 errors.
    """
    loaded = load(file)
    if as_json:
        problems = [problem.as_data() for problem in loaded.problems]
        click.echo(json.dumps({"ok": loaded.config is not None, "problems": problems}, indent=2))
    else:
        for problem in loaded.problems:
            click.echo(_coloured(problem))
        click.echo(_summary(file, loaded))
    ctx.exit(Exit.OK if loaded.config else Exit.INVALID)


def _coloured(problem: Problem) -> str:
    """Return the problem's line; click drops the colour where output is no terminal."""
    colour = "red" if problem.severity == "error" else "yellow"
    mark = f" {problem.severity}: "
    return str(problem).replace(mark, click.style(mark, fg=colour, bold=True), 1)


def _summary(file: Path, loaded: Loaded) -> str:
    if loaded.config is None:
        count = sum(problem.severity == "error" for problem in loaded.problems)
        return f"{file}: {count} error{'s' if count != 1 else ''}"
    services = loaded.config.services
    addresses = sum(len(service.addresses) for service in services)
    return f"{file}: good: node {loaded.config.node}, services: {len(services)}, addresses: {addresses}"

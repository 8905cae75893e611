"""`roost check FILE`: every problem of a configuration file at once."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from roost.cli.client import json_option
from roost.cli.exits import Exit, Failure
from roost.kubernetes.manifests import check, is_manifest, read
from roost.standalone import Loaded, Problem, load

__all__ = ["command"]

_MOST: Final = 16 << 20  # characters of a file of manifests


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@click.pass_context
def command(ctx: click.Context, file: Path, *, as_json: bool) -> None:
    """Validate the configuration FILE with the speaker's own reader; nothing is started or changed.

    Prints one line per problem: FILE:LINE:COLUMN: error: FIELD: cause (cure). Key files are read too.

    Kubernetes manifests with MetalLB's objects are checked as one whole, without a cluster; a problem is
    named by its object and field then.

    Exit codes: 0 no errors, 1 errors.
    """
    if (text := _manifest(file)) is not None:
        ctx.exit(_check_manifests(file, text, as_json=as_json))
    loaded = load(file)
    if as_json:
        problems = [problem.as_data() for problem in loaded.problems]
        click.echo(json.dumps({"ok": loaded.config is not None, "problems": problems}, indent=2))
    else:
        for problem in loaded.problems:
            click.echo(_coloured(problem))
        click.echo(_summary(file, loaded))
    ctx.exit(Exit.OK if loaded.config else Exit.INVALID)


def _manifest(file: Path) -> str | None:
    """Return the text of a file that holds Kubernetes objects, None for any other."""
    try:
        with file.open(encoding="utf-8") as opened:
            text = opened.read(_MOST + 1)
    except (OSError, UnicodeDecodeError, ValueError):
        return None  # the reader of the other kind says what is wrong
    return text if len(text) <= _MOST and is_manifest(text) else None


def _check_manifests(file: Path, text: str, *, as_json: bool) -> Exit:
    try:
        items = read(text)
        errors, warnings = check(items)
    except ValueError as error:
        raise Failure(f"{file} {error}", Exit.INVALID) from error
    found = [*(("error", each) for each in errors), *(("warning", each) for each in warnings)]
    if as_json:
        problems = [{"severity": severity, **asdict(each)} for severity, each in found]
        click.echo(json.dumps({"ok": not errors, "problems": problems}, indent=2))
        return Exit.INVALID if errors else Exit.OK
    for severity, each in found:
        colour = "red" if severity == "error" else "yellow"
        click.echo(f"{file}: {click.style(severity, fg=colour, bold=True)}: {each}")
    summary = f"{len(errors)} error{'s' if len(errors) != 1 else ''}" if errors else "good"
    click.echo(f"{file}: {summary}: objects: {len(items)}")
    return Exit.INVALID if errors else Exit.OK


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

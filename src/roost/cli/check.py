"""`roost check FILE`: every problem of a configuration file at once."""

import json
import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import click

from roost.cli.client import json_option
from roost.cli.exits import Exit, Failure
from roost.cli.schema import schema_option
from roost.kubernetes.manifests import check, is_manifest, read
from roost.standalone import (
    Problem,
    SpeakerConfig,
    absences,
    environment_problems,
    firewalls,
    load,
    why_elsewhere,
)

__all__ = ["command"]

_MOST: Final = 16 << 20  # bytes of a file of manifests


@click.command()
@click.argument("file", type=click.Path(path_type=Path, readable=False))
@schema_option("configuration", "Print the JSON schema of a configuration file, for editors, and end.")
@json_option
@click.pass_context
def command(ctx: click.Context, file: Path, *, as_json: bool) -> None:
    """Validate the configuration FILE with the speaker's own reader; nothing is started or changed.

    FILE may be a pipe, or - for what comes on stdin. Prints one line per problem: FILE:LINE:COLUMN: error:
    FIELD: cause (cure). Key files are read too. On the host that the file is for (it has the address of
    membership.bind, or without membership the node's name) the addresses are held against the host's own.

    Kubernetes manifests with MetalLB's objects are checked as one whole, without a cluster; a problem is
    named by its object and field then.

    Exit codes: 0 no errors, 1 errors.
    """
    data = _read(file)
    if data is not None and (text := _manifest(data)) is not None:
        ctx.exit(_check_manifests(file, text, as_json=as_json))
    loaded = load(file, data)
    fit = _hold_against_host(loaded.config) if loaded.config else _Fit()
    problems = sorted((*loaded.problems, *fit.problems), key=lambda each: (each.line, each.column))
    good = not any(problem.severity == "error" for problem in problems)
    if as_json:
        found = [problem.as_data() for problem in problems]
        told = {"ok": good, "held_against_this_host": fit.held, "problems": found}
        click.echo(json.dumps(told, indent=2))
    else:
        for problem in problems:
            click.echo(_coloured(problem))
        click.echo(_summary(file, loaded.config, problems))
        if fit.why_not:
            click.echo(f"{file}: not held against the addresses of this host: {fit.why_not}")
    ctx.exit(Exit.OK if good else Exit.INVALID)


@dataclass(frozen=True, slots=True)
class _Fit:
    """What does not fit this host, if the file was `held` against it, else `why_not`."""

    problems: tuple[Problem, ...] = ()
    held: bool = False
    why_not: str = ""


def _hold_against_host(config: SpeakerConfig) -> _Fit:
    """Ask what a speaker asks at its start, if this is the host that it would run on."""
    # Only where the host is looked at.
    from roost.runtime.diagnosis.firewall import ruleset  # noqa: PLC0415
    from roost.runtime.links import links_now, on_host  # noqa: PLC0415

    try:
        local, links = on_host(links_now())
    except OSError as error:
        return _Fit(why_not=f"they cannot be read ({error})")
    if why_not := why_elsewhere(config, local, socket.gethostname()):
        return _Fit(why_not=why_not)
    found = (
        *environment_problems(config, local, links),
        *absences(config, links),
        *firewalls(config, ruleset(), links),
    )
    return _Fit(found, held=True)


def _read(file: Path) -> bytes | None:
    """Return more bytes of a file or stream than it may have; None where the reader says why not."""
    if file == Path("-"):
        return sys.stdin.buffer.read(_MOST + 1)
    try:
        with file.open("rb") as opened:
            return opened.read(_MOST + 1)
    except (OSError, ValueError):
        return None


def _manifest(data: bytes) -> str | None:
    """Return the text of a file that holds Kubernetes objects, None for any other."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None  # the reader of the other kind says what is wrong
    return text if len(data) <= _MOST and is_manifest(text) else None


def _check_manifests(file: Path, text: str, *, as_json: bool) -> Exit:
    try:
        items = read(text)
        errors, warnings = check(items)
    except ValueError as error:
        raise Failure(f"{file} {error}", Exit.INVALID) from error
    found = [*(("error", each) for each in errors), *(("warning", each) for each in warnings)]
    if as_json:
        problems = [{"severity": severity, **asdict(each)} for severity, each in found]
        told = {"ok": not errors, "held_against_this_host": False, "problems": problems}
        click.echo(json.dumps(told, indent=2))
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


def _summary(file: Path, config: SpeakerConfig | None, problems: Sequence[Problem]) -> str:
    if count := sum(problem.severity == "error" for problem in problems):
        return f"{file}: {count} error{'s' if count != 1 else ''}"
    assert config is not None  # noqa: S101 - without errors there is one
    addresses = sum(len(service.addresses) for service in config.services)
    return f"{file}: good: node {config.node}, services: {len(config.services)}, addresses: {addresses}"

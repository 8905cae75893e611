"""What `roost sim --campaign` and `--replay` do: run, say in a line how it went, keep what went wrong."""

import json
import os
import sys
from pathlib import Path
from typing import Final

import click

from roost.cli.exits import Exit, Failure
from roost.cli.output import write
from roost.simulator.campaign import Report, campaign, play
from roost.simulator.faults import Schedule, ScheduleError
from roost.simulator.product import make_decider
from roost.simulator.replay import draw, timeline
from roost.simulator.rules import Violation
from roost.simulator.shrink import shrink

__all__ = ["FAILED", "replay", "run_campaign", "same_every_time"]

FAILED: Final = Path("roost-sim-failed.json")
_SHRINKING: Final = 60.0  # seconds of CPU


def run_campaign(
    *, steps: int, seed: int, nodes: int | None, profile: str, jobs: int, failed: Path, as_json: bool
) -> None:
    """Inject `steps` faults and print one line; on a violation exit with INVALID and keep its schedule."""
    report = campaign(
        make_decider,
        steps=steps,
        seed=seed,
        nodes=nodes,
        profile=profile,
        jobs=jobs,
        progress=_tell_progress,
    )
    if sys.stderr.isatty():
        click.echo("\r" + " " * 70 + "\r", nl=False, err=True)
    data = report.as_data()
    click.echo(json.dumps(data) if as_json else " ".join(f"{key}={value}" for key, value in data.items()))
    if report.failures:
        violation = _keep(report, failed)
        click.echo(f"{violation.rule}: {violation.text}", err=True)
        click.echo(f"roost sim --replay {failed} plays it", err=True)
        sys.exit(Exit.INVALID)


def same_every_time() -> None:
    """Start this program anew where Python hashes differently each time: sets would be walked otherwise.

    Nothing happens inside another program, such as a test.
    """
    program = Path(sys.argv[0])
    if sys.flags.hash_randomization and (program.name == "roost" or program.match("roost/__main__.py")):
        sys.stdout.flush()
        command = [sys.executable, "-m", "roost", *sys.argv[1:]]
        os.execve(sys.executable, command, os.environ | {"PYTHONHASHSEED": "0"})  # noqa: S606 - ourselves


def replay(path: Path, plot: Path | None, *, as_json: bool) -> None:
    """Play a schedule and tell what happened; exit with INVALID when a rule is broken."""
    try:
        schedule = Schedule.from_json(path.read_text())
    except (OSError, UnicodeDecodeError, ScheduleError) as error:
        raise Failure(f"{path}: {error}", Exit.INVALID) from error
    outcome = play(schedule, make_decider, record=True)
    if as_json:
        found = outcome.violation
        told = {"rule": found.rule, "at_s": found.at, "text": found.text} if found else None
        click.echo(json.dumps({"steps": outcome.steps, "violation": told}))
    else:
        for line in timeline(outcome):
            click.echo(line)
    if plot is not None:
        write(plot, draw(schedule, outcome))
    if outcome.violation is not None:
        sys.exit(Exit.INVALID)


def _keep(report: Report, path: Path) -> Violation:
    """Write the first failing schedule, made as short as can be, and return what it breaks."""
    schedule, violation = report.failures[0]
    shortest, found = shrink(
        schedule, violation, lambda each: play(each, make_decider).violation, cpu=_SHRINKING
    )
    write(path, shortest.as_json())
    return found


def _tell_progress(report: Report) -> None:
    if sys.stderr.isatty():
        told = f"{report.steps} steps, {report.runs} runs, {len(report.failures)} violations"
        click.echo(f"\r{told:70}", nl=False, err=True)

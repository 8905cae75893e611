"""`roost sim`: figures of a detector profile from virtual time, and campaigns of faults."""

import json
import math
import os
import sys
from dataclasses import asdict
from pathlib import Path

import click

from roost.cli.campaign import FAILED, replay, run_campaign, same_every_time
from roost.cli.client import json_option
from roost.cli.combinations import refuse_all_but, refuse_beside
from roost.cli.options import profile_option
from roost.cli.output import look_for_room, write
from roost.protocols.witness.timing import TIMINGS
from roost.simulator.plot import draw
from roost.simulator.trials import FAULTS, PROFILES, Figures, Options, simulate

__all__ = ["command"]

_NODES = 3


@click.command()
@click.option("--nodes", type=click.IntRange(2, 1000), help="Default: 3, and 2 to 5 in a campaign.")
@profile_option(sorted(PROFILES))
@click.option(
    "--fault", type=click.Choice(FAULTS), default="cut", show_default=True, help="What befalls a node."
)
@click.option("--trials", type=click.IntRange(0, 10_000), default=10, show_default=True, help="Faults tried.")
@click.option(
    "--seconds",
    type=click.FloatRange(1, 31_536_000),
    default=60.0,
    show_default=True,
    help="Virtual time in which the living are watched.",
)
@click.option(
    "--slow",
    type=click.FloatRange(0, 100),
    default=0.0,
    show_default=True,
    help="Percent of the nodes that do not run for a tenth of that time.",
)
@click.option(
    "--loss", type=click.FloatRange(0, 90), default=0.0, show_default=True, help="Percent of packets lost."
)
@click.option("--witnesses/--no-witnesses", default=None, help="Default: as the profile has them.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same figures.")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write an SVG: of the detection times, or of what a replay showed.",
)
@click.option(
    "--campaign",
    "steps",
    type=click.IntRange(1, 100_000_000),
    metavar="STEPS",
    help="Inject so many faults into simulated clusters and judge every step by the rules.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    help="Processes that play a campaign; the outcome is the same. Default: the cores it may use.",
)
@click.option(
    "--failed",
    type=click.Path(dir_okay=False, path_type=Path),
    default=FAILED,
    show_default=True,
    help="Where a campaign writes the shortest schedule that breaks a rule.",
)
@click.option(
    "--replay",
    "schedule",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Play such a schedule and tell what happens.",
)
@json_option
def command(
    *,
    nodes: int | None,
    profile: str,
    fault: str,
    trials: int,
    seconds: float,
    slow: float,
    loss: float,
    seed: int,
    plot: Path | None,
    steps: int | None,
    jobs: int | None,
    failed: Path,
    schedule: Path | None,
    witnesses: bool | None,
    as_json: bool,
) -> None:
    """Simulate a cluster: how soon a dead node is found, how often a living one is accused.

    The machines are the speaker's own, on virtual time and a seeded network. With --campaign whole nodes
    run on a simulated LAN with clients, faults of all kinds befall them, and the rules of the house are
    judged at every step: one line tells how it went, and the exit code is 1 when a rule was broken.
    """
    _refuse_contradictions(steps, schedule, profile, trials, witnesses=witnesses)
    look_for_room(plot)
    look_for_room(failed if steps is not None else None)
    if steps is not None or schedule is not None:
        same_every_time()
    if schedule is not None:
        replay(schedule, plot, as_json=as_json)
        return
    if steps is not None:
        run_campaign(
            steps=steps,
            seed=seed,
            nodes=nodes,
            profile=profile,
            jobs=jobs or len(os.sched_getaffinity(0)),
            failed=failed,
            as_json=as_json,
        )
        return
    options = Options(
        nodes=nodes or _NODES,
        profile=profile,
        fault=fault,
        trials=trials,
        seconds=seconds,
        slow=slow / 100,
        loss=loss / 100,
        witnesses=witnesses,
        seed=seed,
    )
    figures = simulate(options, (lambda _: None) if as_json else _tell)
    if plot is not None:
        write(plot, draw(options, figures))
    if as_json:
        click.echo(json.dumps(asdict(options) | figures.as_data()))
    else:
        _print(options, figures)


def _refuse_contradictions(
    steps: int | None, schedule: Path | None, profile: str, trials: int, *, witnesses: bool | None
) -> None:
    """End the command when options exclude each other, or would do nothing."""
    if steps is not None and schedule is not None:
        raise click.UsageError("--campaign draws schedules and --replay plays one: give one of them")
    if schedule is not None:
        refuse_all_but({"schedule", "plot", "as_json"}, "with --replay: the schedule says it")
    elif steps is not None:
        of_campaigns = {"steps", "seed", "nodes", "profile", "jobs", "failed", "as_json"}
        refuse_all_but(of_campaigns, "with --campaign, which draws faults of all kinds")
    else:
        refuse_beside({"failed", "jobs"}, "without --campaign")
    if not trials:
        refuse_beside({"fault", "plot"}, "with --trials 0")
    if profile in TIMINGS:
        return
    if witnesses:
        raise click.UsageError(f"--witnesses: the profile {profile} has none")
    if steps is not None:
        known = " and ".join(sorted(TIMINGS))
        raise click.UsageError(
            f"--campaign knows the profiles {known}: with {profile} nobody watches the LAN, and bounds of a"
            " second cannot hold"
        )


def _tell(what: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{what:40}", nl=False, err=True)


def _print(options: Options, figures: Figures) -> None:
    data = figures.as_data()
    _tell("")
    if sys.stderr.isatty():
        click.echo("\r", nl=False, err=True)
    if options.trials:
        for label, key in (("first node knows", "first_ms"), ("all nodes know", "all_ms")):
            spread = data[key]
            told = f"p50 {spread['p50']:g} ms, p99 {spread['p99']:g} ms" if spread else "never"
            click.echo(f"{options.fault}, {label:18} {told}")
        click.echo(f"not found in time        {data['missed']} of {options.trials}")
    click.echo(
        f"false verdicts           {data['false_verdicts_per_hour']:g} an hour, "
        f"on {data['accused_nodes']} nodes"
    )
    click.echo(f"packets                  {data['packets_per_node_second']:g} per node and second")
    click.echo(f"probes                   {data['probes_per_node_second']:g} per node and second")
    click.echo(_judged(options, figures))


def _judged(options: Options, figures: Figures) -> str:
    """Say in a line whether that is well, and what so long a look can promise for a year."""
    where = f"at {100 * options.loss:g} % loss" + (
        f", {100 * options.slow:g} % slow nodes" if options.slow else ""
    )
    count = figures.accusations
    verdicts = f"{count} false verdict{'s' if count != 1 else ''} in {options.seconds:g} s {where}"
    missed = f"{figures.missed} of {options.trials} dead not found, " if figures.missed else ""
    most = f"at most {_rounded_up(figures.a_year_at_most):,} a year, 95 % sure"
    longer = "" if count else "; a longer look (--seconds) can promise less"
    return f"{'good' if figures.good else 'poor'}: {missed}{verdicts}: {most}{longer}"


def _rounded_up(count: float) -> int:
    """Return a count with two digits that are not 0: it is a bound, not a measurement."""
    unit: int = 10 ** max(0, len(str(int(count))) - 2)
    return math.ceil(count / unit) * unit

"""`roost sim`: figures of a detector profile from virtual time, and campaigns of faults."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from roost.cli.campaign import FAILED, replay, run_campaign, same_every_time
from roost.cli.client import json_option
from roost.cli.output import write
from roost.protocols.witness.machine import TIMINGS
from roost.simulator.plot import draw
from roost.simulator.trials import FAULTS, PROFILES, Figures, Options, simulate

__all__ = ["command"]

_NODES = 3


@click.command()
@click.option("--nodes", type=click.IntRange(2, 1000), help="Default: 3, and 2 to 5 in a campaign.")
@click.option(
    "--profile",
    type=click.Choice(sorted(PROFILES)),
    default="default",
    show_default=True,
)
@click.option(
    "--fault", type=click.Choice(FAULTS), default="cut", show_default=True, help="What befalls a node."
)
@click.option("--trials", type=click.IntRange(0, 10_000), default=10, show_default=True, help="Faults tried.")
@click.option(
    "--seconds",
    type=click.FloatRange(1, 86_400),
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
    default=1,
    show_default=True,
    help="Runs of a campaign that are played at a time; the outcome is the same.",
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
    jobs: int,
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
    if steps is not None and schedule is not None:
        raise click.UsageError("--campaign draws schedules and --replay plays one: give one of them")
    if steps is not None and profile not in TIMINGS:
        known = " and ".join(sorted(TIMINGS))
        raise click.UsageError(
            f"--campaign knows the profiles {known}: with {profile} nobody watches the LAN, and bounds of a"
            " second cannot hold"
        )
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
            jobs=jobs,
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


def _tell(what: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{what:40}", nl=False, err=True)


def _print(options: Options, figures: Figures) -> None:
    data = figures.as_data()
    _tell("")
    if sys.stderr.isatty():
        click.echo("\r", nl=False, err=True)
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

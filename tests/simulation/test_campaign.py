"""Campaigns: drawn and played alike from one seed, and what fails is made short and can be replayed."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from tests.simulation.fake_decider import maker

from roost.cli import campaign as cli
from roost.cli.sim import command
from roost.simulator.campaign import campaign, play
from roost.simulator.faults import DRAWN_APART, KINDS, Fault, Schedule, ScheduleError, ServiceSpec, draw
from roost.simulator.product import make_decider
from roost.simulator.replay import draw as picture
from roost.simulator.replay import timeline
from roost.simulator.rules import Bounds
from roost.simulator.shrink import shrink

DRAWN_FIRST = {
    "seed",
    "nodes",
    "switches",
    "clients",
    "profile",
    "services",
    "faults",
    "seconds",
    "connections",
}
SERVICE_DRAWN_FIRST = ("name", "address", "nodes", "endpoints")
PATIENT = Bounds(silence=4.0, two=5.0, stuck=30.0)


@pytest.mark.parametrize("seed", range(5))
def test_a_schedule_survives_its_file(seed: int) -> None:
    drawn = draw(seed, faults=20)
    assert Schedule.from_json(drawn.as_json()) == drawn
    assert len([fault for fault in drawn.faults if fault.kind not in DRAWN_APART]) == 20
    assert {fault.kind for fault in drawn.faults} <= KINDS.keys()


@pytest.mark.parametrize(
    ("seed", "digest"), [(1, "4ffe450004b7a14f"), (7, "745229b878ee22fc"), (1_000_003, "9255e1c0d2c250ad")]
)
def test_what_a_seed_meant_before_there_were_checks_and_failback_it_means_still(
    seed: int, digest: str
) -> None:
    """Kinds that come later are drawn apart."""
    drawn = {key: value for key, value in asdict(draw(seed, faults=40)).items() if key in DRAWN_FIRST}
    drawn["faults"] = [fault for fault in drawn["faults"] if fault["kind"] not in DRAWN_APART]
    drawn["services"] = [{key: spec[key] for key in SERVICE_DRAWN_FIRST} for spec in drawn["services"]]
    assert sha256(json.dumps(drawn, sort_keys=True).encode()).hexdigest()[:16] == digest


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"roost_schedule": 2}', '{"roost_schedule": 1, "faults": 3}']
)
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ScheduleError):
        Schedule.from_json(text)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"nodes": 10**9}, "nodes 1e\\+09 is not from 1 to 64"),
        ({"nodes": "3"}, "nodes is of another type"),
        ({"seconds": float("nan")}, "seconds is of another type"),
        ({"seconds": 1e12}, "seconds"),
        ({"seed": True}, "seed is of another type"),
        ({"profile": "swift"}, "profile 'swift' is none of"),
        ({"connections": 1}, "connections is of another type"),
        ({"faults": [{"kind": "cut", "at": -1, "node": "n1"}]}, "fault cut has times"),
        ({"faults": [{"kind": "cut", "at": 1, "node": "n99"}]}, "fault cut has times, a node"),
        ({"faults": [{"kind": "cut", "at": [], "node": "n1"}]}, r"faults\[0\].at is of another type"),
        ({"faults": [{"kind": [], "at": 1}]}, "not a schedule"),
        (
            {"services": [{"name": 5, "address": "192.0.2.1", "nodes": [], "endpoints": []}]},
            "name is of another",
        ),
        (
            {"services": [{"name": "a", "address": "192.0.2.1", "nodes": ["n9"], "endpoints": []}]},
            "service 'a'",
        ),
    ],
)
def test_what_cannot_be_played_is_refused(changes: dict[str, Any], says: str) -> None:
    document = json.loads(draw(1, faults=2).as_json()) | changes
    with pytest.raises(ScheduleError, match=says):
        Schedule.from_json(json.dumps(document))


def test_runs_have_mixes_of_their_own() -> None:
    mixes = {frozenset(fault.kind for fault in draw(seed, faults=40).faults) for seed in range(8)}
    assert len(mixes) == 8
    assert {draw(seed, faults=2).nodes for seed in range(30)} == {2, 3, 4, 5}


@pytest.mark.parametrize("seed", range(3))
def test_the_same_schedule_gives_the_same_run(seed: int) -> None:
    drawn = draw(seed, faults=12)
    first, second = (play(drawn, maker(), PATIENT, record=True) for _ in range(2))
    assert first == second
    assert len(first.record) > 12


def test_a_run_does_not_depend_on_how_python_hashes() -> None:
    """Nothing that others see may come in the order of a set, which each process walks otherwise."""
    program = (
        "from hashlib import sha256; from roost.simulator.campaign import play;"
        "from roost.simulator.faults import draw; from roost.simulator.product import make_decider;"
        "played = [play(draw(seed, faults=6), make_decider, record=True) for seed in (1, 4)];"
        "print(sha256(repr(played).encode()).hexdigest())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(said) == 1


def test_every_kind_of_fault_can_befall_a_cluster() -> None:
    services = tuple(
        ServiceSpec(f"s{at}", f"198.18.0.{100 + at}", endpoints=("n1", "n2") if at else ()) for at in range(3)
    )
    for name, kind in KINDS.items():
        fault = Fault(name, 4.0, 1.0, "n1" if kind.node else "", kind.ways[0], kind.level[1], "s1")
        again = Fault(name, 4.5, 1.0, "n1" if kind.node else "", kind.ways[-1], kind.level[0], "s0")
        alone = Schedule(1, 3, 2, 2, "default", services, (fault, again), 24.0)
        outcome = play(alone, maker(), PATIENT)
        assert outcome.violation is None, (name, outcome.violation)
        assert outcome.steps == 2


def test_a_planted_fault_is_found_and_made_short() -> None:
    make = maker("never stops")
    found = campaign(make, steps=60, seed=1, bounds=PATIENT)
    assert found.failures
    drawn, violation = next(each for each in found.failures if each[1].rule == "two")
    short, same = shrink(drawn, violation, lambda each: play(each, make, PATIENT).violation, cpu=20.0)
    assert same.rule == "two"
    assert len(short.faults) <= 2 < len(drawn.faults)
    assert play(short, make, PATIENT).violation == same
    assert play(short, maker(), PATIENT).violation is None


def test_runs_side_by_side_give_the_same_report() -> None:
    strict = Bounds(silence=0.1)  # so that there are failures to compare
    one, two = (
        campaign(make_decider, steps=50, seed=1, nodes=2, bounds=strict, jobs=jobs) for jobs in (1, 2)
    )
    assert one.failures
    assert (one.steps, one.runs, one.failures) == (two.steps, two.runs, two.failures)
    assert (one.longest_silence, one.longest_two) == (two.longest_silence, two.longest_two)


def test_what_happened_can_be_read_and_seen() -> None:
    drawn = draw(3, faults=4)
    outcome = play(drawn, maker(), Bounds(silence=0.1), record=True)
    lines = list(timeline(outcome))
    assert sum(" fault " in line for line in lines) == outcome.steps
    assert outcome.violation is not None
    assert "VIOLATION" in lines[-1]
    assert ET.fromstring(picture(drawn, outcome)).tag.endswith("svg")


def test_the_command_says_in_a_line_how_it_went(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cli, "make_decider", maker("never stops"))
    monkeypatch.setattr(cli, "_SHRINKING", 5.0)
    failed = tmp_path / "failed.json"
    said = CliRunner().invoke(command, ["--campaign", "60", "--jobs", "1", "--json", "--failed", str(failed)])
    assert said.exit_code == 1, said.output
    told = json.loads(said.stdout)
    assert told["steps"] == 60 or told["violations"]
    assert told.keys() >= {"violations", "longest_silence_s", "longest_two_s", "steps_per_cpu_s"}
    plot = tmp_path / "run.svg"
    again = CliRunner().invoke(command, ["--replay", str(failed), "--plot", str(plot)])
    assert again.exit_code == 1
    assert "VIOLATION" in again.stdout
    assert plot.exists()
    both = CliRunner().invoke(command, ["--replay", str(failed), "--campaign", "3"])
    assert both.exit_code == 2

"""A campaign must be able to fail: with one rule broken, a schedule is found that the product survives.

The schedules are short ones for what campaigns of the mutants found, so that each costs a second; those of
"no damping", "no isolation", "no fitness" and "no hush" were written by hand: a campaign hardly draws one
fault of one node seven times in a row. Not found is "no lease": a hung node that goes on answering in its
kernel serves its clients, and whoever takes over from it for another reason hears it answer, and yields.
"""

from pathlib import Path

import pytest
from tests.simulation.mutants import mutant

from roost.simulator.campaign import play
from roost.simulator.faults import Schedule
from roost.simulator.product import make_decider

FOUND = [
    ("no hold at a handover", "no-hold", "planned", 1),
    ("no yielding", "no-yielding", "two", 2),
    ("no standing in", "no-standing-in", "silence", 4),
    ("no patrol", "no-patrol", "two", 5),
    ("no fitness", "no-fitness", "fittest", 4),
    ("no damping", "no-damping", "flapping", 8),
    ("no isolation", "no-isolation", "flapping", 7),
    ("one witness suffices", "one-witness", "verdict", 1),
    ("no hush", "no-hush", "deaf", 2),
]
SCHEDULES = Path(__file__).parent.parent / "schedules"


@pytest.mark.parametrize(("name", "file", "rule", "steps"), FOUND, ids=[each[0] for each in FOUND])
def test_a_broken_rule_is_found_within_so_many_steps(name: str, file: str, rule: str, steps: int) -> None:
    schedule = Schedule.from_json((SCHEDULES / f"sim-mutant-{file}.json").read_text())
    outcome = play(schedule, mutant(name))
    assert outcome.violation is not None
    assert outcome.violation.rule == rule
    assert outcome.steps <= steps
    assert play(schedule, make_decider).violation is None

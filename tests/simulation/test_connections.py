"""Clients' open connections: a planned move breaks none, and the rules find it when one does."""

from dataclasses import replace

import pytest

from roost.decide.connections import passing_on
from roost.decide.connections.row import Row
from roost.decide.spreading import spreading
from roost.simulator.campaign import play
from roost.simulator.faults import Fault, Schedule, ServiceSpec
from roost.simulator.product import make_decider

SERVICES = (
    *(ServiceSpec(f"s{at}", f"198.18.0.{100 + at}") for at in range(3)),
    ServiceSpec("proxied", "198.18.0.110", endpoints=("n1", "n2", "n3")),
)


def schedule(*faults: Fault, seconds: float) -> Schedule:
    return Schedule(1, 3, 1, 3, "default", SERVICES, faults, seconds, connections=True)


def moves() -> Schedule:
    """Each node leaves, drained or asked to end, and comes back, one after the other."""
    kinds = ("drain", "term")
    faults = [
        Fault(kind, 12.0 + 14.0 * (3 * turn + at), 4.0, f"n{at + 1}")
        for turn, kind in enumerate(kinds)
        for at in range(3)
    ]
    return schedule(*faults, seconds=100.0)


def test_planned_moves_in_a_chain_break_no_connection() -> None:
    assert play(moves(), make_decider).violation is None


SPREAD = (
    *(ServiceSpec(f"s{at}", f"198.18.0.{100 + at}", spread=True) for at in range(3)),
    ServiceSpec("stays", "198.18.0.103", spread=True, failback="never"),
)


def test_where_connections_are_spread_planned_moves_break_none() -> None:
    spread = replace(moves(), services=SPREAD, kernel=True)
    assert play(spread, make_decider).violation is None


def test_a_table_that_is_not_told_where_else_to_look_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "VISITS", 0)
    violation = play(replace(moves(), services=SPREAD, kernel=True), make_decider).violation
    assert violation is not None
    assert violation.rule == "broken"


def test_a_decider_that_passes_nothing_on_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passing_on, "stations", lambda *_names, **_states: Row((), (), (), frozenset()))
    violation = play(moves(), make_decider).violation
    assert violation is not None
    assert violation.rule == "broken"

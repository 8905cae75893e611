"""Suspicion timeouts and local health: numbers."""

import pytest
from tests.unit.protocols.memberlist.swim_bench import Bench, dead, suspect

from roost.protocols.memberlist.awareness import Awareness
from roost.protocols.memberlist.messages import Dead, Status
from roost.protocols.memberlist.profile import PROFILES, Profile
from roost.protocols.memberlist.suspicion import Suspicion, shortest_timeout


def _suspicion(wanted: int = 3) -> Suspicion:
    return Suspicion("n1", wanted=wanted, shortest=4.0, longest=24.0, started=100.0)


def test_confirmations_shorten_the_time_on_a_logarithmic_scale() -> None:
    suspicion = _suspicion()
    timeouts = [suspicion.timeout]
    for accuser in ("n2", "n3", "n4"):
        assert suspicion.confirm(accuser)
        timeouts.append(suspicion.timeout)
    assert timeouts == [24.0, 14.0, 8.15, 4.0]
    assert suspicion.deadline == 104.0


def test_each_accuser_counts_once_and_no_more_than_wanted() -> None:
    suspicion = _suspicion()
    assert not suspicion.confirm("n1")
    assert suspicion.confirm("n2")
    assert not suspicion.confirm("n2")
    assert suspicion.confirm("n3")
    assert suspicion.confirm("n4")
    assert not suspicion.confirm("n5")
    assert suspicion.evidence == "suspected by n1, n2, n3, n4"


def test_without_anybody_to_confirm_the_shortest_time_holds_at_once() -> None:
    suspicion = _suspicion(wanted=0)
    assert suspicion.timeout == 4.0
    assert not suspicion.confirm("n2")


@pytest.mark.parametrize(
    ("members", "timeout"), [(1, 4.0), (3, 4.0), (10, 4.0), (11, 4.164), (100, 8.0), (1000, 12.0)]
)
def test_the_shortest_time_grows_with_the_logarithm_of_the_members(members: int, timeout: float) -> None:
    assert shortest_timeout(Profile(), members) == pytest.approx(timeout)


@pytest.mark.parametrize(("members", "first"), [(3, 4.0), (4, 24.0), (10, 24.0)])
def test_small_clusters_cannot_confirm_and_do_not_wait_for_it(members: int, first: float) -> None:
    suspicion = Suspicion.begin(Profile(), members, "n1", started=0.0)
    assert suspicion.timeout == pytest.approx(first)


def test_the_profiles_of_roost_give_a_suspect_four_probe_intervals() -> None:
    assert shortest_timeout(PROFILES["default"], 3) == pytest.approx(0.6)
    assert shortest_timeout(PROFILES["fast"], 3) == pytest.approx(0.2)


def test_health_stays_in_bounds_and_scales() -> None:
    health = Awareness(8)
    health.apply(-1)
    assert health.score == 0
    assert health.scale(0.5) == 0.5
    health.apply(3)
    assert health.scale(0.5) == 2.0
    health.apply(100)
    assert health.score == 7


def test_a_suspect_dies_when_its_time_is_over() -> None:
    bench = Bench(3, disable_tcp_pings=True)
    bench.feed(suspect(2))
    bench.run(3.9, answering=True)
    assert bench.status(2) is Status.SUSPECT
    bench.take()
    bench.run(0.2, answering=True)
    assert bench.status(2) is Status.DEAD
    assert bench.swim.members["n2"].evidence == "suspected by n3; not refuted within 4 s"
    assert Dead(1, "n2", "n1") in bench.sent(Dead)


def test_a_confirmation_that_leaves_no_time_acts_at_once() -> None:
    bench = Bench(4)
    bench.feed(suspect(2, by=3))
    bench.run(5.0, answering=True)
    bench.feed(suspect(2, by=4))
    assert bench.status(2) is Status.SUSPECT
    bench.feed(suspect(2, by=1))
    assert bench.status(2) is Status.DEAD
    assert bench.swim.local_health == 0  # the deadline passed by a decision, not by lateness


def test_the_dead_do_not_count_as_confirming_members() -> None:
    bench = Bench(4)
    bench.feed(dead(4))
    bench.feed(suspect(2))
    bench.run(4.1, answering=True)
    assert bench.status(2) is Status.DEAD

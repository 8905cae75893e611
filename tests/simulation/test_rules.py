"""Every rule finds what it is for, and nothing where all is well."""

from dataclasses import replace

import pytest
from tests.simulation.fake_decider import maker

from roost.simulator.blame import Untouched
from roost.simulator.campaign import play
from roost.simulator.faults import Fault, Schedule, ServiceSpec
from roost.simulator.product import make_decider
from roost.simulator.rules import Bounds, lone_moves
from roost.simulator.tables import largest
from roost.simulator.world import World

# Without witnesses SWIM alone finds the dead, which takes it a second.
PATIENT = Bounds(silence=3.0, two=2.0)


def schedule(*faults: Fault, nodes: int = 3, switches: int = 1, seconds: float = 30.0) -> Schedule:
    services = tuple(ServiceSpec(f"s{at}", f"198.18.0.{100 + at}") for at in range(5))
    return Schedule(1, nodes, switches, 2, "default", services, faults, seconds)


def test_a_quiet_cluster_breaks_no_rule() -> None:
    outcome = play(schedule(), maker())
    assert outcome.violation is None
    assert outcome.longest_two < 0.3


def test_a_fault_that_is_handled_breaks_no_rule() -> None:
    faults = (Fault("cut", 5.0, 3.0, "n1"), Fault("kill", 12.0, 1.0, "n2"), Fault("freeze", 18.0, 2.0, "n3"))
    outcome = play(schedule(*faults, seconds=45.0), maker(), PATIENT)
    assert outcome.violation is None
    assert outcome.steps == 3
    assert 0.3 < outcome.longest_silence < 3.0


def test_silence_is_found_where_a_node_could_answer() -> None:
    outcome = play(schedule(Fault("cut", 5.0, 10.0, "n1")), maker(), replace(PATIENT, silence=0.2))
    assert outcome.violation is not None
    assert outcome.violation.rule == "silence"
    assert 5.0 < outcome.violation.at < 6.0


def test_silence_is_no_violation_where_no_node_could_answer() -> None:
    faults = (Fault("cut", 5.0, 6.0, "n1"), Fault("cut", 5.0, 6.0, "n2"))
    outcome = play(schedule(*faults, nodes=2, seconds=12.0), maker(), PATIENT)
    assert outcome.violation is None


def test_two_that_answer_are_found() -> None:
    outcome = play(schedule(Fault("split", 5.0, 4.0), switches=2), maker("never stops"), PATIENT)
    assert outcome.violation is not None
    assert outcome.violation.rule == "two"


def test_a_split_with_nodes_on_both_sides_is_two_only_once_it_has_healed() -> None:
    outcome = play(schedule(Fault("split", 5.0, 8.0), switches=2, nodes=2, seconds=13.0), maker(), PATIENT)
    assert outcome.violation is None


def test_a_node_that_answers_after_its_freeze_is_two() -> None:
    frozen = schedule(Fault("freeze", 5.0, 4.0, "n1"))
    assert play(frozen, maker(), replace(PATIENT, gap=0.5, two=0.4)).violation is None


@pytest.mark.parametrize("kind", ["drain", "term"])
def test_a_planned_move_that_costs_an_answer_is_found(kind: str) -> None:
    planned = schedule(Fault(kind, 10.0, 5.0, "n1"), Fault(kind, 20.0, 5.0, "n2"))
    assert play(planned, maker(), PATIENT).violation is None
    outcome = play(planned, maker("lets go"), PATIENT)
    assert outcome.violation is not None
    assert outcome.violation.rule == "planned"


def test_planned_moves_are_judged_only_in_peace() -> None:
    drain = Fault("drain", 10.0, 5.0, "n1")
    assert list(lone_moves(schedule(drain), PATIENT)) == [drain]
    assert list(lone_moves(schedule(drain, Fault("cut", 12.0, 1.0, "n2")), PATIENT)) == []
    assert list(lone_moves(schedule(Fault("cut", 4.0, 1.5, "n2"), drain), PATIENT)) == []
    assert list(lone_moves(schedule(Fault("cut", 3.0, 1.5, "n2"), drain), PATIENT)) == [drain]


def sick(*names: str) -> Schedule:
    """A run in which these nodes are unfit from some moment on."""
    faults = [Fault("unfit", 5.0, 0.0, name, "sick", service="s0") for name in names]
    return replace(schedule(*faults), services=(ServiceSpec("s0", "198.18.0.100", tracked=True),))


def test_an_unfit_node_that_answers_at_rest_is_found() -> None:
    runs = [sick("n2", "n3"), sick("n1", "n3"), sick("n1", "n2")]
    assert [play(run, make_decider).violation for run in runs] == [None] * 3
    found = [play(run, maker(), PATIENT).violation for run in runs]  # this one knows of no checks
    assert [each.rule for each in found if each] == ["fittest"] * 2
    assert found.count(None) == 1, "its leader was the one that is fit"


def cut_off(*names: str, way: str = "none") -> Schedule:
    """A run in which these nodes reach no backend from some moment on."""
    faults = [Fault("reach", 5.0, 0.0, name, way, service="s0") for name in names]
    return replace(schedule(*faults), services=(ServiceSpec("s0", "198.18.0.100", balanced=True),))


def test_a_node_that_reaches_no_backend_and_answers_at_rest_is_found() -> None:
    runs = [cut_off("n2", "n3"), cut_off("n1", "n3"), cut_off("n1", "n2")]
    assert [play(run, make_decider).violation for run in runs] == [None] * 3
    found = [play(run, maker(), PATIENT).violation for run in runs]  # this one knows of no backends
    assert [each.rule for each in found if each] == ["fittest"] * 2
    assert found.count(None) == 1, "its leader was the one that reaches them"


def test_of_nodes_that_reach_nothing_one_answers_and_one_backend_is_enough() -> None:
    for run in (cut_off("n1", "n2", "n3"), cut_off("n1", "n2", "n3", way="one")):
        assert play(run, make_decider).violation is None


def test_of_unfit_nodes_alone_one_answers() -> None:
    assert play(sick("n1", "n2", "n3"), make_decider).violation is None


def test_an_address_that_moves_for_no_reason_is_found() -> None:
    outcome = play(schedule(seconds=40.0), maker("wanders"), PATIENT)
    assert outcome.violation is not None
    assert outcome.violation.rule == "move"


def test_a_table_that_grows_is_found() -> None:
    outcome = play(schedule(), maker("grows"), PATIENT)
    assert outcome.violation is not None
    assert outcome.violation.rule == "table"
    assert "grown" in outcome.violation.text


def test_a_machine_that_fails_is_found() -> None:
    outcome = play(schedule(Fault("carrier", 5.0, 1.0, "n1")), maker("fails"), PATIENT)
    assert outcome.violation is not None
    assert outcome.violation.rule == "error"
    assert "ZeroDivisionError" in outcome.violation.text


def test_the_largest_table_is_found_in_nested_objects() -> None:
    where, size = largest(Bounds())
    assert (where, size) == ("", 0)
    planned = schedule(*(Fault("cut", float(at), 1.0, "n1") for at in range(9)))
    assert largest(planned) == ("Schedule.faults", 9)


def test_who_stood_still_with_its_clock_may_take_what_it_knew_before_for_new() -> None:
    faults = (Fault("cut", 5.1, 0.4, "n1"), Fault("pause", 5.3, 3.0, "n3", level=1))
    world = World(schedule(*faults), make_decider, record=False)
    untouched, hosts = Untouched(world.lan), world.hosts
    told = {}
    for tenths in range(1, 100):
        world.run_until(tenths / 10)
        untouched.look(hosts.values(), world.clock.now)
        told[tenths] = untouched.wronged(hosts["n3"], hosts["n1"], hosts, world.clock.now)
    assert (told[50], told[52], told[54]) == ("n2", "", "")
    assert told[85] == "", "for n3 no second has passed since"
    assert told[97] == "n2"

"""Leads that stay, on virtual time: a node that is always sick moves nothing; two faults at once end well."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pytest

from roost.decide.decider import Decider
from roost.model.election import Prepared
from roost.model.ranking import digest
from roost.model.service import DesiredState
from roost.model.tenure import ALWAYS, NEVER
from roost.protocols.machine import Randomness
from roost.simulator.campaign import Outcome, play
from roost.simulator.faults import Fault, Schedule, ServiceSpec, draw
from roost.simulator.keeping import Keeping
from roost.simulator.product import make_decider
from roost.simulator.seams import DecidingMachine, MakeDecider, NodeFacts

VIP: Final = "198.18.0.100"
BEST, SECOND, THIRD = sorted(("n1", "n2", "n3"), key=lambda name: digest(name, VIP))
TIMES: Final = 20


def schedule(
    faults: Sequence[Fault], *, failback: str = "never", nodes: int = 3, seed: int = 1, switches: int = 1
) -> Schedule:
    end = max(fault.end for fault in faults) + 16.0
    services = (ServiceSpec("s1", VIP, failback=failback),)
    return Schedule(seed, nodes, switches, 2, "default", services, tuple(faults), end)


def run(made: Schedule, make: MakeDecider = make_decider) -> Outcome:
    outcome = play(made, make, record=True)
    assert outcome.violation is None, outcome.violation
    return outcome


def answerers(outcome: Outcome) -> list[str]:
    """Who answered alone, one after the other."""
    told = [entry.text.split(" ", 1)[1] for entry in outcome.record if entry.what == "answers"]
    alone = [who for who in told if " " not in who and who != "nobody"]
    return [who for at, who in enumerate(alone) if at == 0 or alone[at - 1] != who]


def sick(kind: str, seconds: float, *, node: str = BEST, times: int = TIMES) -> list[Fault]:
    """That node gets sick so many times, and is well for some seconds in between."""
    return [Fault(kind, 8.0 + 6.0 * at, seconds, node) for at in range(times)]


@pytest.mark.parametrize(
    ("kind", "times"),
    [("kill", TIMES), ("term", 5), ("freeze", 5), ("carrier", 5), ("drain", 5), ("pause", 5)],
)
def test_a_node_that_is_sick_returns_twenty_times_and_moves_nothing(kind: str, times: int) -> None:
    outcome = run(schedule(sick(kind, 1.5, times=times)))
    assert answerers(outcome) == [BEST, SECOND]
    assert outcome.longest_two <= 0.1


def test_of_two_nodes_the_one_that_is_cut_off_again_and_again_moves_nothing() -> None:
    """Its switch port passes nothing, with carrier: it answers on its side of it, and for nobody else."""
    best, other = sorted(("n1", "n2"), key=lambda name: digest(name, VIP))
    outcome = run(schedule(sick("cut", 1.5, node=best, times=8), nodes=2))
    assert answerers(outcome) == [best, other]


def test_beside_it_an_address_that_goes_by_rank_comes_and_goes() -> None:
    outcome = run(schedule(sick("kill", 1.5, times=4), failback="always"))
    assert answerers(outcome) == [BEST, SECOND] * 4 + [BEST]


def test_a_duration_is_kept() -> None:
    """It is well for four seconds at most between two of its falls."""
    outcome = run(schedule(sick("kill", 1.5, times=5), failback="5s"))
    assert answerers(outcome) == [BEST, SECOND, BEST]
    back = max(
        entry.at for entry in outcome.record if entry.what == "answers" and entry.text == f"{VIP} {BEST}"
    )
    started = max(entry.at for entry in outcome.record if entry.what == "started" and entry.who == BEST)
    assert started + 5.0 <= back <= started + 7.0


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([Fault("kill", 14.0, 2.0, SECOND), Fault("kill", 13.0, 1.0, BEST)], id="holder-dies"),
        pytest.param([Fault("kill", 14.0, 1.0, SECOND), Fault("kill", 14.0, 1.0, BEST)], id="both-restart"),
        pytest.param(
            [Fault("gossip", 14.0, 8.0, SECOND, "both"), Fault("kill", 15.0, 1.0, BEST)], id="holder-mute"
        ),
        pytest.param(
            [Fault("gossip", 14.0, 8.0, BEST, "both"), Fault("kill", 15.0, 1.0, SECOND)], id="next-mute"
        ),
        pytest.param([Fault("split", 14.0, 5.0), Fault("kill", 15.0, 1.0, BEST)], id="split-and-a-restart"),
    ],
)
def test_two_faults_at_once_leave_one_answerer(faults: list[Fault], seed: int) -> None:
    """The second node has the lead by then; the rules see to silences, two answers and rest."""
    first = Fault("kill", 8.0, 1.0, BEST)
    made = schedule([first, *sorted(faults, key=lambda each: each.at)], seed=seed, switches=2)
    outcome = run(made)
    assert outcome.longest_two <= 1.0


class _Files:
    """Makes deciders whose files have a failback of their own, whatever the schedule says."""

    def __init__(self, failback: float, **others: float) -> None:
        self._failback, self._others = failback, others

    def __call__(self, facts: NodeFacts, random: Randomness) -> DecidingMachine:
        return _Reader(facts, random, self._others.get(facts.name, self._failback))


class _Reader(Decider):
    def __init__(self, facts: NodeFacts, random: Randomness, failback: float) -> None:
        product = make_decider(facts, random)
        assert isinstance(product, Decider)
        super().__init__(product.state.settings, random)
        self._failback_read = failback

    def want(
        self,
        desired: DesiredState,
        refused: frozenset[str],
        why: str,
        now: float,
        prepared: Prepared | None = None,
    ) -> None:
        services = tuple(replace(each, failback=self._failback_read) for each in desired.services)
        super().want(DesiredState(services, f"{self._failback_read}"), refused, why, now, prepared)


@pytest.mark.parametrize("node", [BEST, SECOND, THIRD])
def test_where_one_node_has_another_file_one_node_answers(node: str) -> None:
    faults = [Fault("kill", 8.0, 1.0, BEST), Fault("kill", 20.0, 1.0, SECOND)]
    outcome = run(schedule(faults, failback="always"), _Files(NEVER, **{node: ALWAYS}))
    assert outcome.longest_two <= 0.9


def test_a_node_with_another_file_tells_of_the_holder_all_the_same() -> None:
    """The one that restarts may hear of it from nobody else in time."""
    faults = [Fault("kill", 8.0, 1.0, BEST)]
    outcome = run(schedule(faults, failback="always"), _Files(NEVER, **{THIRD: ALWAYS}))
    assert answerers(outcome) == [BEST, SECOND]


def test_the_rule_sees_a_lead_that_goes_back() -> None:
    """The rule is not blind: deciders that go by rank break it."""
    violation = play(schedule(sick("kill", 1.5, times=3)), _Files(ALWAYS)).violation
    assert violation is not None
    assert violation.rule == "kept"
    assert violation.text.endswith(f"from {SECOND}, which is well, to {BEST}")


def test_the_rule_is_silent_where_nodes_may_see_each_other_otherwise() -> None:
    place, who = (0, schedule([Fault("forget", 1.0, 0.0)]).services[0].ip), frozenset((BEST,))
    odd = Keeping(schedule([Fault("gossip", 20.0, 1.0, BEST, "both")]))
    calm = Keeping(schedule([Fault("kill", 20.0, 1.0, BEST)]))
    for rule, expected in ((odd, False), (calm, True)):
        for at in range(6, 26):
            assert rule.judge(place, frozenset((SECOND,)), _waits, float(at)) == ""
        assert bool(rule.judge(place, who, _waits, 26.0)) is expected


def _waits(_: str) -> bool:
    return False


def test_a_draw_is_the_same_but_for_its_failback() -> None:
    """Seeds of old keep their faults; a file of old, without the key, goes by rank."""
    drawn = [draw(seed, faults=20) for seed in range(20)]
    kinds = {spec.failback for made in drawn for spec in made.services}
    assert kinds == {"always", "never", "2s", "5s"}
    plain = schedule([Fault("kill", 8.0, 1.0, BEST)], failback="always")
    assert Schedule.from_json(plain.as_json().replace(', "failback": "always"', "")) == plain

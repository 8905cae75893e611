"""ICMP echo and ARP together: what each may say, row by row of the table, within a budget of ARP."""

from random import Random

import pytest
from tests.unit.protocols.witness.lan import ARP, ECHO, Lan, cut, everything

from roost.protocols.witness.budget import Budget
from roost.protocols.witness.effects import Probe
from roost.protocols.witness.machine import Witness
from roost.protocols.witness.timing import PROCESS, TIMINGS
from roost.protocols.witness.voice import ProbeKind

INSPECTED = 15  # ARP packets/second of a port that Dynamic ARP Inspection lets live


def only(kind: ProbeKind, *hosts: str) -> Lan:
    """A LAN whose `hosts` (all by default) answer this kind alone."""
    return Lan(answers=lambda subject, asked: asked is kind or bool(hosts and subject not in hosts))


def test_echo_answered_and_arp_silent_is_alive_and_counted() -> None:
    lan = Lan()
    lan.run(12.0)  # ARP is asked rarely, and has to be proven
    assert lan.witnesses["n2"].proven_kinds("n1") == {ARP, ECHO}
    lan.answers = lambda _subject, kind: kind is ECHO
    lan.run(20.0)
    assert lan.declared == []
    assert lan.witnesses["n2"].counters["arp_ceased"] == 2
    lan.answers = lambda _subject, _kind: True
    lan.run(5.0)
    assert lan.witnesses["n2"].counters["arp_ceased"] == 2


def test_echo_silent_and_arp_answered_is_a_proxy_speaking_for_the_dead() -> None:
    lan = Lan(proxy=True)
    lan.run(2.0)
    lan.passes, began = cut("n1"), lan.now
    lan.stopped = {"n1"}
    lan.run(1.0)
    assert lan.gone() == {"n1"}
    assert lan.declared[0][0] - began < 0.12
    assert "although ARP was" in lan.evidence
    assert {by for _, by, _ in lan.declared} == {"n2", "n3"}


def test_both_silent_is_dead_and_the_evidence_names_both() -> None:
    lan = Lan()
    lan.run(2.0)
    lan.passes = cut("n1")
    lan.run(1.0)
    assert lan.gone() == {"n1"}
    assert "ICMP echo, and ARP neither" in lan.evidence


def test_echo_alone_is_enough_for_a_host_that_answers_no_arp() -> None:
    lan = only(ECHO)
    lan.run(2.0)
    assert lan.witnesses["n2"].proven_kinds("n1") == {ECHO}
    lan.passes, began = cut("n1"), lan.now
    lan.run(1.0)
    assert lan.gone() == {"n1"}
    assert lan.declared[0][0] - began < 0.12


@pytest.mark.parametrize(("rate", "bound"), [(None, 0.12), (10.0, 1.0)])
def test_a_host_that_answers_no_echo_is_judged_by_arp_within_the_budget(
    rate: float | None, bound: float
) -> None:
    lan = only(ARP)
    lan = Lan(answers=lan.answers, rate=rate)
    lan.run(10.0)
    assert lan.witnesses["n2"].proven_kinds("n1") == {ARP}
    lan.passes, began = cut("n1"), lan.now
    lan.run(3.0)
    assert lan.gone() == {"n1"}
    assert lan.declared[0][0] - began < bound
    assert "ICMP" not in lan.evidence


def test_the_first_echo_refutes_the_silence_of_arp() -> None:
    lan = Lan(("n1", "n2"), answers=lambda _subject, kind: kind is ARP, rate=None)
    lan.run(10.0)
    lan.answers = lambda _subject, kind: kind is ECHO
    lan.run(10.0)
    assert lan.declared == []
    assert ECHO in lan.witnesses["n2"].proven_kinds("n1")


def test_who_could_not_be_asked_for_want_of_budget_is_not_judged() -> None:
    """The other users of the budget leave nothing: silence that nobody caused by asking says nothing."""
    budget = Budget(10.0)
    witness = Witness("n2", TIMINGS["default"], budget, [ARP])
    witness.watch({"n1": frozenset({"n3"})}, 0.0)
    now = 0.0
    while not witness.proven("n1"):
        now += 0.02
        witness.wake(now)
        if [effect for effect in witness.effects() if isinstance(effect, Probe)]:
            witness.answered("n1", now + 0.001, ARP)
    for _ in range(200):
        now += 0.02
        while budget.take(now, urgent=True):
            pass
        witness.wake(now)
    assert not list(witness.effects())
    assert witness.counters["arp_withheld"] > 5


def test_the_living_are_not_judged_by_a_fabric_that_answers_arp_for_everybody() -> None:
    """Cut off from all, with a switch that answers ARP for them: whoever is alone blames nobody."""
    lan = Lan(("n1", "n2"), proxy=True)
    lan.run(2.0)
    lan.passes = cut("n1")
    lan.run(5.0)
    assert {(by, subject) for _, by, subject in lan.declared} == {("n2", "n1")}


def test_a_host_that_never_answered_anything_is_not_judged() -> None:
    lan = Lan(answers=lambda subject, _kind: subject != "n1")
    lan.run(5.0)
    assert lan.declared == []
    assert not lan.witnesses["n2"].proven("n1")


def test_word_of_a_move_spares_and_proves_nothing() -> None:
    witness = Witness("n2", TIMINGS["default"])
    witness.watch({"n1": frozenset()}, 0.0)
    witness.vouched("n1", 1.0)
    witness.vouched("nobody", 1.0)
    assert (witness.proven("n1"), witness.heard("n1")) == (False, None)


def test_rarely_asked_arp_costs_no_wake_of_its_own() -> None:
    lan = Lan()
    lan.run(1.0)
    before = len(lan.arp["n1"])
    lan.run(30.0)
    assert (len(lan.arp["n1"]) - before) / 30.0 <= 2.5, "a question and an answer per peer and second, shared"


def own_clocks(count: int, random: Random) -> dict[str, float]:
    """So many nodes, and how far the clock of each is from the others'."""
    return {f"n{number}": random.uniform(0, 10) for number in range(1, count + 1)}


@pytest.mark.parametrize("count", [2, 3, 4, 5])
@pytest.mark.parametrize("echo", [True, False])
def test_no_port_carries_more_arp_than_inspection_allows(count: int, echo: bool) -> None:
    random = Random(count)
    clocks = own_clocks(count, random)
    names = tuple(clocks)
    lan = Lan(
        names,
        processes=True,
        clocks=clocks,
        answers=lambda _subject, kind: echo or kind is ARP,
    )
    lan.run(10.0)
    lan.passes = cut("n1")
    lan.run(2.0)
    lan.follow(names[1:])
    lan.run(3.0)
    lan.passes = everything
    lan.run(1.0)
    lan.follow(names)
    lan.run(3.0)
    lan.stopped = {"n2"}
    lan.run(3.0)
    lan.stopped = set()
    lan.run(3.0)
    assert max(lan.most_arp(name) for name in names) <= INSPECTED
    assert "n1" in lan.gone()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize(("rate", "bound"), [(10.0, 1.0), (None, 0.4)])
def test_a_process_that_hangs_is_found_within_the_budget(
    seed: int, count: int, rate: float | None, bound: float
) -> None:
    random = Random(seed)
    clocks = own_clocks(count, random)
    lan = Lan(tuple(clocks), processes=True, clocks=clocks, rate=rate)
    lan.run(4.0 + random.random())
    assert lan.declared == []
    lan.stopped, began = {"n1"}, lan.now
    lan.run(1.5)
    assert lan.gone() == {"n1 vip"}
    took = lan.declared[0][0] - began
    assert (1 - 0.3) * PROCESS.silence <= took < bound


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_little_loss_shuts_no_port_either(count: int) -> None:
    random = Random(count)
    clocks = own_clocks(count, random)
    names = tuple(clocks)
    lan = Lan(
        names,
        processes=True,
        clocks=clocks,
        passes=lambda _source, _target: random.random() >= 0.01,
    )
    lan.run(20.0)
    assert lan.declared == []
    assert max(lan.most_arp(name) for name in names) <= INSPECTED


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("loss", [0.02, 0.05])
def test_loss_calls_no_process_gone(seed: int, loss: float) -> None:
    random = Random(seed)
    lan = Lan(processes=True, passes=lambda _source, _target: random.random() >= loss)
    lan.run(20.0)
    assert lan.declared == []

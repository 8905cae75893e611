"""Witnesses on a virtual LAN: who is called gone, how soon, and who is not."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.protocols.witness.lan import Lan, cut, everything

from roost.protocols.machine import Effect
from roost.protocols.witness.budget import Budget
from roost.protocols.witness.effects import Declare
from roost.protocols.witness.machine import Witness
from roost.protocols.witness.timing import TIMINGS
from roost.protocols.witness.voice import ProbeKind
from roost.protocols.words.statement import Kind, Statement


def nothing(_source: str, _target: str) -> bool:
    return False


DEFAULT = TIMINGS["default"]


@pytest.mark.parametrize(("profile", "bound"), [("default", 0.1), ("fast", 0.045)])
def test_a_silent_node_is_called_gone_by_those_who_see_each_other_and_by_no_one_else(
    profile: str, bound: float
) -> None:
    lan = Lan(timing=TIMINGS[profile])
    lan.run(1.0)
    lan.passes = cut("n1")
    began = lan.now
    lan.run(0.5)
    assert lan.gone() == {"n1"}
    assert {by for _, by, _ in lan.declared} == {"n2", "n3"}
    assert lan.declared[0][0] - began < bound
    assert "so say" in lan.evidence


def test_who_is_cut_off_blames_nobody_even_for_long() -> None:
    lan = Lan()
    lan.run(1.0)
    lan.passes = cut("n1")
    lan.run(30.0)
    assert "n1" not in {by for _, by, _ in lan.declared}


def test_of_two_nodes_the_one_whose_own_link_works_decides() -> None:
    lan = Lan(("n1", "n2"))
    lan.run(1.0)
    lan.passes = cut("n1")
    lan.run(1.0)
    assert [(by, subject) for _, by, subject in lan.declared] == [("n2", "n1")]
    assert "LAN" in lan.evidence


def test_of_two_nodes_with_nobody_else_on_the_lan_neither_decides() -> None:
    lan = Lan(("n1", "n2"), bystander=False)
    lan.run(1.0)
    lan.passes = cut("n1")
    lan.run(5.0)
    assert lan.declared == []


def test_who_is_not_heard_and_who_hears_nobody_do_not_confirm_each_other() -> None:
    """Both find everybody silent, and each hears what the other says."""
    lan = Lan(("n1", "n2", "n3", "n4"))
    lan.run(1.0)
    lan.passes = lambda source, target: source != "n4" and target != "n1"
    lan.run(1.0)
    assert {by for _, by, _ in lan.declared} == {"n2", "n3"}
    assert lan.gone() == {"n1", "n4"}


def test_a_node_that_one_witness_alone_does_not_reach_is_not_gone() -> None:
    lan = Lan()
    lan.run(1.0)
    lan.passes = lambda source, target: {source, target} != {"n1", "n2"}
    lan.run(5.0)
    assert lan.declared == []


def test_one_deaf_direction_is_enough_to_be_gone_when_all_find_it() -> None:
    lan = Lan()
    lan.run(1.0)
    lan.passes = lambda source, _target: source != "n1"
    lan.run(1.0)
    assert "n1" in lan.gone()


def test_a_mute_witness_delays_a_verdict_and_does_not_prevent_it() -> None:
    lan = Lan()
    lan.run(1.0)
    lan.stopped = {"n3"}
    lan.passes = cut("n1")
    began = lan.now
    lan.run(2.0)
    assert lan.gone() == {"n1"}
    assert lan.declared[0][0] - began < 0.3


def test_two_of_three_that_die_together_are_both_found() -> None:
    lan = Lan()
    lan.run(1.0)
    lan.passes = cut("n1", "n2")
    lan.stopped = {"n1", "n2"}
    lan.run(2.0)
    assert lan.gone() == {"n1", "n2"}


def test_a_stopped_process_is_no_dead_kernel() -> None:
    lan = Lan()
    lan.run(1.0)
    lan.stopped = {"n1"}
    lan.run(3.0)
    assert lan.declared == []


def test_a_silent_process_is_called_gone_on_the_word_of_another_witness_alone() -> None:
    """Whom no words reach may watch it by what it does not answer for any more."""
    lan = Lan(processes=True, rate=None)
    lan.run(4.0)
    lan.stopped = {"n1"}
    lan.tells = nothing
    lan.run(3.0)
    assert lan.declared == []
    lan.tells = everything
    lan.run(1.0)
    assert lan.gone() == {"n1 vip"}


def test_a_witness_that_was_stopped_itself_blames_nobody_when_it_wakes() -> None:
    lan = Lan()
    lan.run(1.0)
    lan.stopped = {"n1"}
    lan.run(3.0)
    lan.stopped = set()
    lan.run(1.0)
    assert lan.declared == []


@pytest.mark.parametrize("timers_first", [True, False])
def test_a_word_that_waited_while_a_witness_did_not_run_confirms_no_silence(timers_first: bool) -> None:
    """It was said before, as was what this witness asked in vain: the subject may be back since."""
    witness = Witness("n1", DEFAULT, Budget(None))
    witness.watch({"n2": frozenset({"n3"}), "n3": frozenset({"n2"})}, 0.0)
    now, lost_at = 0.0, 2.0
    while now < lost_at + 0.06:
        now = max(witness.next_wake() or now, now + 0.001)
        for subject in ("n3",) if now > lost_at else ("n2", "n3"):
            for kind in ProbeKind:
                witness.answered(subject, now, kind)
        witness.wake(now)
    assert "n2" in witness.owing
    assert declared(witness) == []
    now += 2.0  # it did not run
    word = Statement(Kind.SILENT, "n3", "n2")
    for step in (witness.wake, lambda at: witness.receive(word, at))[:: 1 if timers_first else -1]:
        step(now)
    assert declared(witness) == []
    now += 0.1
    witness.wake(now)
    witness.receive(word, now)
    assert [effect.subject for effect in declared(witness)] == ["n2"]


def declared(witness: Witness) -> list[Declare]:
    return [effect for effect in witness.effects() if isinstance(effect, Declare)]


def test_the_time_in_which_a_witness_did_not_run_is_not_counted_as_silence() -> None:
    lan = Lan(("n1", "n2"))
    lan.run(1.0)
    lan.stopped = {"n2"}
    lan.run(0.2)
    lan.stopped, lan.passes = set(), cut("n1")
    woken = lan.now
    lan.run(1.0)
    assert lan.gone() == {"n1"}
    assert lan.declared[0][0] - woken >= DEFAULT.silence


def test_a_witness_that_is_late_all_the_time_finds_the_dead_all_the_same() -> None:
    """Each late wake takes from the silence as much as it was late, and not all of it."""
    witness = Witness("n1", TIMINGS["default"])
    witness.watch({"n2": frozenset()}, 0.0)
    now, declared = 0.0, list[Effect]()
    while now < 6.0 and not declared:
        now = max(witness.next_wake() or now, now) + 0.025
        if now < 3.0:
            for kind in ProbeKind:
                witness.answered("n2", now, kind)
        witness.lan_answered(now, ProbeKind.ECHO)
        witness.wake(now)
        declared = [effect for effect in witness.effects() if isinstance(effect, Declare)]
    assert declared
    assert now < 3.8


def test_the_first_answer_after_a_while_proves_this_nodes_own_link_and_no_silence_of_before() -> None:
    """Others were asked while it did not work: they have to leave a later question open."""
    witness = Witness("n1", TIMINGS["default"], Budget(None))
    witness.watch({"n2": frozenset()}, 0.0)
    now = 0.0
    while now < 1.0:
        now = witness.next_wake() or now
        for kind in ProbeKind:
            witness.answered("n2", now, kind)
        witness.wake(now)
    while now < 1.18:
        now = witness.next_wake() or now
        witness.wake(now)
    list(witness.effects())
    witness.lan_answered(now, ProbeKind.ECHO)
    witness.wake(now)
    assert not [effect for effect in witness.effects() if isinstance(effect, Declare)]
    while now < 1.24:
        now = witness.next_wake() or now
        witness.wake(now)
    assert [effect for effect in witness.effects() if isinstance(effect, Declare)]


def test_a_host_that_never_answered_is_not_judged() -> None:
    lan = Lan(passes=lambda source, target: "n1" not in (source, target))
    lan.run(5.0)
    assert lan.declared == []
    assert not lan.witnesses["n2"].proven("n1")


def test_words_of_those_who_do_not_watch_count_for_nothing() -> None:
    lan = Lan(("n1", "n2"), bystander=False)
    lan.run(1.0)
    lan.passes = cut("n1")
    for _ in range(100):
        lan.run(0.01)
        lan.witnesses["n2"].receive(Statement(Kind.SILENT, "mallory", "n1"), lan.now)
        lan.witnesses["n2"].receive(Statement(Kind.SILENT, "n2", "n1"), lan.now)
        lan.witnesses["n2"].receive(Statement(Kind.SILENT, "n1", "nobody"), lan.now)
    assert lan.declared == []


def test_a_link_that_was_slow_of_late_is_given_more_time() -> None:
    """A full link delays answers; what was normal of late is no death."""
    lan = Lan()
    lan.run(1.0)
    for _ in range(10):
        lan.passes = cut("n1")
        lan.run(0.045)  # short of silence, which counts from the last answer
        lan.passes = everything
        lan.run(0.2)
    lan.passes = cut("n1")
    lan.run(0.1)
    assert lan.declared == []
    lan.run(0.5)
    assert lan.gone() == {"n1"}


def test_one_that_did_not_run_blames_nobody_on_anothers_word_before_it_has_read_what_came_in() -> None:
    lan = Lan()
    lan.run(1.0)
    lan.passes = cut("n3")
    lan.run(0.06)
    lan.passes, lan.stopped = everything, {"n3"}
    lan.run(1.0)
    thawed = lan.witnesses["n3"]
    thawed.receive(Statement(Kind.SILENT, "n2", "n1"), lan.now)
    assert [effect for effect in thawed.effects() if isinstance(effect, Declare)] == []


def test_one_that_is_left_alone_on_a_link_that_was_slow_of_late_finds_its_peer_gone() -> None:
    """It waits so long for the peer that it would take itself for deaf, had it not asked others meanwhile."""
    lan = Lan(("n1", "n2"))
    lan.run(1.0)
    for pause in (0.045, 0.08, 0.14):
        lan.passes = cut("n1")
        lan.run(pause)
        lan.passes = everything
        lan.run(0.2)
    assert lan.declared == []
    lan.passes = cut("n1")
    lan.run(0.5)
    assert ("n2", "n1") in {(by, subject) for _, by, subject in lan.declared}


@given(
    seed=st.integers(0, 2**32),
    loss=st.sampled_from([0.05, 0.1]),
    profile=st.sampled_from(["default", "fast"]),
)
@settings(max_examples=20)
def test_loss_alone_calls_nobody_gone(seed: int, loss: float, profile: str) -> None:
    random = Random(seed)
    lan = Lan(timing=TIMINGS[profile], passes=lambda _source, _target: random.random() >= loss)
    lan.run(10.0)
    assert lan.declared == []


@given(
    seed=st.integers(0, 2**32),
    count=st.integers(3, 8),
    victim=st.integers(0, 7),
    loss=st.sampled_from([0.0, 0.05]),
)
@settings(max_examples=30)
def test_a_death_is_found_in_any_cluster_and_only_that(
    seed: int, count: int, victim: int, loss: float
) -> None:
    random = Random(seed)
    names = tuple(f"n{number}" for number in range(count))
    dead = names[victim % count]
    lan = Lan(names, passes=lambda _source, _target: random.random() >= loss)
    lan.run(1.0)
    lan.passes = lambda source, target: dead not in (source, target) and random.random() >= loss
    lan.stopped = {dead}
    lan.run(1.0)
    assert lan.gone() == {dead}


@pytest.mark.parametrize("count", [3, 10, 100])
def test_the_cost_of_a_node_grows_with_its_witnesses_and_not_with_the_cluster(count: int) -> None:
    lan = Lan(tuple(f"n{number}" for number in range(count)))
    lan.run(1.0)
    a_second = lan.probes / count
    assert a_second <= min(count - 1, 3) * (1 / DEFAULT.interval + 4)

"""What is no accident in gossip, and when it is over."""

from tests.unit.decide.builders import endpoint, member

from roost.model.node import Verdict
from roost.observe.reach import Reach
from roost.protocols.memberlist.effects import Fault


def suspect(reach: Reach, now: float, *, is_so: bool = True) -> None:
    reach.follow([member(2, Verdict.SUSPECT if is_so else Verdict.ALIVE)], "same", now)


def test_a_suspicion_that_a_moment_refutes_again_and_again_is_one() -> None:
    reach = Reach()
    suspect(reach, 0.0)
    suspect(reach, 2.5, is_so=False)
    suspect(reach, 2.6)
    assert reach.suspected_for_long(2.7) == {"n2"}
    suspect(reach, 4.0, is_so=False)
    assert reach.suspected_for_long(8.0) == {"n2"}
    assert reach.suspected_for_long(10.0) == frozenset()


def test_a_short_suspicion_now_and_then_is_none() -> None:
    reach = Reach()
    for at in range(10):
        suspect(reach, float(at))
        suspect(reach, at + 0.5, is_so=False)
    assert reach.suspected_for_long(10.0) == frozenset()


def test_a_member_that_is_gone_is_forgotten() -> None:
    reach = Reach()
    suspect(reach, 0.0)
    reach.follow([], "same", 3.0)
    assert reach.suspected_for_long(9.0) == frozenset()


def test_faults_in_their_own_rhythm_count_until_some_did_not_come() -> None:
    reach = Reach()
    for at in range(3):
        reach.fault(Fault("bad-packet", "no key", endpoint(2)), 5.0 * at)
    assert reach.recent("bad-packet", 29.0) == {"192.0.2.12": "no key"}
    assert reach.recent("bad-packet", 31.0) == {}
    reach.fault(Fault("bad-packet", "no key", endpoint(2)), 40.0)
    assert reach.recent("bad-packet", 40.0) == {}, "it begins anew"


def test_texts_of_faults_are_made_fit_for_a_line() -> None:
    reach = Reach()
    for at in range(3):
        reach.fault(Fault("stream", "a\x1b[31m\nb" + "x" * 500, endpoint(2)), float(at))
    (text,) = reach.recent("stream", 3.0).values()
    assert text.startswith("a?[31m?b")
    assert len(text) == 200


def test_the_senders_remembered_are_bounded() -> None:
    reach = Reach()
    for at in range(1000):
        for _ in range(3):
            reach.fault(Fault("bad-packet", "", endpoint(at % 200)), 0.001 * at)
    assert len(reach.recent("bad-packet", 1.0)) <= 64

"""Who of those that share an address is mute."""

from ipaddress import ip_address

from roost.decide.sharing.roll_call import RollCall
from roost.model.address import IPAddress
from roost.protocols.witness.budget import Budget

VIP, OTHER = ip_address("192.0.2.200"), ip_address("192.0.2.201")


def expected(_: IPAddress) -> frozenset[str]:
    return frozenset({"n2", "n3"})


def until_quiet(calls: RollCall, now: float, *heard: str, seconds: float = 1.0) -> tuple[float, int]:
    """Run for a while, those `heard` answering each question; return the time, and how often was asked."""
    asked, end = 0, now + seconds
    while (due := calls.next_wake()) is not None and due <= end:
        now = max(now, due)
        for address in calls.wake(now, expected)[0]:
            asked += 1
            for name in heard:
                calls.heard(address, name, now)
    return now, asked


def test_who_does_not_answer_is_mute_until_it_is_heard() -> None:
    calls = RollCall()
    calls.call([VIP], 1.0)
    now, _ = until_quiet(calls, 1.0, "n2", seconds=0.2)
    assert calls.mute(VIP) == {"n3"}
    assert calls.mute(OTHER) == frozenset()
    now, asked = until_quiet(calls, now, "n2", "n3")
    assert (calls.mute(VIP), asked, calls.next_wake()) == (frozenset(), 1, None), "all have answered"


def test_what_changes_while_it_is_asked_for_is_asked_for_again() -> None:
    calls = RollCall()
    calls.call([VIP], 1.0)
    calls.wake(1.0, expected)
    for name in ("n2", "n3"):
        calls.heard(VIP, name, 1.01)
    calls.call([VIP], 1.02)  # n3 has another file from now on
    until_quiet(calls, 1.02, "n2", seconds=0.2)
    assert calls.mute(VIP) == {"n3"}


def test_an_answer_that_was_on_its_way_when_something_changed_tells_nothing() -> None:
    """A node dropped the address, and its frames took 30 ms (campaign, --seed 37, run 773)."""
    calls = RollCall()
    calls.call([VIP], 1.0, twice=True)
    calls.wake(1.0, expected)
    for name in ("n2", "n3"):
        calls.heard(VIP, name, 1.03)
    until_quiet(calls, 1.03, "n2", seconds=0.3)
    assert calls.mute(VIP) == {"n3"}


def test_one_lost_answer_is_no_silence() -> None:
    calls = RollCall()
    calls.call([VIP], 1.0)
    assert calls.wake(1.0, expected)[0] == {VIP}
    assert calls.wake(1.05, expected)[0] == {VIP}
    for name in ("n2", "n3"):
        calls.heard(VIP, name, 1.06)
    assert calls.wake(1.1, expected) == (frozenset(), frozenset(), frozenset())


def test_an_answer_from_before_the_question_counts_for_nothing() -> None:
    calls = RollCall()
    calls.take_for_mute([VIP], "n3", 1.0)
    calls.heard(VIP, "n3", 1.1)  # brings the next question at once, and is no answer to it
    assert calls.next_wake() == 1.1
    until_quiet(calls, 1.1, "n2", seconds=0.1)
    assert calls.mute(VIP) == {"n3"}


def test_who_is_taken_for_mute_while_it_is_asked_for_has_to_answer_anew() -> None:
    calls = RollCall()
    calls.call([VIP], 1.0)
    calls.wake(1.0, expected)
    for name in ("n2", "n3"):
        calls.heard(VIP, name, 1.01)
    calls.take_for_mute([VIP], "n3", 1.02)  # it comes back from a cut, and asks before it answers
    until_quiet(calls, 1.02, "n2", seconds=0.3)
    assert calls.mute(VIP) == {"n3"}


def test_who_comes_while_it_is_mute_and_asked_for_has_to_answer_a_new_question() -> None:
    """It may have stood in for this node until then: that answer is on its way."""
    calls = RollCall()
    calls.take_for_mute([VIP], "n3", 1.0)
    until_quiet(calls, 1.0, "n2", seconds=0.24)
    assert calls.wake(1.25, expected)[0] == {VIP}
    calls.expect(VIP, "n3", 1.26)
    calls.heard(VIP, "n3", 1.261)
    until_quiet(calls, 1.261, "n2", seconds=0.1)
    assert calls.mute(VIP) == {"n3"}


def test_who_came_and_stays_mute_is_found_as_anybody_else_is() -> None:
    calls = RollCall()
    for name in ("n2", "n3"):
        calls.expect(VIP, name, 1.0)
    assert calls.mute(VIP) == {"n2", "n3"}, "until they are heard"
    found = set[str]()
    for _ in range(4):
        ask, _, newly = calls.wake(calls.next_wake() or 9.0, expected)
        found |= newly
        if ask:
            calls.heard(VIP, "n2", 1.1)
    assert calls.mute(VIP) == found == {"n3"}
    found.clear()
    for _ in range(4):
        found |= calls.wake(calls.next_wake() or 9.0, expected)[2]
    assert "n3" not in found, "once"


def test_the_budget_puts_questions_off() -> None:
    budget = Budget(2.0)
    while budget.take(1.0, urgent=True):
        pass
    calls = RollCall(budget)
    calls.call([VIP], 1.0)
    assert calls.wake(1.0, expected)[0] == frozenset()
    assert 1.0 < (calls.next_wake() or 0.0) < 3.0

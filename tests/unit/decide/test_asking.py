"""An address is asked for twice, and free when nobody answered."""

from ipaddress import IPv4Address

from roost.decide.asking import Asking
from roost.model.address import IPAddress

VIP, OTHER, UNASKED = (IPv4Address("192.0.2.200") + number for number in range(3))
MANY = [IPv4Address("198.51.100.0") + number for number in range(250)]


def play(asking: Asking, until: float, now: float = 0.0) -> list[tuple[float, str, frozenset[IPAddress]]]:
    """Wake as wanted; what was asked for and what was free, and when."""
    found = []
    while (due := asking.next_wake()) is not None and due <= until:
        now = max(now, due)
        ask, free, alone = asking.wake(now)
        assert alone <= free
        found += [(round(now, 6), what, group) for what, group in (("ask", ask), ("free", free)) if group]
        after = asking.next_wake()
        assert after is None or after > now, "it wants to be woken for nothing"
    return found


def test_it_is_asked_for_twice_and_then_free() -> None:
    asking = Asking()
    asking.begin([VIP], 10.0, patience=0.2)
    assert asking.open == {VIP}
    only = frozenset({VIP})
    assert play(asking, 20.0, now=10.0) == [(10.0, "ask", only), (10.11, "ask", only), (10.2, "free", only)]
    assert asking.open == set()
    assert asking.next_wake() is None


def test_who_answers_ends_the_question() -> None:
    asking = Asking()
    asking.begin([VIP, OTHER], 0.0, patience=0.2)
    asking.wake(0.0)
    asking.end([VIP])
    assert asking.open == {OTHER}
    assert (0.2, "free", frozenset({OTHER})) in play(asking, 1.0)


def test_what_somebody_answered_for_is_free_in_time_and_not_alone() -> None:
    """Heard, and not yielded to: it is this node's to answer, but somebody serves it meanwhile."""
    asking = Asking()
    asking.begin([VIP, OTHER], 0.0, patience=0.2)
    asking.wake(0.0)
    asking.heard(VIP)
    asking.heard(UNASKED)
    asking.wake(0.12)
    assert asking.unanswered(0.15) == {OTHER}
    assert asking.open == {VIP, OTHER}, "each has its whole patience"
    assert asking.wake(0.22) == (frozenset(), frozenset({VIP, OTHER}), frozenset({OTHER}))
    assert asking.wake(0.3) == (frozenset(), frozenset(), frozenset())


def test_silence_says_something_only_after_a_question_and_some_time() -> None:
    asking = Asking()
    asking.begin([VIP], 0.0, patience=0.2)
    assert asking.unanswered(0.1) == frozenset(), "it was not asked for yet"
    asking.wake(0.1)
    assert asking.unanswered(0.15) == frozenset()
    assert asking.unanswered(0.165) == {VIP}


def test_a_second_reason_to_ask_does_not_begin_anew() -> None:
    asking = Asking()
    asking.begin([VIP], 0.0, patience=0.2)
    asking.begin([VIP], 0.1, patience=5.0)
    assert play(asking, 1.0)[-1] == (0.2, "free", frozenset({VIP}))


def test_fresh_knowledge_ends_all_questions_and_tells_which() -> None:
    asking = Asking()
    asking.begin([VIP, OTHER], 0.0, patience=0.2)
    assert asking.end_all() == {VIP, OTHER}
    assert asking.open == set()
    assert asking.next_wake() is None


def test_many_are_asked_for_in_batches_and_each_gets_its_whole_patience() -> None:
    asking = Asking()
    asking.begin(MANY, 0.0, patience=0.2)
    found = play(asking, 5.0)
    asked: dict[IPAddress, list[float]] = {address: [] for address in MANY}
    freed: dict[IPAddress, float] = {}
    for when, what, group in found:
        assert len(group) <= 100 or what == "free"
        for address in group:
            if what == "ask":
                asked[address].append(when)
            else:
                freed[address] = when
    assert {len(times) for times in asked.values()} == {2}
    assert all(freed[address] - asked[address][0] >= 0.2 - 1e-6 for address in MANY)
    assert all(freed[address] - asked[address][1] >= 0.09 - 1e-6 for address in MANY)


def test_a_wake_that_is_late_still_leaves_time_for_the_answer() -> None:
    asking = Asking()
    asking.begin([VIP], 0.0, patience=0.2)
    asking.wake(0.0)
    assert asking.wake(5.0)[0] == {VIP}, "the second question was not sent before"
    assert asking.wake(5.0)[1] == frozenset()
    assert asking.wake(5.1)[1] == {VIP}


def test_asked_anew_silence_from_before_says_nothing() -> None:
    asking = Asking()
    asking.begin([VIP], 0.0, patience=0.4)
    asking.wake(0.0)
    asking.wake(0.22)
    asking.begin_anew([VIP, OTHER], 5.0, patience=0.2)
    both = frozenset({VIP, OTHER})
    found = play(asking, 10.0, now=5.0)
    assert found[0] == (5.0, "ask", both)
    assert [each for each in found if each[1] == "free"] == [
        (5.2, "free", frozenset({OTHER})),
        (5.4, "free", frozenset({VIP})),
    ]


def test_silence_answers_nothing_until_anybody_is_heard() -> None:
    """Who may be deaf waits, and asks anew once it hears: then silence counts."""
    asking = Asking()
    asking.begin([VIP], 0.0, patience=0.2)
    asking.distrust_silence(0.0)
    only = frozenset({VIP})
    assert play(asking, 5.0) == [(0.0, "ask", only), (0.11, "ask", only)]
    assert asking.open == {VIP}
    assert not asking.trust_silence(-0.1, 5.0), "heard before"
    assert asking.trust_silence(5.0, 5.0)
    assert play(asking, 9.0, now=5.0) == [(5.0, "ask", only), (5.11, "ask", only), (5.2, "free", only)]
    assert not asking.trust_silence(9.0, 9.0)


def test_who_hears_in_time_asks_no_longer_than_others() -> None:
    asking = Asking()
    asking.begin([VIP], 0.0, patience=0.2)
    asking.distrust_silence(0.0)
    asking.wake(0.0)
    assert not asking.trust_silence(0.02, 0.02), "nothing is asked for anew"
    assert play(asking, 1.0)[-1] == (0.2, "free", frozenset({VIP}))


def test_fresh_knowledge_ends_that_doubt_too() -> None:
    asking = Asking()
    asking.begin([VIP], 0.0, patience=0.2)
    asking.distrust_silence(0.0)
    play(asking, 1.0)
    assert asking.end_all() == {VIP}
    asking.begin([VIP], 1.0, patience=0.2)
    assert play(asking, 2.0)[-1] == (1.2, "free", frozenset({VIP}))

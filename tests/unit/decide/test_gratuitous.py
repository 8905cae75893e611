"""When gratuitous frames go out: rounds with growing gaps, under one rate."""

import itertools
from collections import Counter
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.decide.gratuitous import MOMENT, ROUNDS, GratuitousSchedule
from roost.model.address import IPAddress

Schedule = GratuitousSchedule[IPAddress]
VIP, OTHER = IPv4Address("192.0.2.200"), IPv4Address("192.0.2.201")
MANY = [IPv4Address("198.51.100.0") + number for number in range(200)]


def play(
    schedule: Schedule, until: float, cost: float = 2, now: float = 0.0
) -> list[tuple[float, IPAddress]]:
    """Wake the schedule as it asks, from `now` on; what went out and when."""
    sent = [(now, address) for address in schedule.wake(now, cost)]
    while (due := schedule.next_wake()) is not None and due <= until:
        now = max(now, due)
        sent += [(now, address) for address in schedule.wake(now, cost)]
    return sent


def test_an_address_is_told_at_once_and_again_over_several_seconds() -> None:
    schedule = Schedule(rate=1000)
    schedule.take([VIP], 100.0)
    sent = play(schedule, 200.0, now=100.0)
    assert [when - 100.0 for when, _ in sent] == pytest.approx(ROUNDS)
    assert schedule.next_wake() is None


def test_refresh_goes_on_for_ever_at_its_distance() -> None:
    schedule = Schedule(rate=1000, refresh=10.0)
    schedule.take([VIP], 0.0)
    later = [when for when, _ in play(schedule, 40.0) if when > ROUNDS[-1]]
    assert later == pytest.approx([14.0, 24.0, 34.0])


def test_a_lost_address_is_told_no_more() -> None:
    schedule = Schedule(rate=1000)
    schedule.take([VIP, OTHER], 0.0)
    schedule.wake(0.0, 2)
    schedule.drop([VIP])
    assert {address for _, address in play(schedule, 60.0)} == {OTHER}


def test_taking_again_begins_anew_without_the_old_rounds() -> None:
    schedule = Schedule(rate=1000)
    schedule.take([VIP], 0.0)
    schedule.wake(0.0, 2)
    schedule.take([VIP], 0.05)
    assert [when for when, _ in play(schedule, 60.0, now=0.05)] == pytest.approx([0.05 + r for r in ROUNDS])


def test_no_more_than_the_rate_goes_out_and_first_rounds_go_first() -> None:
    schedule = Schedule(rate=100)
    schedule.take(MANY, 0.0)
    sent = play(schedule, 60.0)
    firsts = sent[: len(MANY)]
    assert {address for _, address in firsts} == set(MANY), "somebody's second round went before a first one"
    assert firsts[-1][0] == pytest.approx((2 * len(MANY) - 100) / 100, abs=0.1)
    assert len(sent) == len(MANY) * len(ROUNDS)
    for start in (when for when, _ in sent):
        frames = 2 * sum(start <= when < start + 1.0 for when, _ in sent)
        assert frames <= 200 + 2, "a burst of one second and the refill of one second at most"


def test_rounds_delayed_by_the_rate_keep_their_gaps() -> None:
    schedule = Schedule(rate=100)
    schedule.take(MANY, 0.0)
    of_last = [when for when, address in play(schedule, 60.0) if address == MANY[-1]]
    gaps = [later - earlier for earlier, later in itertools.pairwise(of_last)]
    wanted = [later - earlier for earlier, later in itertools.pairwise(ROUNDS)]
    assert all(gap >= least - 1e-9 for gap, least in zip(gaps, wanted, strict=True))


def test_a_round_dearer_than_the_burst_still_goes_out() -> None:
    schedule = Schedule(rate=1)
    schedule.take([VIP], 0.0)
    assert play(schedule, 0.0, cost=40) == [(0.0, VIP)]


def test_a_round_that_found_no_room_is_tried_again_soon() -> None:
    schedule = Schedule(rate=1000)
    schedule.take([VIP, OTHER], 0.0)
    schedule.wake(0.0, 2)
    schedule.again([VIP], 0.0)
    assert play(schedule, MOMENT * 1.5) == [(MOMENT, VIP)]


def test_an_address_told_to_the_end_can_be_told_again() -> None:
    schedule = Schedule(rate=1000)
    schedule.take([VIP], 0.0)
    play(schedule, 60.0)
    schedule.again([VIP], 60.0)
    assert len(play(schedule, 120.0, now=60.0)) == len(ROUNDS)


@given(
    st.lists(
        st.tuples(st.sampled_from(["take", "drop", "wake"]), st.integers(0, 5), st.floats(0, 2)), max_size=40
    )
)
def test_at_rest_everything_held_was_told_after_its_last_taking(steps: list[tuple[str, int, float]]) -> None:
    schedule = Schedule(rate=50)
    now, held, told = 0.0, Counter[IPAddress](), dict[IPAddress, int]()
    for what, number, wait in steps:
        now += wait
        address = MANY[number]
        if what == "take":
            schedule.take([address], now)
            held[address] = 1
            told[address] = 0
        elif what == "drop":
            schedule.drop([address])
            del held[address]
        else:
            for each in schedule.wake(now, 2):
                assert held[each], "told for an address that is not held"
                told[each] += 1
    for _, each in play(schedule, now + 60.0, now=now):
        told[each] += 1
    assert all(told[each] == len(ROUNDS) for each in held)


def test_where_frames_are_few_a_repeat_leaves_some_for_the_next_takeover() -> None:
    schedule = Schedule(rate=2, burst=6, rounds=(0.0, 0.5, 1.0, 1.5))
    schedule.take([VIP], 0.0)
    play(schedule, 2.0)
    schedule.take(MANY[:2], 2.0)
    assert schedule.wake(2.0, 2)[:1] == MANY[:1], "at once, whatever was repeated before"


def test_a_burst_too_small_for_its_reserve_repeats_all_the_same() -> None:
    schedule = Schedule(rate=0.4, burst=1.2, rounds=(0.0, 1.0))
    schedule.take([VIP], 0.0)
    assert len(play(schedule, 30.0)) == 2

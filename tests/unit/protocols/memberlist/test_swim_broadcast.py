"""The broadcast queue: order, replacement, limits, packing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.protocols.memberlist.swim_bench import Bench, alive, dead, host

from roost.protocols.machine import SendDatagram
from roost.protocols.memberlist.broadcast import BroadcastQueue, transmit_limit
from roost.protocols.memberlist.messages import Dead, Versions


def _queue(*members: str, limit: int = 100) -> BroadcastQueue:
    queue = BroadcastQueue(limit)
    for member in members:
        queue.put(member, member.encode())
    return queue


def _take(queue: BroadcastQueue, size: int = 1000, *, transmits: int = 10, count: int = 255) -> list[bytes]:
    return queue.take(size, overhead=2, transmits=transmits, count=count)


def test_the_newest_goes_first() -> None:
    assert _take(_queue("a", "b", "c")) == [b"c", b"b", b"a"]


def test_those_sent_least_go_first() -> None:
    queue = _queue("a", "b")
    _take(queue, count=1)  # b
    assert _take(queue, count=1) == [b"a"]
    queue.put("c", b"c")
    assert _take(queue) == [b"c", b"b", b"a"]


def test_a_newer_message_about_a_member_replaces_the_older_and_starts_afresh() -> None:
    queue = _queue("a", "b")
    _take(queue)
    queue.put("a", b"new")
    assert len(queue) == 2
    assert _take(queue) == [b"new", b"b"]


def test_a_message_is_dropped_when_it_was_sent_often_enough() -> None:
    queue = _queue("a")
    assert [_take(queue, transmits=3) for _ in range(4)] == [[b"a"], [b"a"], [b"a"], []]
    assert "a" not in queue


def test_a_message_that_does_not_fit_waits_for_another_packet() -> None:
    queue = BroadcastQueue(10)
    queue.put("small", b"1234")
    queue.put("large", b"1" * 50)
    assert _take(queue, 20) == [b"1234"]
    assert _take(queue, 52) == [b"1" * 50]


def test_a_full_queue_loses_what_was_sent_most() -> None:
    queue = _queue("a", "b", limit=2)
    _take(queue, count=1)  # b
    queue.put("c", b"c")
    assert _take(queue) == [b"c", b"a"]


@pytest.mark.parametrize(("members", "limit"), [(1, 4), (9, 4), (10, 8), (99, 8), (100, 12)])
def test_every_message_is_sent_as_often_as_memberlist_does(members: int, limit: int) -> None:
    assert transmit_limit(4, members) == limit


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from("abcdef"), st.binary(min_size=1, max_size=40)), st.integers(0, 120)
        )
    )
)
def test_packets_keep_their_size_and_messages_their_limit(steps: list[tuple[str, bytes] | int]) -> None:
    queue = BroadcastQueue(4)
    sent: dict[bytes, int] = {}
    for serial, step in enumerate(steps):
        if isinstance(step, int):
            messages = _take(queue, step, transmits=3)
            assert sum(len(message) + 2 for message in messages) <= step
            for message in messages:
                sent[message] = sent.get(message, 0) + 1
        else:
            queue.put(step[0], step[1] + serial.to_bytes(2, "big"))
        assert len(queue) <= 4
    assert all(count <= 3 for count in sent.values())


def test_gossip_fills_packets_up_to_the_budget_and_no_further() -> None:
    bench = Bench(60, udp_buffer_size=600)
    bench.run(1.0, answering=True)
    sizes = [len(effect.data) for effect in bench.take() if isinstance(effect, SendDatagram)]
    assert max(sizes) <= 600
    assert max(sizes) > 500


def test_the_timer_of_gossip_runs_only_while_there_is_something_to_tell() -> None:
    bench = Bench(3)
    bench.run(10.0, answering=True)
    before = bench.swim.counters["gossip_sent"]
    wakes = 0
    end = bench.now + 5
    while (due := bench.swim.next_wake()) is not None and due < end:
        bench.run(due - bench.now, answering=True)
        wakes += 1
    assert wakes <= 7  # five probes, perhaps push/pull
    assert bench.swim.counters["gossip_sent"] == before


def test_with_nobody_to_tell_the_queue_is_dropped_and_the_timer_rests() -> None:
    bench = Bench(2)
    bench.run(2.0, answering=True)
    bench.feed(Dead(1, "n2", "n2"))
    bench.take()
    wakes = 0
    end = bench.now + 3
    while (due := bench.swim.next_wake()) is not None and due < end:
        bench.run(due - bench.now)
        wakes += 1
    assert wakes <= 5  # three looks at the ring, one at the queue
    assert not bench.packets()


def test_the_lately_dead_are_told_until_their_time_is_over() -> None:
    bench = Bench(3, gossip_to_the_dead_time=5.0)
    bench.feed(dead(2))
    bench.run(1.0, answering=True)
    assert host(2) in [target for target, _ in bench.packets()]
    bench.run(6.0, answering=True)
    assert "n2" not in bench.swim.members  # reaped at the end of a round
    bench.feed(alive(2, 2))
    assert ("join", "n2") in bench.changes()


@pytest.mark.parametrize(("pmax", "first"), [(5, 12), (4, 4)])
def test_checksums_go_only_to_members_that_know_them(pmax: int, first: int) -> None:
    bench = Bench(2, versions=Versions(1, pmax, 2))
    bench.run(0.01)
    packets = [effect.data for effect in bench.take() if isinstance(effect, SendDatagram)]
    assert [packet[0] for packet in packets] == [first]

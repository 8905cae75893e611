"""Joining, push/pull, leaving, metadata, and what else comes over streams."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.protocols.memberlist import strategies
from tests.unit.protocols.memberlist.swim_bench import LAN, Bench, alive, host, state

from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.messages import (
    Ack,
    Alive,
    Dead,
    ErrorResponse,
    Message,
    Ping,
    PushPull,
    Status,
    Suspect,
    UserMessage,
)
from roost.protocols.memberlist.packet import PacketCodec
from roost.protocols.memberlist.swim import Swim, SwimConfig, UserData


def test_a_join_asks_every_target_but_oneself() -> None:
    bench = Bench()
    bench.swim.join([host(2), host(1), host(3), host(2)], bench.now)
    exchanges = bench.exchanges()
    assert [exchange.target for exchange in exchanges] == [host(2), host(3)]
    assert exchanges[0].request == PushPull((state(1, Status.ALIVE),), b"", True)
    assert exchanges[0].deadline == bench.now + 10.0


def test_the_answer_to_a_join_is_merged_once() -> None:
    bench = Bench()
    bench.swim.join([host(2)], bench.now)
    (exchange,) = bench.exchanges()
    answer = PushPull((state(2, Status.ALIVE), state(3, Status.ALIVE)), b"", True)
    bench.swim.exchange_answered(exchange.id, answer, bench.now)
    assert bench.changes() == [("join", "n2"), ("join", "n3")]
    bench.swim.exchange_answered(exchange.id, PushPull((state(4, Status.ALIVE),), b"", True), bench.now)
    assert not bench.changes()


def test_after_a_stretch_without_running_it_believes_in_deaths_whom_it_asks() -> None:
    """Others may have found members gone long ago; a suspicion of its own would take seconds."""
    bench = Bench(4)
    bench.swim.join([host(3)], bench.now)
    bench.now += 5.0
    bench.swim.wake(bench.now)
    bench.swim.join([host(4)], bench.now)
    before, after = bench.exchanges()
    living = (state(1, Status.ALIVE), state(3, Status.ALIVE), state(4, Status.ALIVE))
    answer = PushPull((state(2, Status.DEAD), *living), b"", True)
    bench.swim.serve(answer, host(3), bench.now)
    bench.swim.exchange_answered(before.id, answer, bench.now)
    assert bench.status(2) is Status.SUSPECT, "these may have waited since before"
    bench.swim.exchange_answered(after.id, answer, bench.now)
    assert bench.status(2) is Status.DEAD
    assert "in the state of n4" in bench.swim.members["n2"].evidence


def test_one_that_runs_believes_in_no_deaths_that_others_know_of() -> None:
    bench = Bench(4)
    bench.now += 5.0
    bench.swim.wake(bench.now)
    bench.run(0.6, answering=True)
    bench.exchanges()
    bench.swim.join([host(4)], bench.now)
    (exchange,) = bench.exchanges()
    living = (state(1, Status.ALIVE), state(3, Status.ALIVE), state(4, Status.ALIVE))
    answer = PushPull((state(2, Status.DEAD), *living), b"", True)
    bench.swim.exchange_answered(exchange.id, answer, bench.now)
    assert bench.status(2) is Status.SUSPECT


@pytest.mark.parametrize(
    ("reply", "fault"), [(ErrorResponse("too busy"), "exchange-refused"), (Ack(1), "unexpected-message")]
)
def test_other_answers_to_a_join_are_faults(reply: Message, fault: str) -> None:
    bench = Bench()
    bench.swim.join([host(2)], bench.now)
    (exchange,) = bench.exchanges()
    bench.swim.exchange_answered(exchange.id, reply, bench.now)
    assert bench.faults() == [fault]


def test_a_join_that_fails_is_a_fault() -> None:
    bench = Bench()
    bench.swim.join([host(2)], bench.now)
    (exchange,) = bench.exchanges()
    bench.swim.exchange_failed(exchange.id, "refused", bench.now)
    bench.swim.exchange_failed(exchange.id, "refused", bench.now)
    assert bench.faults() == ["exchange-failed"]


def test_a_driver_that_never_answers_costs_a_bounded_number_of_places() -> None:
    bench = Bench()
    bench.swim.join([Endpoint("198.51.100.1", port) for port in range(1, 301)], bench.now)
    assert len(bench.exchanges()) == 256
    bench.now += 11.0
    bench.swim.join([host(2)], bench.now)
    assert len(bench.exchanges()) == 1


@pytest.mark.parametrize(("nodes", "interval"), [(10, 30), (33, 60), (65, 90)])
def test_states_are_exchanged_less_often_in_large_clusters(nodes: int, interval: int) -> None:
    bench = Bench(nodes)
    bench.run(60.0, answering=True)  # the first one comes within two plain intervals
    bench.take()
    bench.run(5.0 * interval, answering=True)
    exchanges = bench.exchanges()
    assert len(exchanges) == 5
    assert not any(isinstance(exchange.request, PushPull) and exchange.request.join for exchange in exchanges)


def test_leaving_is_over_when_the_word_was_sent_often_enough() -> None:
    bench = Bench(4)
    bench.run(3.0, answering=True)
    bench.take()
    bench.swim.leave(bench.now)
    told = [bench.swim.has_left]
    assert bench.status(1) is Status.LEFT
    bench.run(0.3)
    told.append(bench.swim.has_left)
    assert told == [False, True]
    assert bench.sent(Dead) == [Dead(1, "n1", "n1")] * 4
    assert bench.swim.next_wake() is None


def test_leaving_is_over_after_a_second_in_any_case() -> None:
    bench = Bench(4, gossip_interval=5.0)
    bench.run(1.0, answering=True)
    bench.swim.leave(bench.now)
    bench.run(0.95)
    told = [bench.swim.has_left]
    bench.run(0.1)
    told.append(bench.swim.has_left)
    assert told == [False, True]


def test_leaving_alone_is_over_at_once() -> None:
    bench = Bench()
    bench.swim.leave(bench.now)
    assert bench.swim.has_left


@pytest.mark.parametrize("message", [alive(1, 9), Dead(9, "n1", "n2"), Suspect(9, "n1", "n2")])
def test_who_left_is_not_talked_back_in(message: Message) -> None:
    bench = Bench(3)
    bench.swim.leave(bench.now)
    bench.feed(message)
    bench.swim.set_meta(b"other", bench.now)
    bench.run(3.0)
    assert bench.status(1) is Status.LEFT
    assert not [word for word in bench.sent(Alive) if word.node == "n1"]
    assert not bench.sent(Ping)


def test_other_metadata_is_announced_with_a_new_incarnation() -> None:
    bench = Bench(2)
    bench.swim.set_meta(b"", bench.now)
    assert not bench.changes()
    bench.swim.set_meta(b"m", bench.now)
    assert bench.changes() == [("update", "n1")]
    bench.run(0.3)
    assert alive(1, 2, meta=b"m") in bench.sent(Alive)


def test_other_metadata_is_told_again_though_nothing_has_come_through_for_a_moment() -> None:
    """Gossip's own repetitions are over sooner, and the next push/pull comes seconds later."""
    bench = Bench(2)
    bench.swim.set_meta(b"m", bench.now)
    bench.run(0.5)
    bench.sent(Alive)
    bench.run(2.0)
    assert alive(1, 2, meta=b"m") in bench.sent(Alive)
    bench.run(5.0)
    assert alive(1, 2, meta=b"m") not in bench.sent(Alive), "and no longer than that"


def test_metadata_is_bounded() -> None:
    with pytest.raises(ValueError, match="512"):
        Bench(meta=bytes(513))
    with pytest.raises(ValueError, match="512"):
        Bench().swim.set_meta(bytes(513), 100.0)


@pytest.mark.parametrize(("name", "address"), [("", "192.0.2.1"), ("n1", "localhost")])
def test_a_node_needs_a_name_and_an_address(name: str, address: str) -> None:
    with pytest.raises(ValueError, match=r"name|address"):
        SwimConfig(name, Endpoint(address, 7946), b"", LAN)


def test_user_messages_are_handed_up() -> None:
    bench = Bench(2)
    bench.feed(UserMessage(b"udp"), source=2)
    assert bench.swim.serve(UserMessage(b"tcp"), host(2), bench.now) is None
    assert [effect for effect in bench.take() if isinstance(effect, UserData)] == [
        UserData(b"udp", host(2)),
        UserData(b"tcp", host(2)),
    ]


def test_what_does_not_belong_on_a_stream_is_refused_in_words() -> None:
    bench = Bench(2)
    reply = bench.swim.serve(Ack(1), host(2), bench.now)
    assert isinstance(reply, ErrorResponse)
    assert bench.swim.serve(ErrorResponse("boom"), host(2), bench.now) is None
    assert bench.faults() == ["unexpected-message", "exchange-refused"]


def test_bytes_that_are_no_packet_are_a_fault() -> None:
    bench = Bench(2)
    bench.swim.receive(b"\xff", host(2), bench.now)
    bench.swim.receive(b"", host(2), bench.now)
    assert bench.faults() == ["bad-packet", "bad-packet"]


def test_effects_that_nobody_takes_are_bounded() -> None:
    bench = Bench(2, handoff_queue_depth=10)
    for _ in range(50):
        bench.feed(Ping(1, "n1"))
    assert len(bench.take()) <= 11
    assert bench.swim.counters["effects_dropped"] >= 40


_names = st.sampled_from(["n1", "n2", "n3", "n4", "stranger"])
_incarnations = st.integers(0, 4) | st.sampled_from([0xFFFF_FFFE, 0xFFFF_FFFF])
_messages = st.one_of(
    st.builds(Suspect, _incarnations, _names, _names),
    st.builds(Dead, _incarnations, _names, _names),
    st.builds(alive, st.integers(1, 5), _incarnations, meta=st.binary(max_size=3)),
    strategies.packet_messages,
)
_steps = st.lists(
    st.one_of(
        st.lists(_messages, min_size=1, max_size=4),
        st.floats(0.0, 40.0),
        st.builds(
            PushPull,
            st.lists(st.builds(state, st.integers(1, 6), st.sampled_from(Status), _incarnations)).map(tuple),
            st.just(b""),
            st.booleans(),
        ),
        strategies.stream_messages,
    ),
    max_size=30,
)


@settings(max_examples=150)
@given(_steps)
def test_nothing_that_others_say_breaks_the_machine(steps: list[list[Message] | float | Message]) -> None:
    bench = Bench(3)
    incarnations: dict[str, int] = {}
    for step in steps:
        if isinstance(step, float):
            bench.run(step / 4, answering=True)
            bench.now += step
            bench.swim.wake(bench.now)
        elif isinstance(step, list):
            bench.feed(*step)
        else:
            bench.swim.serve(step, host(2), bench.now)
        bench.take()
        assert bench.status(1) is Status.ALIVE
        mine = bench.swim.members["n1"].incarnation
        assert mine >= incarnations.get("n1", 0)
        incarnations["n1"] = mine
        due = bench.swim.next_wake()
        assert due is not None
        assert due > bench.now - bench.profile.probe_timeout


@given(st.binary(max_size=200))
def test_no_bytes_break_the_machine(datagram: bytes) -> None:
    swim = Swim(SwimConfig("n1", host(1), b"", LAN), PacketCodec(random=random.Random(1)), random.Random(1))
    swim.start(1.0)
    swim.receive(datagram, host(2), 1.0)
    assert "n1" in swim.members

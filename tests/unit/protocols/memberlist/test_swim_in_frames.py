"""Which packets go in frames of the LAN: news always, pings where UDP is silent, answers as asked."""

from tests.unit.protocols.memberlist.swim_bench import Bench, alive, dead, host

from roost.protocols.memberlist.codec import encode_message
from roost.protocols.memberlist.effects import SendFrame
from roost.protocols.memberlist.messages import Ack, Alive, Dead, Message, Ping, Status, UserMessage


def in_frames(bench: Bench) -> list[tuple[str, tuple[Message, ...]]]:
    """What was sent in frames, with the member's name, of the effects that are kept."""
    bench.packets(keep=True)
    return [
        (effect.to, bench.codec.open(effect.data).messages)
        for effect in bench.effects
        if isinstance(effect, SendFrame)
    ]


def feed_in_frame(bench: Bench, *messages: Message, source: int) -> None:
    packet = bench.codec.seal([encode_message(message) for message in messages])
    bench.swim.receive(packet, host(source), bench.now, in_frame=True)


def ping_in_frame(bench: Bench) -> Ping:
    """Let a ping stay without an answer over UDP, and return the one in a frame."""
    bench.run_to(Ping)
    for _ in range(20):
        for _, messages in in_frames(bench):
            for message in messages:
                if isinstance(message, Ping):
                    return message
        bench.now = max(bench.now, bench.swim.next_wake() or bench.now)
        bench.swim.wake(bench.now)
    raise AssertionError("no ping in a frame")


def test_a_word_goes_both_ways() -> None:
    bench = Bench(3)
    bench.swim.tell(["n2"], b"word", bench.now)
    assert in_frames(bench) == [("n2", (UserMessage(b"word"),))]
    assert bench.packets() == [(host(2), (UserMessage(b"word"),))]


def test_news_of_members_goes_both_ways() -> None:
    bench = Bench(3)
    bench.swim.declare_dead("n3", "its host is silent", bench.now)
    assert any(to == "n2" and isinstance(each, Dead) for to, told in in_frames(bench) for each in told)
    bench.take()
    bench.feed(alive(4), source=4)
    bench.run(1.0)
    assert {to for to, told in in_frames(bench) if any(isinstance(each, Alive) for each in told)} >= {"n2"}


def test_pings_and_their_answers_go_over_udp_alone_while_that_works() -> None:
    bench = Bench(3)
    bench.feed(Ping(5, "n1"), source=2)
    bench.run(5.0, answering=True)
    assert bench.sent(Ping)
    assert in_frames(bench) == []


def test_where_udp_is_silent_the_ping_is_said_again_in_a_frame_and_its_answer_counts() -> None:
    bench = Bench(2)
    ping = ping_in_frame(bench)
    assert ping.node == "n2"
    feed_in_frame(bench, Ack(ping.seq), source=2)
    bench.run(0.9)
    assert bench.status(2) is Status.ALIVE
    assert "frames-only" in bench.faults()


def test_without_any_answer_it_is_suspect_as_ever() -> None:
    bench = Bench(2)
    ping_in_frame(bench)
    bench.run(3.0)
    assert bench.status(2) is not Status.ALIVE


def test_a_peer_that_answers_over_tcp_is_no_case_of_frames_alone() -> None:
    bench = Bench(2)
    ping = ping_in_frame(bench)
    (exchange,) = bench.exchanges()
    feed_in_frame(bench, Ack(ping.seq), source=2)
    assert isinstance(exchange.request, Ping)
    bench.swim.exchange_answered(exchange.id, Ack(exchange.request.seq), bench.now)
    bench.run(0.9)
    assert bench.status(2) is Status.ALIVE
    assert bench.faults() == ["tcp-only"]


def test_one_that_answers_in_frames_alone_is_looked_at_again_at_once() -> None:
    bench = Bench(6)
    asked = []
    for _ in range(5):
        ping = ping_in_frame(bench)
        asked.append(ping.node)
        feed_in_frame(bench, Ack(ping.seq), source=int(ping.node[1:]))
        bench.take()
        bench.run(1.0)
    assert len(set(asked[:3])) == 1, "three times it is no accident"
    assert asked[3] != asked[0], "then the others have their turn"


def test_a_ping_in_a_frame_is_answered_in_a_frame() -> None:
    bench = Bench(3)
    asker = Ping(5, "n1", bytes((192, 0, 2, 12)), 7946, "n2")
    feed_in_frame(bench, asker, source=2)
    assert in_frames(bench) == [("n2", (Ack(5),))]
    assert bench.packets() == []


def test_a_ping_in_a_frame_of_one_that_is_not_known_is_answered_over_udp() -> None:
    bench = Bench(2)
    feed_in_frame(bench, Ping(5, "n1", bytes((192, 0, 2, 19)), 7946, "n9"), source=9)
    assert in_frames(bench) == []
    ((target, told),) = bench.packets()
    assert (target, told[0]) == (host(9), Ack(5))


def test_a_verdict_that_comes_in_a_frame_is_taken() -> None:
    bench = Bench(3)
    feed_in_frame(bench, dead(3, by=2), source=2)
    assert bench.status(3) is Status.DEAD

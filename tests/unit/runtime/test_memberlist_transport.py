"""The asyncio adapter: it carries out, bounds and counts; it never decides and never fails."""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import AsyncIterator, Callable
from random import Random

import pytest

from roost.protocols.machine import Effect, Endpoint, SendDatagram
from roost.protocols.memberlist.effects import Fault, OpenExchange, UserData
from roost.protocols.memberlist.messages import Ack, ErrorResponse, Message, Ping, PushPull
from roost.protocols.memberlist.stream import StreamCodec
from roost.runtime import memberlist_streams
from roost.runtime.memberlist_transport import BindError, MemberlistTransport

ANY_PORT = Endpoint("127.0.0.1", 0)
SILENT = Endpoint("192.0.2.1", 9)


class Script:
    """A machine that does what the test says, and the observer of it."""

    def __init__(self) -> None:
        self.pending: list[Effect] = []
        self.datagrams: list[tuple[bytes, Endpoint]] = []
        self.wakes: list[float] = []
        self.due: float | None = None
        self.observed: list[Effect] = []
        self.synchronizations = 0
        self.outcomes: dict[int, Message | str] = {}
        self.reply: Message | None = None

    def receive(self, datagram: bytes, source: Endpoint, now: float, *, in_frame: bool = False) -> None:
        self.datagrams.append((datagram, source))

    def wake(self, now: float) -> None:
        self.wakes.append(now)
        self.due = None

    def next_wake(self) -> float | None:
        return self.due

    def effects(self) -> list[Effect]:
        taken, self.pending = self.pending, []
        return taken

    def serve(self, request: Message, source: Endpoint, now: float) -> Message | None:
        return self.reply

    def exchange_answered(self, id: int, reply: Message, now: float) -> None:  # noqa: A002
        self.outcomes[id] = reply

    def exchange_failed(self, id: int, reason: str, now: float) -> None:  # noqa: A002
        self.outcomes[id] = reason

    def effect(self, effect: Effect) -> None:
        self.observed.append(effect)

    def synchronized(self) -> None:
        self.synchronizations += 1


def _codec(limit: int = 1 << 20) -> StreamCodec:
    return StreamCodec(random=Random(1), limit=limit)


@contextlib.asynccontextmanager
async def _running(
    script: Script, bind: Endpoint = ANY_PORT, deadline: float = 5.0, limit: int = 1 << 20
) -> AsyncIterator[MemberlistTransport]:
    transport = MemberlistTransport(bind, _codec(limit), deadline)
    await transport.start(script, script)
    try:
        yield transport
    finally:
        await transport.stop()


@contextlib.asynccontextmanager
async def _mute() -> AsyncIterator[Endpoint]:
    """Take streams, and say nothing."""
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    try:
        yield Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_datagrams_go_both_ways() -> None:
    one, two = Script(), Script()
    async with _running(one) as first, _running(two) as second:
        one.pending = [SendDatagram(second.endpoint, bytes((number,)) * 100) for number in range(200)]
        first.flush()
        await _until(lambda: len(two.datagrams) == 200)
        assert two.datagrams[7] == (b"\x07" * 100, first.endpoint)
        assert first.counters["datagrams_sent"] == second.counters["datagrams_received"] == 200


async def test_ipv4_and_ipv6_on_one_dual_stack_socket() -> None:
    one, two, dual = Script(), Script(), Script()
    async with (
        _running(one) as v4,
        _running(two, Endpoint("::1", 0)) as v6,
        _running(dual, Endpoint("::", 0)) as both,
    ):
        dual.pending = [SendDatagram(v4.endpoint, b"4"), SendDatagram(v6.endpoint, b"6")]
        both.flush()
        await _until(lambda: one.datagrams and two.datagrams)
        one.pending = [SendDatagram(Endpoint("127.0.0.1", both.endpoint.port), b"back")]
        v4.flush()
        await _until(lambda: dual.datagrams)
        assert dual.datagrams == [(b"back", v4.endpoint)], "IPv4-mapped sources are IPv4"


@pytest.mark.parametrize(
    "number", [errno.ENOBUFS, errno.ENETDOWN, errno.EPERM, errno.EHOSTUNREACH, errno.EAGAIN]
)
async def test_what_cannot_be_sent_is_counted(number: int) -> None:
    class Refusing:
        family = socket.AF_INET

        def sendto(self, *_: object) -> None:
            raise OSError(number, os.strerror(number))

    script = Script()
    async with _running(script) as transport:
        real, transport._udp = transport._udp, Refusing()  # type: ignore[assignment]
        script.pending = [SendDatagram(SILENT, b"x")] * 3
        transport.flush()
        transport._udp = real
        assert transport.counters[f"send_{errno.errorcode[number]}"] == 3


async def test_another_family_and_an_oversized_datagram_are_only_counted() -> None:
    script = Script()
    async with _running(script) as transport:
        script.pending = [
            SendDatagram(Endpoint("2001:db8::1", 9), b"x"),
            SendDatagram(transport.endpoint, bytes(70_000)),
        ]
        transport.flush()
        assert transport.counters["send_EAFNOSUPPORT"] == 1
        assert transport.counters["send_EMSGSIZE"] == 1


async def test_the_machine_is_woken_when_it_wants_and_not_before() -> None:
    script = Script()
    async with _running(script) as transport:
        loop = asyncio.get_running_loop()
        later, sooner = loop.time() + 60, loop.time() + 0.05
        script.due = later
        transport.flush()
        script.due = sooner
        transport.flush()
        await _until(lambda: script.wakes)
        assert script.wakes[0] >= sooner
        await asyncio.sleep(0.05)
        assert len(script.wakes) == 1


async def test_what_waits_in_the_socket_is_read_before_the_machine_wakes() -> None:
    """After a pause of this process, answers that are there must not count as missing."""
    seen: list[int] = []

    class Paused(Script):
        def wake(self, now: float) -> None:
            super().wake(now)
            seen.append(len(self.datagrams))

    script = Paused()
    async with _running(script) as transport:
        script.due = asyncio.get_running_loop().time() + 0.01
        transport.flush()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            for _ in range(20):
                peer.sendto(b"ack", ("127.0.0.1", transport.endpoint.port))
        await _block()
        await _until(lambda: seen)
    assert seen == [20]


async def _block() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as never:
        never.bind(("127.0.0.1", 0))
        never.settimeout(0.1)  # holds the loop, as a paused process would
        with contextlib.suppress(TimeoutError):
            never.recv(1)


async def test_a_machine_that_is_always_due_leaves_time_for_others() -> None:
    class Greedy(Script):
        def wake(self, now: float) -> None:
            self.wakes.append(now)

    script = Greedy()
    script.due = 0.0
    async with _running(script):
        await asyncio.sleep(0.2)
    assert 1 <= len(script.wakes) <= 220


async def test_effects_of_effects_are_carried_out() -> None:
    class Chained(Script):
        def effect(self, effect: Effect) -> None:
            super().effect(effect)
            if len(self.observed) < 3:
                self.pending.append(effect)
                transport.flush()

    script = Chained()
    async with _running(script) as transport:
        script.pending = [UserData(b"x", SILENT)]
        transport.flush()
        assert len(script.observed) == 3


async def test_an_exchange_brings_the_reply_and_tells_of_full_states() -> None:
    one, two = Script(), Script()
    two.reply = PushPull((), b"", join=False)
    async with _running(one) as first, _running(two) as second:
        deadline = asyncio.get_running_loop().time() + 5
        one.pending = [OpenExchange(1, second.endpoint, PushPull((), b"state", join=True), deadline)]
        first.flush()
        assert first.exchanging == {second.endpoint}
        await _until(lambda: one.outcomes)
        assert one.outcomes == {1: two.reply}
        assert (one.synchronizations, two.synchronizations) == (1, 1)
        two.reply = Ack(7)
        one.pending = [OpenExchange(2, second.endpoint, Ping(7, "n2"), deadline)]
        first.flush()
        await _until(lambda: 2 in one.outcomes)
        assert one.outcomes[2] == Ack(7)
        assert (one.synchronizations, two.synchronizations) == (1, 1)
        assert first.exchanging == frozenset()


async def test_an_exchange_that_hangs_keeps_nobody_from_another() -> None:
    """Its SYN was lost, say: TCP sends the next one after a second."""
    script = Script()
    async with _mute() as there, _running(script) as transport:
        deadline = asyncio.get_running_loop().time() + 5
        script.pending = [OpenExchange(1, there, Ping(1, "n"), deadline)]
        transport.flush()
        assert transport.exchanging == {there}
        await _until(lambda: transport.exchanging == frozenset())
        assert not script.outcomes


async def test_exchanges_fail_in_words() -> None:
    script = Script()
    refused = socket.socket()
    refused.bind(("127.0.0.1", 0))
    mute = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    closing = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    rambling = await asyncio.start_server(lambda _r, w: w.write(b"\xffHTTP/1.1 400\r\n"), "127.0.0.1", 0)

    def at(server: asyncio.Server) -> Endpoint:
        return Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])

    async with _running(script) as transport:
        deadline = asyncio.get_running_loop().time() + 0.5
        targets = [Endpoint(*refused.getsockname()), at(mute), at(closing), at(rambling)]
        script.pending = [OpenExchange(i, target, Ping(i, "n"), deadline) for i, target in enumerate(targets)]
        transport.flush()
        await _until(lambda: len(script.outcomes) == 4)
        assert script.outcomes[0] == "Connection refused"
        assert script.outcomes[1] == "no answer in time"
        assert script.outcomes[2] == "closed without an answer"
        assert isinstance(script.outcomes[3], str)
        assert [effect.source for effect in script.observed if isinstance(effect, Fault)] == [at(rambling)]
    for server in (mute, closing, rambling):
        server.close()
    refused.close()


async def test_stopping_breaks_off_what_is_under_way() -> None:
    script = Script()
    mute = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    async with _running(script) as transport:
        target = Endpoint("127.0.0.1", mute.sockets[0].getsockname()[1])
        script.pending = [OpenExchange(1, target, Ping(1, "n"), asyncio.get_running_loop().time() + 60)]
        transport.flush()
        reader, writer = await asyncio.open_connection("127.0.0.1", transport.endpoint.port)
        await _until(lambda: transport.counters["streams_served"])
    assert await asyncio.wait_for(_drained(reader), 5) == b""
    assert script.outcomes == {}
    writer.close()
    mute.close()


async def _drained(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def _say(transport: MemberlistTransport, data: bytes, *, close: bool = True) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", transport.endpoint.port)
    writer.write(data)
    if close:
        writer.write_eof()
    answer = await asyncio.wait_for(_drained(reader), 5)
    writer.close()
    return answer


async def test_garbage_on_a_stream_is_refused_in_words_and_reported() -> None:
    script = Script()
    async with _running(script) as transport:
        answer = await _say(transport, b"GET / HTTP/1.1\r\n\r\n")
        decoder = _codec().decoder(reply=True)
        assert isinstance(decoder.feed(answer), ErrorResponse)
        assert transport.counters["streams_faulty"] == 1
        (fault,) = script.observed
        assert isinstance(fault, Fault)
        assert fault.kind == "stream"


async def test_a_connection_without_a_word_is_no_fault() -> None:
    """Load balancers and port checks do that all day."""
    script = Script()
    async with _running(script) as transport:
        assert await _say(transport, b"") == b""
        await _until(lambda: transport.counters["streams_broken"] == 1)
        assert script.observed == []


async def test_slow_peers_are_cut_off() -> None:
    script = Script()
    async with _running(script, deadline=0.2) as transport:
        assert await _say(transport, b"\x06", close=False) == b""
        assert transport.counters["streams_broken"] == 1


async def test_what_streams_hold_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script()
    monkeypatch.setattr(memberlist_streams, "_HELD_LIMIT", 10_000)
    large = _codec().encode(PushPull((), bytes(200_000), join=False))
    uncompressed = StreamCodec(random=Random(1), compress=False).encode(
        PushPull((), os.urandom(50_000), join=False)
    )
    async with _running(script, limit=100_000) as transport:
        for data in (large, uncompressed):
            await _say(transport, data)
        assert transport.counters["streams_faulty"] == 2
        assert transport._streams._held == 0


async def test_only_so_many_streams_at_once() -> None:
    script = Script()
    async with _running(script) as transport:
        limit = memberlist_streams.STREAMS_LIMIT
        held = [await asyncio.open_connection("127.0.0.1", transport.endpoint.port) for _ in range(limit)]
        await _until(lambda: transport.counters["streams_served"] == limit)
        assert await _say(transport, b"\x00") == b""
        assert transport.counters["streams_refused"] == 1
        for _, writer in held:
            writer.close()
        await _until(lambda: transport.counters["streams_broken"] == limit)
        script.reply = Ack(1)
        assert await _say(transport, _codec().encode(Ping(1, "n")))


async def test_too_many_exchanges_fail_instead_of_piling_up() -> None:
    script = Script()
    async with _mute() as target, _running(script) as transport:
        deadline = asyncio.get_running_loop().time() + 60
        script.pending = [OpenExchange(number, target, Ping(1, "n"), deadline) for number in range(130)]
        transport.flush()
        await _until(lambda: len(script.outcomes) == 2)
        assert set(script.outcomes.values()) == {"too many exchanges at once"}


def test_an_address_of_another_host_names_the_cure() -> None:
    with pytest.raises(
        BindError, match=r"192\.0\.2\.1:7946.*set membership\.bind to an address of this host"
    ):
        MemberlistTransport(Endpoint("192.0.2.1", 7946), _codec(), 1.0)


async def test_a_lifeline_is_held_until_the_other_end_stops() -> None:
    ends = MemberlistTransport(ANY_PORT, _codec(), 0.05), MemberlistTransport(ANY_PORT, _codec(), 5.0)
    held, holder = ends
    for each in ends:
        await each.start(script := Script(), script)
    established = asyncio.Event()
    line = asyncio.create_task(holder.hold(held.endpoint, established.set))
    await asyncio.wait_for(established.wait(), 5)
    await asyncio.sleep(0.2)  # well over the deadline of an exchange
    assert not line.done()
    await held.stop()
    await asyncio.wait_for(line, 5)
    with pytest.raises(ConnectionRefusedError):
        await holder.hold(held.endpoint, established.set)
    await holder.stop()


async def test_stopping_breaks_off_held_lifelines_without_a_word_in_the_log() -> None:
    said: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    ends = MemberlistTransport(ANY_PORT, _codec(), 5.0), MemberlistTransport(ANY_PORT, _codec(), 5.0)
    for each in ends:
        await each.start(script := Script(), script)
    established = asyncio.Event()
    line = asyncio.create_task(ends[1].hold(ends[0].endpoint, established.set))
    await asyncio.wait_for(established.wait(), 5)
    await asyncio.sleep(0.05)
    _, writer = await asyncio.open_connection(ends[0].endpoint.host, ends[0].endpoint.port)
    await asyncio.sleep(0.05)  # a stream that never says what it wants
    for each in ends:
        await each.stop()
    await asyncio.wait_for(line, 5)
    await asyncio.sleep(0)
    writer.close()
    assert not said


async def test_only_so_many_lifelines_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memberlist_streams, "_LIFELINES_LIMIT", 2)
    script = Script()
    async with _running(script) as held, _running(Script()) as holder:
        lines = []
        for _ in range(3):
            established = asyncio.Event()
            lines.append(asyncio.create_task(holder.hold(held.endpoint, established.set)))
            await asyncio.wait_for(established.wait(), 5)
        done, kept = await asyncio.wait(lines, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        assert (len(done), len(kept)) == (1, 2)
        assert held.counters["lifelines_refused"] == 1
        for line in kept:
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)

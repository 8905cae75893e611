"""Frames of gossip on real packet sockets: packets, exchanges of any size, and what strangers send."""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from random import Random

import pytest
from tests.system.netns import NETNS, Namespace, network

from roost.model.link import Link
from roost.protocols import ethernet
from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.frames import ETHERTYPE, Framed, FrameKind
from roost.protocols.memberlist.keyring import Keyring
from roost.protocols.memberlist.messages import CURRENT_VERSIONS, Message, NodeState, Ping, PushPull, Status
from roost.protocols.memberlist.stream import StreamCodec
from roost.runtime.memberlist_frames import MemberlistFrames

pytestmark = NETNS

STRANGER = b"\x02\0\0\0\0\x99"
KEYS = [bytes([number]) * 16 for number in (1, 2)]


def state_of(members: int, *, join: bool = True) -> PushPull:
    address = IPv4Address("192.0.2.11").packed
    rows = (
        NodeState(f"n{number}", address, 7946, b"m" * 500, 1, Status.ALIVE, CURRENT_VERSIONS)
        for number in range(members)
    )
    return PushPull(tuple(rows), b"state", join)


@dataclass
class Node:
    """One end: what it hears, and what it replies."""

    namespace: Namespace
    endpoint: Endpoint
    key: bytes = KEYS[0]
    reply: Message | None = None
    packets: list[tuple[bytes, Endpoint]] = field(default_factory=list)
    served: list[tuple[Message, Endpoint]] = field(default_factory=list)
    reported: list[tuple[str, Endpoint]] = field(default_factory=list)
    counters: Counter[str] = field(default_factory=Counter)
    knows: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        index = int(self.namespace.ip("-o link show dev eth0").split(":")[0])
        self.link = Link(
            index,
            "eth0",
            self.namespace.mac("eth0"),
            up=True,
            carrier=True,
            broadcast=True,
            no_arp=False,
            loopback=False,
        )

    def serve(self, request: Message, source: Endpoint) -> Message | None:
        self.served.append((request, source))
        return self.reply

    def frames(self) -> MemberlistFrames:
        codec = StreamCodec(b"", Keyring([self.key]), compress=False, random=Random(1))
        made = MemberlistFrames(codec, self.counters, lambda _: self.knows)
        with self.namespace.entered():
            made.use([self.link])
            made.start(self.endpoint, lambda *heard: self.packets.append(heard), self, self._report)
        return made

    def _report(self, detail: str, source: Endpoint) -> None:
        self.reported.append((detail, source))


@contextlib.asynccontextmanager
async def two(key: bytes = KEYS[0]) -> AsyncIterator[tuple[Node, Node, MemberlistFrames, MemberlistFrames]]:
    with network() as net:
        namespaces = [net.add(name) for name in ("n1", "n2")]
        net.lan(*namespaces)
        one = Node(namespaces[0], Endpoint("192.0.2.11", 7946))
        other = Node(namespaces[1], Endpoint("192.0.2.12", 7946), key)
        first, second = one.frames(), other.frames()
        one.knows = (other.link.mac,)
        try:
            yield one, other, first, second
        finally:
            first.stop()
            second.stop()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_packets_go_to_who_is_known_and_to_nobody_else() -> None:
    async with two() as (one, other, first, _):
        for number in range(100):
            first.send("n2", other.endpoint, bytes((number,)) * 1400)
        await until(lambda: len(other.packets) == 100)
        assert other.packets[7] == (b"\x07" * 1400, one.endpoint)
        one.knows = ()
        first.send("n9", other.endpoint, b"to nobody")
        first.send("n2", Endpoint("192.0.2.13", 7946), b"for another one")
        await asyncio.sleep(0.1)
        assert len(other.packets) == 100


@pytest.mark.parametrize("members", [3, 120], ids=["in one frame", "in many"])
async def test_whole_states_are_exchanged(members: int) -> None:
    async with two() as (one, other, first, _):
        other.reply = state_of(members, join=False)
        assert await first.exchange(other.endpoint, state_of(members)) == other.reply
        assert other.served == [(state_of(members), one.endpoint)]
        assert other.reported == one.reported == []


async def test_a_state_that_takes_too_many_frames_goes_over_tcp_alone() -> None:
    async with two() as (_, other, first, _):
        with pytest.raises(ValueError, match="64 frames"):
            await first.exchange(other.endpoint, state_of(200))
        other.reply = state_of(200)
        with pytest.raises(TimeoutError):
            await first.exchange(other.endpoint, state_of(3))
        assert other.counters["frames_too_large"]


async def test_nobody_there_ends_in_time_and_nothing_large_was_sent() -> None:
    async with two() as (one, other, first, _):
        with pytest.raises(TimeoutError):
            await first.exchange(Endpoint("192.0.2.13", 7946), state_of(100))
        assert one.counters["frames_sent"] == 5, "questions"
        assert other.served == []


async def test_another_key_is_told_and_answered_by_nobody() -> None:
    async with two(KEYS[1]) as (one, other, first, _):
        other.reply = state_of(1)
        with pytest.raises(TimeoutError):
            await first.exchange(other.endpoint, state_of(1))
        assert other.served == []
        assert {source for _, source in other.reported} == {one.endpoint}


async def test_what_is_no_exchange_of_states_is_not_answered() -> None:
    async with two() as (_, other, first, _):
        other.reply = state_of(1)
        with pytest.raises(TimeoutError):
            await first.exchange(other.endpoint, Ping(1, "n2"))
        assert other.served == []


async def test_strangers_cost_counters_and_their_requests_are_bounded() -> None:
    async with two() as (one, other, _, _):
        other.reply = state_of(1)
        codec = StreamCodec(b"", Keyring([KEYS[0]]), compress=False, random=Random(2))
        request = codec.encode(state_of(1))
        with one.namespace.entered():
            stranger = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            stranger.bind(("eth0", 0))

        def send(payload: bytes) -> None:
            stranger.send(ethernet.build(other.link.mac, STRANGER, ETHERTYPE, payload))

        chance = Random(3)
        for _ in range(300):
            framed = Framed(FrameKind.PACKET, one.endpoint, other.endpoint, b"abc").pack()
            send(framed[:48] + chance.randbytes(20))
        for number in range(300):
            send(Framed(FrameKind.REQUEST, one.endpoint, other.endpoint, request, number).pack())
            send(Framed(FrameKind.REPLY, one.endpoint, other.endpoint, request, number).pack())
            send(Framed(FrameKind.HERE, one.endpoint, other.endpoint, b"", number).pack())
        await asyncio.sleep(0.3)
        stranger.close()
        assert 0 < len(other.served) <= 2 * 64, "so many in each second that this took"
        assert other.reported == []

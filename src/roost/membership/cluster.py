"""Gossip over real sockets: the SWIM machine, its members as values, and what the decider asks of it.

    sockets -> MemberlistTransport -> Swim -> Cluster -> Listener        decider -> tell, join, ...

No decision is made here. Without a bind endpoint there is no membership: the node is the only member.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from random import SystemRandom
from typing import Final

from roost.decide.members import ClusterMember, Roster
from roost.model.link import Link
from roost.model.node import Verdict
from roost.protocols.errors import PacketError
from roost.protocols.machine import Effect, Endpoint
from roost.protocols.memberlist.effects import Fault, MemberChanged, NameTaken, UserData, UserState
from roost.protocols.memberlist.keyring import Keyring
from roost.protocols.memberlist.messages import CURRENT_VERSIONS, Message, Versions
from roost.protocols.memberlist.packet import PacketCodec
from roost.protocols.memberlist.profile import PROFILES, Profile
from roost.protocols.memberlist.stream import StreamCodec
from roost.protocols.memberlist.swim import Swim, SwimConfig
from roost.protocols.words.codec import UnknownWordError, Word, decode, decode_state, encode, encode_state
from roost.protocols.words.metadata import Metadata, parse
from roost.protocols.words.metadata import encode as encode_metadata
from roost.protocols.words.verdict import Ground
from roost.runtime.bind import advertised_host
from roost.runtime.memberlist_transport import MemberlistTransport, PacketTap
from roost.runtime.packet_socket import Tap

__all__ = ["Cluster", "Listener"]

_log = logging.getLogger("roost.membership")

_STREAM_LIMIT: Final = 4 << 20  # bytes of one body: some 6,000 members with full metadata
_LEVELS: Final = {"update": logging.DEBUG}
_MISSED: Final = frozenset({"suspect", "dead"})
_UNKNOWN: Final = "not heard; this node is cut off itself, and cannot know whether it lives"
_LEAVE_POLL: Final = 0.005  # seconds
_ALONE: Final = "no membership is configured"
_NOT_STARTED: Final = "this node, before it begins to gossip"


def _nothing(*_: object) -> None:
    """Hear something that nobody wants to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """What is called on the event loop when something happens.

    `members`: some member changed; `synchronized`: a peer's whole state is known; `accused`: the node of
    that name ("" when not known) had declared this one dead; `namesake`: another host there bears this
    node's name; `word`: a peer says something; `fault`: for operators.
    """

    members: Callable[[], None] = _nothing
    synchronized: Callable[[], None] = _nothing
    accused: Callable[[str], None] = _nothing
    namesake: Callable[[Endpoint, Metadata], None] = _nothing
    word: Callable[[Word], None] = _nothing
    fault: Callable[[Fault], None] = _nothing


class Cluster:
    """Membership of node `name` over real sockets.

    `advertise` is what peers are told to use, by default the bind endpoint; for 0.0.0.0 and :: it is the
    host's own choice. `keys` are 16, 24 or 32 bytes, the primary first. `compress` is about what this node
    sends, both kinds are read: on a LAN the bytes saved are not worth the processor's time. `versions` go
    with peers that want delegate versions of their own: Serf refuses members that speak none. `tap` sees the
    packets as they are on the wire, `frame_tap` the frames that carry some beside UDP and TCP.

    Raises ValueError for keys, label or metadata that cannot be (MetadataError).
    """

    def __init__(
        self,
        name: str,
        *,
        bind: Endpoint | None,
        advertise: Endpoint | None = None,
        keys: Sequence[bytes] = (),
        label: bytes = b"",
        profile: Profile = PROFILES["default"],
        metadata: Metadata = Metadata(),  # noqa: B008 - immutable
        compress: bool = False,
        versions: Versions = CURRENT_VERSIONS,
        listener: Listener = Listener(),
        tap: PacketTap | None = None,
        frame_tap: Tap | None = None,
    ) -> None:
        random = SystemRandom()  # nonces must never repeat
        keyring = Keyring(keys) if keys else None
        self.name = name
        self._bind = bind
        self._advertise = advertise
        self._profile = profile
        self._versions = versions
        self._metadata = metadata
        self._meta = encode_metadata(metadata)
        self._listener = listener
        self._tap = tap
        self._frame_tap = frame_tap
        self._links: tuple[Link, ...] = ()
        self._random = random
        self._packets = PacketCodec(label, keyring, compress=compress, random=random)
        self._streams = StreamCodec(label, keyring, compress=compress, random=random, limit=_STREAM_LIMIT)
        self._roster = Roster()
        self._messages: Counter[str] = Counter()  # of users, that were not understood
        self._transport: MemberlistTransport | None = None
        self._swim: Swim | None = None
        self._state = b""
        self._changed = False
        self._isolated = False
        self._since = time.monotonic()

    async def start(self) -> None:
        """Bind and begin to listen. Raises BindError (the text names the cure)."""
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        if self._bind is None:
            self._note_change()
            return
        transport = MemberlistTransport(
            self._bind,
            self._streams,
            self._profile.tcp_timeout,
            macs=self._macs_of,
            tap=self._tap,
            frame_tap=self._frame_tap,
        )
        transport.use(self._links)
        try:
            endpoint = self._choose_endpoint(transport.endpoint)
        except BaseException:
            await transport.stop()
            raise
        self._transport = transport
        self._endpoint = endpoint
        self._swim = Swim(
            SwimConfig(self.name, endpoint, self._meta, self._profile, self._versions),
            self._packets,
            self._random,
        )
        self._swim.set_state(self._state)
        self._swim.start(self._loop.time())
        await transport.start(self._swim, self, endpoint)

    async def stop(self) -> None:
        """Close at once, without telling anybody; `leave` first for a polite end."""
        if self._transport is not None:
            await self._transport.stop()

    async def leave(self, within: float) -> bool:
        """Tell the others that this node leaves, and return whether that went out `within` seconds.

        The node goes on listening until `stop`, but takes part no more.
        """
        if self._swim is None or self._transport is None:
            return True
        self._swim.leave(self._loop.time())
        self._transport.flush()
        deadline = self._loop.time() + within
        while not self._swim.has_left and self._loop.time() < deadline:  # noqa: ASYNC110 - machines signal nobody
            await asyncio.sleep(_LEAVE_POLL)
        return self._swim.has_left

    def use(self, links: Sequence[Link]) -> None:
        """Gossip in frames on these links from now on, beside UDP and TCP."""
        self._links = tuple(links)
        if self._transport is not None:
            self._transport.use(self._links)

    # -- what the decider asks for ---------------------------------------------------------------

    def join(self, endpoints: Collection[Endpoint]) -> None:
        """Exchange whole states with those of `endpoints` that may be others, and are not asked just now."""
        if self._swim is None or self._transport is None:
            return
        busy = self._transport.exchanging
        if wanted := [each for each in endpoints if self._may_be_another(each) and each not in busy]:
            self._swim.join(wanted, self._loop.time())
            self._transport.flush()

    def declare(self, ground: Ground) -> None:
        """Take a verdict from outside of SWIM and tell everybody; the member may refute it."""
        if self._swim is None or self._transport is None:
            return
        now = self._loop.time()
        self._roster.note(ground, self._swim.members, now)
        self._swim.declare_dead(ground.subject, ground.evidence, now, encode(ground))
        self._transport.flush()

    def vouch(self, name: str, seconds: float, why: str) -> None:
        """Let SWIM's suspicion of `name` wait."""
        if self._swim is not None and self._transport is not None:
            self._swim.vouch(name, seconds, why, self._loop.time())
            self._transport.flush()

    def doubt(self, names: frozenset[str]) -> None:
        """Let SWIM look at these, and take its time while there are none."""
        if self._swim is not None and self._transport is not None:
            self._swim.doubt(names, self._loop.time())
            self._transport.flush()

    def isolate(self, *, isolated: bool) -> None:
        """Accuse nobody while this node is the one that is cut off."""
        self._isolated = isolated
        if self._swim is not None and self._transport is not None:
            self._swim.isolate(isolated, self._loop.time())
            self._transport.flush()

    def tell(self, names: Iterable[str], word: Word) -> None:
        """Send a word at once to each of the members `names`; losing it is allowed."""
        if self._swim is not None and self._transport is not None:
            self._swim.tell(names, encode(word), self._loop.time())
            self._transport.flush()

    def describe(self, metadata: Metadata, state: Iterable[Word] = ()) -> None:
        """Gossip other things about this node. Raises MetadataError; then nothing has changed."""
        meta = encode_metadata(metadata)
        self._state = encode_state(state)
        self._metadata = metadata
        if self._swim is not None and self._transport is not None:
            self._swim.set_state(self._state)
            if meta != self._meta:
                self._swim.set_meta(meta, self._loop.time())
                self._transport.flush()
        if meta != self._meta:
            self._meta = meta
            self._note_change()

    def set_keys(self, keys: Sequence[bytes]) -> None:
        """Replace the gossip keys, the primary first; none ends encryption. Raises ValueError."""
        self._packets.keyring = self._streams.keyring = Keyring(keys) if keys else None

    async def hold(self, target: Endpoint, established: Callable[[], None]) -> None:
        """Hold a lifeline to a Roost node; see `MemberlistStreams.hold`."""
        if self._transport is not None:
            await self._transport.hold(target, established)

    # -- views -----------------------------------------------------------------------------------

    @property
    def endpoint(self) -> Endpoint | None:
        """What peers are told to use; None before `start` and without membership."""
        return self._endpoint if self._transport is not None else None

    @property
    def is_encrypted(self) -> bool:
        """Whether gossip takes a key."""
        return self._packets.keyring is not None

    def plain(self, packet: bytes) -> bytes | None:
        """Return what a packet of gossip holds, label and encryption off; None if no key opens it."""
        return self._packets.plain(packet)

    def messages(self, packet: bytes) -> tuple[Message, ...]:
        """Return the messages in a packet of gossip; none of what cannot be read."""
        return self._packets.open(packet).messages

    @property
    def local_health(self) -> int:
        """Lifeguard's score: 0 is healthy, each step slows this node's own accusations down."""
        return self._swim.local_health if self._swim is not None else 0

    @property
    def unheard(self) -> bool:
        """Whether nobody has answered this node's last probe, neither its target nor who was to help."""
        return self._swim is not None and self._swim.unheard

    @property
    def counters(self) -> Mapping[str, int]:
        """What happened since the start, by name."""
        total = Counter(self._messages)
        if self._swim is not None and self._transport is not None:
            total.update(self._swim.counters)
            total.update(self._transport.counters)
        return total

    def members(self) -> tuple[ClusterMember, ...]:
        """Return every known member, this node included, by name; times are the loop's."""
        if self._swim is None:
            evidence = _ALONE if self._bind is None else _NOT_STARTED
            return (ClusterMember(self.name, None, Verdict.ALIVE, self._since, 0, evidence, self._metadata),)
        return self._roster.members(self._swim.members.values())

    # -- what comes in ---------------------------------------------------------------------------

    def effect(self, effect: Effect) -> None:
        """Take what the machine or the transport reports (`memberlist_transport.Observer`)."""
        match effect:
            case MemberChanged(kind, member, evidence, by):
                facts = {"address": str(member.endpoint), "evidence": evidence}
                # What a member says of itself changes often, and is told where it matters.
                level = _LEVELS.get(kind, logging.INFO)
                text = _UNKNOWN if self._isolated and kind in _MISSED else kind
                _log.log(level, "member %s: %s", member.name, text, extra=facts)
                if kind == "accused":
                    self._listener.accused(by)
                self._note_change()
            case NameTaken(endpoint, meta):
                self._listener.namesake(endpoint, parse(meta))
            case Fault():
                self._listener.fault(effect)
            case UserData(payload):
                self._hear(payload)
            case UserState(state):
                self._hear_state(state)

    def synchronized(self) -> None:
        """Hear that the full state of a peer is known (`memberlist_transport.Observer`)."""
        self._report()  # whoever acts on being settled must know the members first
        self._listener.synchronized()

    def _hear(self, payload: bytes) -> None:
        try:
            self._take(decode(payload))
        except UnknownWordError:
            self._messages["unknown_words"] += 1
        except PacketError:
            self._messages["foreign_messages"] += 1

    def _hear_state(self, state: bytes) -> None:
        try:
            words = decode_state(state)
        except PacketError:
            self._messages["foreign_states"] += 1
            return
        for word in words:
            self._take(word)

    def _take(self, word: Word) -> None:
        if isinstance(word, Ground) and self._is_news(word):
            self._note_change()
        self._listener.word(word)

    def _is_news(self, ground: Ground) -> bool:
        swim = self._swim
        return swim is not None and self._roster.note(ground, swim.members, self._loop.time())

    def _note_change(self) -> None:
        """Gather the changes of one turn of the loop into one call."""
        if not self._changed:
            self._changed = True
            asyncio.get_running_loop().call_soon(self._report)

    def _report(self) -> None:
        if self._changed:
            self._changed = False
            self._listener.members()

    def _macs_of(self, name: str) -> tuple[bytes, ...]:
        member = self._swim.members.get(name) if self._swim is not None else None
        return parse(member.meta).macs if member is not None else ()

    def _choose_endpoint(self, bound: Endpoint) -> Endpoint:
        wanted = self._advertise or bound
        return Endpoint(advertised_host(wanted.host), wanted.port or bound.port)

    def _may_be_another(self, endpoint: Endpoint) -> bool:
        """Tell whether another node can be there, that this node's sockets can reach."""
        assert self._bind is not None  # noqa: S101 - without it nobody is joined
        if endpoint == self._endpoint or (":" in endpoint.host and ":" not in self._bind.host):
            return False
        # Debian resolves a host's own name to 127.0.1.1: that is this node itself.
        return not (ip_address(self._bind.host).is_unspecified and ip_address(endpoint.host).is_loopback)

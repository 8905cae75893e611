"""The cluster as one node lives in it: who is a member, in which state, and why.

    sockets -> MemberlistTransport -> Swim -> Cluster -> candidates (the election), members (status)

Without a bind endpoint there is no membership: the node is alone, and settled at once.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from random import SystemRandom
from types import MappingProxyType
from typing import Final

from roost.membership.fault_log import FaultLog, FaultRecord
from roost.membership.rejoin import Rejoiner
from roost.decide.join_target import parse_target
from roost.model.node import Candidate, Node, Verdict
from roost.protocols.errors import PacketError
from roost.protocols.machine import Effect, Endpoint
from roost.protocols.memberlist.effects import Fault, MemberChanged, UserData
from roost.protocols.memberlist.keyring import Keyring
from roost.protocols.memberlist.members import Member
from roost.protocols.memberlist.messages import CURRENT_VERSIONS, Status, Versions
from roost.protocols.memberlist.packet import PacketCodec
from roost.protocols.memberlist.profile import PROFILES, Profile
from roost.protocols.memberlist.stream import StreamCodec
from roost.protocols.memberlist.swim import Swim, SwimConfig
from roost.protocols.words import codec
from roost.protocols.words.metadata import Metadata, encode, parse
from roost.protocols.words.verdict import Ground
from roost.runtime.bind import advertised_host
from roost.runtime.memberlist_transport import MemberlistTransport

__all__ = ["Cluster", "ClusterMember"]

_log = logging.getLogger("roost.membership")

_VERDICTS: Final = MappingProxyType(
    {
        Status.ALIVE: Verdict.ALIVE,
        Status.SUSPECT: Verdict.SUSPECT,
        Status.DEAD: Verdict.DEAD,
        Status.LEFT: Verdict.LEAVING,
    }
)
_STREAM_LIMIT: Final = 4 << 20  # bytes of one body: some 6,000 members with full metadata
_RESETTLE_WITH: Final = 3  # peers asked at once; the first one to answer is enough
_TOLD: Final = 64  # members that are told the grounds of a verdict
_SAME_TIME: Final = 5.0  # seconds between a verdict and its grounds, either way
_LEAVE_POLL: Final = 0.005  # seconds
_ALONE: Final = "no membership is configured"


@dataclass(frozen=True, slots=True)
class ClusterMember:
    """One member for people and status; `since` (UTC) is when its verdict began.

    `endpoint` is None for the only member of a cluster without membership.
    """

    name: str
    endpoint: Endpoint | None
    verdict: Verdict
    since: datetime
    incarnation: int
    evidence: str
    metadata: Metadata


class Cluster:
    """Membership of node `name` over real sockets.

    `advertise` is what peers are told to use, by default the bind endpoint; for 0.0.0.0 and :: it is the
    host's own choice. `keys` are 16, 24 or 32 bytes, the primary first. `join` are texts as
    `parse_target` reads them. `compress` is about what this node sends, both kinds are read: on a LAN the
    bytes saved are not worth the processor's time. `versions` go with peers that want delegate versions of
    their own: Serf refuses members that speak none. `on_change` gets the names of members whose entry in
    `candidates()` changed, `on_settled` is called when this node knows the others, `on_message` gets the
    words of peers but the grounds of verdicts, `on_accused` is called when others had declared this node
    dead, `on_silent` when a witness says that it is silent; all run on the event loop.

    Raises ValueError for keys, label, join targets or metadata that cannot be (MetadataError).
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
        join: Sequence[str] = (),
        metadata: Metadata = Metadata(),  # noqa: B008 - immutable
        compress: bool = False,
        versions: Versions = CURRENT_VERSIONS,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_change: Callable[[frozenset[str]], None] | None = None,
        on_settled: Callable[[], None] | None = None,
        on_message: Callable[[codec.Word], None] | None = None,
        on_accused: Callable[[], None] | None = None,
        on_silent: Callable[[], None] | None = None,
    ) -> None:
        random = SystemRandom()  # nonces must never repeat
        keyring = Keyring(keys) if keys else None
        self.name = name
        self.settled = bind is None
        self._bind = bind
        self._advertise = advertise
        self._profile = profile
        self._versions = versions
        self._metadata = metadata
        self._meta = encode(metadata)
        self._clock = clock
        self._on_change = on_change
        self._on_settled = on_settled
        self._on_message = on_message
        self._on_accused = on_accused
        self._on_silent = on_silent
        self._random = random
        self._packets = PacketCodec(label, keyring, compress=compress, random=random)
        self._streams = StreamCodec(label, keyring, compress=compress, random=random, limit=_STREAM_LIMIT)
        self._rejoiner = Rejoiner(
            [parse_target(text) for text in join],
            profile.rejoin_interval,
            random,
            wanted=self._is_worth_joining,
            contact=self._join,
        )
        self._faults = FaultLog(clock)
        self._started = clock()
        self._counters: Counter[str] = Counter()  # of messages that were not understood
        self._changed: set[str] = set()
        self._grounds: dict[str, tuple[Ground, float]] = {}  # -> when it was heard
        self._transport: MemberlistTransport | None = None
        self._swim: Swim | None = None
        self._settling: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Bind and begin to look for the others. Raises BindError (the text names the cure)."""
        self._loop = asyncio.get_running_loop()
        if self._bind is None:
            if self._on_settled is not None:
                self._on_settled()
            return
        transport = MemberlistTransport(self._bind, self._streams, self._profile.tcp_timeout)
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
        self._swim.start(self._loop.time())
        await transport.start(self._swim, self)
        self._settling = self._loop.call_later(
            self._profile.settle_time, self._settle, "nobody answered so far"
        )
        self._rejoiner.start()

    async def stop(self) -> None:
        """Close at once, without telling anybody; `leave` first for a polite end."""
        if self._settling is not None:
            self._settling.cancel()
        await self._rejoiner.stop()
        if self._transport is not None:
            await self._transport.stop()

    async def leave(self, within: float) -> bool:
        """Tell the others that this node leaves, and return whether that went out `within` seconds.

        The node goes on listening until `stop`, but takes part no more.
        """
        if self._swim is None or self._transport is None:
            return True
        await self._rejoiner.stop()
        self._swim.leave(self._loop.time())
        self._transport.flush()
        deadline = self._loop.time() + within
        while not self._swim.has_left and self._loop.time() < deadline:  # noqa: ASYNC110 - machines signal nobody
            await asyncio.sleep(_LEAVE_POLL)
        return self._swim.has_left

    def resettle(self, *, after_cut: bool = False) -> None:
        """Be unsettled until a peer has told its state, or none did: this process was away for a while.

        A node that knows of no other one alive has nobody to ask, and stays settled; but `after_cut` those
        that it lost may live.
        """
        if self._swim is None:
            return
        others = [
            member.endpoint
            for member in self._swim.members.values()
            if member.live and member.name != self.name
        ]
        if not others and not after_cut:
            return
        self.settled = False
        if self._settling is not None:
            self._settling.cancel()
        self._settling = self._loop.call_later(
            self._profile.settle_time, self._settle, "nobody answered so far"
        )
        if others:
            self._join(self._random.sample(others, min(len(others), _RESETTLE_WITH)))
        else:
            self._rejoiner.now()

    def set_join(self, targets: Sequence[str]) -> None:
        """Join through these from now on, texts as `parse_target` reads them. Raises ValueError."""
        self._rejoiner.set_targets([parse_target(text) for text in targets])

    def rejoin_now(self) -> None:
        """Try every configured or lost peer again at once: something says that one may be back."""
        self._rejoiner.now()

    async def hold(self, target: Endpoint, established: Callable[[], None]) -> None:
        """Hold a lifeline to a Roost node; see `MemberlistStreams.hold`."""
        if self._transport is not None:
            await self._transport.hold(target, established)

    def declare_dead(self, ground: Ground) -> None:
        """Take a verdict from outside of SWIM and tell everybody; the member may refute it."""
        if self._swim is None or self._transport is None:
            return
        self._note_ground(ground)
        others = [member.name for member in self._swim.members.values() if member.live]
        self._swim.tell(others[:_TOLD], codec.encode(ground), self._loop.time())
        self._swim.declare_dead(ground.subject, ground.evidence, self._loop.time())
        self._transport.flush()

    def tell(self, names: Iterable[str], payload: bytes) -> None:
        """Send a user message at once to each of the members `names`; losing it is allowed."""
        if self._swim is not None and self._transport is not None:
            self._swim.tell(names, payload, self._loop.time())
            self._transport.flush()

    def set_metadata(self, metadata: Metadata) -> None:
        """Gossip other metadata about this node. Raises MetadataError; then nothing has changed."""
        meta = encode(metadata)
        self._metadata = metadata
        if meta == self._meta:
            return
        self._meta = meta
        if self._swim is not None and self._transport is not None:
            self._swim.set_meta(meta, self._loop.time())
            self._transport.flush()
            self._note_change(self.name)

    def set_keys(self, keys: Sequence[bytes]) -> None:
        """Replace the gossip keys, the primary first; none ends encryption. Raises ValueError."""
        self._packets.keyring = self._streams.keyring = Keyring(keys) if keys else None

    @property
    def endpoint(self) -> Endpoint | None:
        """What peers are told to use; None before `start` and without membership."""
        return self._endpoint if self._transport is not None else None

    @property
    def local_health(self) -> int:
        """Lifeguard's score: 0 is healthy, each step slows this node's own accusations down."""
        return self._swim.local_health if self._swim is not None else 0

    @property
    def counters(self) -> Mapping[str, int]:
        """What happened since the start, by name."""
        total = self._counters.copy()
        if self._swim is not None and self._transport is not None:
            total.update(self._swim.counters)
            total.update(self._transport.counters)
        return total

    @property
    def faults(self) -> tuple[FaultRecord, ...]:
        """What went wrong since the start, one record per kind."""
        return self._faults.records

    def candidates(self) -> dict[str, Candidate]:
        """Return every known node with its verdict and evidence, this node included."""
        return {
            member.name: Candidate(_node(member.name, member.metadata), member.verdict, member.evidence)
            for member in self.members()
        }

    def members(self) -> tuple[ClusterMember, ...]:
        """Return every known member, this node included, by name."""
        if self._swim is None:
            return (ClusterMember(self.name, None, Verdict.ALIVE, self._started, 0, _ALONE, self._metadata),)
        now, moment = self._loop.time(), self._clock()
        return tuple(
            self._describe(member, moment - timedelta(seconds=now - member.since))
            for _, member in sorted(self._swim.members.items())
        )

    def _choose_endpoint(self, bound: Endpoint) -> Endpoint:
        wanted = self._advertise or bound
        return Endpoint(advertised_host(wanted.host), wanted.port or bound.port)

    def effect(self, effect: Effect) -> None:
        """Take what the machine or the transport reports (`memberlist_transport.Observer`)."""
        if isinstance(effect, MemberChanged):
            self._take_change(effect)
        elif isinstance(effect, Fault):
            self._faults.take(effect, self._loop.time())
        elif isinstance(effect, UserData):
            self._take_message(effect.payload)

    def synchronized(self) -> None:
        """Hear that the full state of a peer is known (`memberlist_transport.Observer`)."""
        self._settle("synchronised with a peer")

    def _describe(self, member: Member, since: datetime) -> ClusterMember:
        mine = member.name == self.name
        verdict, evidence = self._ground(member)
        return ClusterMember(
            member.name,
            member.endpoint,
            verdict,
            since,
            member.incarnation,
            evidence,
            self._metadata if mine else parse(member.meta),
        )

    def _ground(self, member: Member) -> tuple[Verdict, str]:
        """Return the verdict on a member, and its evidence: what witnesses said at that time, if they did."""
        ground, when = self._grounds.get(member.name, (None, 0.0))
        if ground is not None and member.status is Status.DEAD and abs(when - member.since) < _SAME_TIME:
            return ground.verdict, ground.evidence
        return _VERDICTS[member.status], member.evidence

    def _take_change(self, change: MemberChanged) -> None:
        member = change.member
        _log.info(
            "member %s: %s",
            member.name,
            change.kind,
            extra={"address": str(member.endpoint), "evidence": change.evidence},
        )
        if change.kind == "accused" and self._on_accused is not None:
            self._on_accused()
        if change.kind == "dead":
            self._rejoiner.lost(member.name, member.endpoint)
        elif change.kind in ("join", "alive", "leave"):
            self._rejoiner.found(member.name)
        self._note_change(member.name)

    def _take_message(self, payload: bytes) -> None:
        try:
            word = codec.decode(payload)
        except codec.UnknownWordError:
            self._counters["unknown_words"] += 1
            return
        except PacketError:
            self._counters["foreign_messages"] += 1
            return
        if isinstance(word, Ground):
            self._note_ground(word)
            if word.subject == self.name and self._on_silent is not None:
                self._on_silent()
        elif self._on_message is not None:
            self._on_message(word)

    def _note_ground(self, ground: Ground) -> None:
        """Remember why a member is called dead; the word itself comes by memberlist's own message."""
        if self._swim is not None and ground.subject in self._swim.members:
            self._grounds = {name: each for name, each in self._grounds.items() if name in self._swim.members}
            self._grounds[ground.subject] = (ground, self._loop.time())

    def _note_change(self, name: str) -> None:
        """Gather the changes of one turn of the loop into one call."""
        if not self._changed:
            asyncio.get_running_loop().call_soon(self._tell)
        self._changed.add(name)

    def _tell(self) -> None:
        changed, self._changed = frozenset(self._changed), set()
        if changed and self._on_change is not None:
            self._on_change(changed)

    def _settle(self, why: str) -> None:
        if self.settled:
            return
        self._tell()  # whoever acts on being settled must know the members first
        self.settled = True
        if self._settling is not None:
            self._settling.cancel()
        _log.info("membership is settled", extra={"reason": why})
        if self._on_settled is not None:
            self._on_settled()

    def _is_worth_joining(self, endpoint: Endpoint, forced: bool) -> bool:  # noqa: FBT001 - as Rejoiner calls it
        assert self._bind is not None  # noqa: S101 - without it nothing is tried
        assert self._swim is not None  # noqa: S101
        assert self._transport is not None  # noqa: S101
        if endpoint == self._endpoint or (":" in endpoint.host and ":" not in self._bind.host):
            return False
        if ip_address(self._bind.host).is_unspecified and ip_address(endpoint.host).is_loopback:
            return False  # Debian resolves a host's own name to 127.0.1.1: that is this node itself
        if not forced and endpoint in self._transport.exchanging:
            return False
        return all(member.endpoint != endpoint for member in self._swim.members.values() if member.live)

    def _join(self, endpoints: Sequence[Endpoint]) -> None:
        assert self._swim is not None  # noqa: S101 - joining begins after start
        assert self._transport is not None  # noqa: S101
        self._swim.join(endpoints, self._loop.time())
        self._transport.flush()


def _node(name: str, metadata: Metadata) -> Node:
    return Node(
        name,
        metadata.labels,
        speaker=bool(metadata.version),
        can_announce=bool(metadata.macs),
    )

"""The SWIM failure detector with Lifeguard, as hashicorp/memberlist speaks it: the machine as a whole.

Here messages and time are handed to the parts that own them: `rules` (who is in which state), `probe`
and `relay` (who answers), `transmit` (what goes into packets), `exchanges` (requests over TCP). What
those decide does not belong here.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from roost.protocols.machine import Effect, Endpoint, Randomness, soonest
from roost.protocols.memberlist.awareness import Awareness
from roost.protocols.memberlist.broadcast import BroadcastQueue
from roost.protocols.memberlist.direct_words import DirectWords
from roost.protocols.memberlist.effects import (
    Fault,
    MemberChanged,
    OpenExchange,
    Outbox,
    UserData,
    UserState,
)
from roost.protocols.memberlist.exchanges import Exchanges
from roost.protocols.memberlist.members import MEMBERS_LIMIT, Member, MemberTable, packed_address
from roost.protocols.memberlist.messages import (
    CURRENT_VERSIONS,
    META_LIMIT,
    Ack,
    Alive,
    Dead,
    ErrorResponse,
    IndirectPing,
    Message,
    Nack,
    Ping,
    PushPull,
    Status,
    Suspect,
    UserMessage,
    Versions,
)
from roost.protocols.memberlist.packet import PacketCodec
from roost.protocols.memberlist.probe import Prober
from roost.protocols.memberlist.profile import Profile
from roost.protocols.memberlist.relay import Relays, answer_to
from roost.protocols.memberlist.ring import ProbeRing
from roost.protocols.memberlist.rules import Rules
from roost.protocols.memberlist.transmit import Transmitter

__all__ = ["Fault", "Member", "MemberChanged", "OpenExchange", "Swim", "SwimConfig", "UserData", "UserState"]

_STOOD_STILL: Final = 0.25  # seconds in which others may have found members gone;
_CATCHES_UP: Final = 0.5  # seconds after such a stretch in which this node believes those whom it asks
_WELCOMED: Final = 4  # new members of one peer's state that the others are told of directly
_MEET_AGAIN: Final = 0.2  # seconds between two exchanges with members that were declared dead and ping
_LEAVE_TIMEOUT: Final = 1.0  # seconds for the word of leaving to go out
_LEFT_PINGS: Final = 0.4  # seconds for which who has left may ping still
_PUSH_PULL_SCALE: Final = 32  # members up to which push/pull keeps its interval


@dataclass(frozen=True, slots=True)
class SwimConfig:
    """This node: its unique name, the address that others reach it at, its metadata, its timers.

    Raises ValueError for an empty name, a host that is no IP address, or over 512 bytes of metadata.
    """

    name: str
    endpoint: Endpoint
    meta: bytes
    profile: Profile
    versions: Versions = CURRENT_VERSIONS  # others only for peers with a delegate of their own (Serf)

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a node needs a name")
        packed_address(self.endpoint.host)
        _check_meta(self.meta)


class Swim:
    """A machine (see `roost.protocols.machine`) that keeps the list of members and who of them lives.

    Times are seconds on one monotonic scale; one that runs backwards is taken to stand still. A call
    that comes later than `next_wake()` by more than the probe timeout means that this node itself
    was not running: then nobody is blamed for that stretch.
    """

    def __init__(self, config: SwimConfig, codec: PacketCodec, random: Randomness) -> None:
        profile = config.profile
        me = Member(
            name=config.name,
            endpoint=config.endpoint,
            meta=config.meta,
            incarnation=1,
            status=Status.ALIVE,
            since=0.0,
            versions=config.versions,
            evidence="this node",
            address=packed_address(config.endpoint.host),
        )
        self._profile = profile
        self._codec = codec
        self._random = random
        self._outbox = outbox = Outbox(profile.handoff_queue_depth)
        self._table = table = MemberTable(me)
        self._queue = queue = BroadcastQueue(MEMBERS_LIMIT)
        self._awareness = awareness = Awareness(profile.awareness_max_multiplier)
        ring = ProbeRing(random)
        self._transmitter = transmitter = Transmitter(
            profile=profile, codec=codec, table=table, queue=queue, outbox=outbox, random=random
        )
        self._direct_words = DirectWords(table, transmitter, random)
        self._exchanges = exchanges = Exchanges(outbox)
        self._rules = rules = Rules(
            profile=profile, table=table, ring=ring, queue=queue, awareness=awareness, outbox=outbox
        )
        self._relays = Relays(profile.probe_timeout, table, transmitter, outbox)
        self._prober = Prober(
            profile=profile,
            table=table,
            ring=ring,
            rules=rules,
            transmitter=transmitter,
            exchanges=exchanges,
            awareness=awareness,
            outbox=outbox,
            random=random,
        )
        self._user_state = b""
        self._now = -math.inf
        self._gossip_due: float | None = None
        self._gossiped = -math.inf
        self._push_pull_due: float | None = None
        self._leave_due: float | None = None
        self._met_again = -math.inf
        self._runs_since = -math.inf  # after a stretch in which it did not
        self._has_left = False
        self._stale = True  # whether `_due` has to be looked for
        self._due: float | None = None

    @property
    def members(self) -> Mapping[str, Member]:
        """Everybody known by name, this node included; dead and left ones for a while."""
        return self._table.view

    @property
    def local_health(self) -> int:
        """How badly this node keeps up: 0 is well, see `awareness`."""
        return self._awareness.score

    @property
    def unheard(self) -> bool:
        """Whether the last probe was answered by nobody, not even by those who were asked to help."""
        return self._prober.unheard

    @property
    def counters(self) -> Mapping[str, int]:
        """Counts of what happened since the start, by name."""
        return MappingProxyType(self._outbox.counters)

    @property
    def has_left(self) -> bool:
        """Whether `leave` was called and the others have been told as well as can be."""
        return self._has_left

    def start(self, now: float) -> None:
        """Become the first member of one's own cluster."""
        self._stale = True
        self._now = now
        me = self._table.change(self._table.me.name, since=now)
        self._outbox.put(MemberChanged("join", me, me.evidence))
        self._push_pull_due = now + (1 + self._random.random()) * self._profile.push_pull_interval

    def receive(self, datagram: bytes, source: Endpoint, now: float, *, in_frame: bool = False) -> None:
        """Take one datagram, or packet from a frame: a ping is answered as it came; see `Machine.receive`."""
        now = self._advance(now)
        self._outbox.counters["packets_received"] += 1
        opened = self._codec.open(datagram)
        for fault in opened.faults:
            self._outbox.fault("bad-packet", str(fault), source)
        for message in opened.messages:
            self._take(message, source, now, in_frame=in_frame)
        self._arm(now)

    def wake(self, now: float) -> None:
        """Do what is due; see `Machine.wake`."""
        now = self._advance(now)
        self._rules.wake(now)
        self._relays.wake(now)
        self._prober.wake(now)
        if self._push_pull_due is not None and now >= self._push_pull_due:
            self._push_pull(now)
        if self._gossip_due is not None and now >= self._gossip_due:
            self._gossiped, self._gossip_due = now, None
            self._transmitter.gossip(now)
        self._direct_words.wake(now)
        self._arm(now)

    def next_wake(self) -> float | None:
        """Return when something is due, remembered until something comes in; see `Machine.next_wake`."""
        if self._stale:
            self._due = soonest(
                (
                    self._prober.next_due(),
                    self._rules.next_due(),
                    self._relays.next_due(),
                    self._gossip_due,
                    self._push_pull_due,
                    self._leave_due,
                    self._direct_words.next_due(),
                )
            )
            self._stale = False
        return self._due

    def effects(self) -> Iterable[Effect]:
        """Hand over the effects since the last call; see `Machine.effects`."""
        return self._outbox.drain()

    def join(self, targets: Sequence[Endpoint], now: float) -> None:
        """Exchange states with each of `targets`; one that answers is enough to know all."""
        now = self._advance(now)
        me = self._table.me.endpoint
        for target in dict.fromkeys(targets):
            if target != me:
                self._exchange_state(target, now, join=True)
        self._arm(now)

    def acquaint(self, state: PushPull, now: float) -> None:
        """Know the members in `state` as after a long time together: nothing of it is gossiped on."""
        now = self._advance(now)
        self._rules.merge(state, now, self._table.me.endpoint)
        self._queue.clear()
        self._arm(now)

    def leave(self, now: float) -> None:
        """Tell the others that this node goes; go on driving it until `has_left`."""
        now = self._advance(now)
        if self._leave_due is not None or self._has_left:
            return
        self._rules.leave(now)
        self._prober.stop()
        self._push_pull_due = None
        self._leave_due = now + _LEAVE_TIMEOUT
        self._arm(now)

    def declare_dead(self, name: str, evidence: str, now: float, ground: bytes = b"") -> None:
        """Take this node's own verdict, come to outside of SWIM; the member may refute it as any other.

        `ground` is a user message that goes with it.
        """
        now = self._advance(now)
        member = self._table.get(name)
        if member is not None and member.live and member is not self._table.me:
            self._rules.dead(Dead(member.incarnation, name, self._table.me.name), now, evidence)
            self._direct_words.insist(name, now, UserMessage(ground) if ground else None)
        self._arm(now)

    def vouch(self, name: str, seconds: float, why: str, now: float) -> None:
        """Let a suspicion of `name` wait for `seconds`: it is heard outside of gossip."""
        now = self._advance(now)
        self._rules.vouch(name, seconds, why, now)
        self._arm(now)

    def doubt(self, names: AbstractSet[str], now: float) -> None:
        """Probe `names` first; all others are heard outside of gossip, so that without any there is time."""
        now = self._advance(now)
        self._prober.doubt(names, now)
        self._arm(now)

    def isolate(self, isolated: bool, now: float) -> None:  # noqa: FBT001 - its own name
        """Keep accusations to this node while it is the one that is cut off, as far as it knows."""
        now = self._advance(now)
        self._rules.isolate(isolated=isolated)
        if isolated:
            self._direct_words.take_back()
        self._arm(now)

    def tell(self, names: Iterable[str], payload: bytes, now: float) -> None:
        """Send a user message at once to each member of `names` that is known."""
        now = self._advance(now)
        for name in names:
            if (member := self._table.get(name)) is not None:
                self._transmitter.send_alone(member.endpoint, UserMessage(payload), member)
        self._arm(now)

    def set_meta(self, meta: bytes, now: float) -> None:
        """Give this node other metadata; raises ValueError for more than 512 bytes."""
        now = self._advance(now)
        _check_meta(meta)
        if meta != self._table.me.meta and self._table.me.live:
            self._rules.set_meta(meta)
            self._direct_words.insist(self._table.me.name, now)
        self._arm(now)

    def set_state(self, state: bytes) -> None:
        """Send this beside the whole state from now on, to every peer that exchanges its own."""
        self._user_state = state

    def serve(self, request: Message, source: Endpoint, now: float) -> Message | None:
        """Return the reply to a stream's request, or None when it gets none."""
        now = self._advance(now)
        reply = self._reply(request, source, now)
        self._arm(now)
        return reply

    def exchange_answered(self, id: int, reply: Message, now: float) -> None:  # noqa: A002  the effect's name
        """Take the reply to an `OpenExchange`."""
        now = self._advance(now)
        exchange = self._exchanges.close(id)
        if exchange is None:
            return
        if exchange.kind is Ping:
            self._prober.answered(id, reply)
        elif isinstance(reply, PushPull):
            self._outbox.counters["push_pulls"] += 1
            behind = exchange.opened >= self._runs_since and now < self._runs_since + _CATCHES_UP
            self._rules.merge(reply, now, exchange.target, behind=behind)
            self._hand_over_state(reply, exchange.target)
            if exchange.join and self._table.me.live:
                self._direct_words.say(self._table.me.as_alive())  # gossip alone now and then misses one
        elif isinstance(reply, ErrorResponse):
            self._outbox.fault("exchange-refused", reply.text, exchange.target)
        else:
            self._outbox.fault("unexpected-message", f"{_name(reply)} for push/pull", exchange.target)
        self._arm(now)

    def exchange_failed(self, id: int, reason: str, now: float) -> None:  # noqa: A002  the effect's name
        """Take the failure of an `OpenExchange`."""
        now = self._advance(now)
        exchange = self._exchanges.close(id)
        if exchange is not None:
            self._outbox.counters["exchanges_failed"] += 1
            if exchange.kind is not Ping:  # a silent probe target is reported as suspect, not as a fault
                self._outbox.fault("exchange-failed", reason, exchange.target)
        self._arm(now)

    def _advance(self, now: float) -> float:
        """Return the time to go by, after making up for a stretch in which this node did not run.

        Whatever comes in passes here first.
        """
        now = self._now = max(self._now, now)
        due = self.next_wake()
        self._stale = True
        if due is not None and now - due > self._profile.probe_timeout:
            self._outbox.counters["late_wakes"] += 1
            self._awareness.apply(1)
            if now - due > _STOOD_STILL:
                self._runs_since = now
            self._rules.postpone(now - due)
            self._prober.postpone(now)
            self._relays.postpone(now)
            self._gossip_due = _not_before(now, self._gossip_due)
            self._push_pull_due = _not_before(now, self._push_pull_due)
            self._leave_due = _not_before(now, self._leave_due)
        return now

    def _arm(self, now: float) -> None:
        """Set the timers that run only while they have something to do."""
        self._prober.arm(now)
        if not self._queue or not self._table.others:
            self._gossip_due = None
        elif self._gossip_due is None:
            self._gossip_due = max(now, self._gossiped + self._profile.gossip_interval)
        if self._leave_due is not None and self._told_everybody(now):
            self._has_left, self._leave_due = True, None

    def _told_everybody(self, now: float) -> bool:
        pending = self._table.me.name in self._queue and self._table.live() > 0
        return not pending or (self._leave_due is not None and now >= self._leave_due)

    def _take(self, message: Message, source: Endpoint, now: float, *, in_frame: bool) -> None:
        match message:
            case Ping():
                self._answer_ping(message, source, now, in_frame=in_frame)
            case Ack():
                self._take_ack(message, now)
            case Nack():
                if not self._prober.nacked(message.seq):
                    self._outbox.counters["nacks_unmatched"] += 1
            case IndirectPing():
                self._relays.take(message, source, now)
            case Alive():
                self._rules.alive(message, now, source)
            case Suspect():
                self._answer_old(message, source)
                self._rules.suspect(message, now)
            case Dead():
                self._answer_old(message, source)
                self._rules.dead(message, now)
            case UserMessage():
                self._outbox.put_losable(UserData(message.payload, source))
            case _:
                self._outbox.fault("unexpected-message", f"{_name(message)} in a packet", source)

    def _answer_old(self, message: Suspect | Dead, source: Endpoint) -> None:
        """Tell an accuser what overrides its word already, if that has just come from itself.

        Refuted is an accusation once: who has not heard that would wait for the next push/pull.
        """
        me, accuser = self._table.me, self._table.get(message.sender)
        old = message.node == me.name and message.incarnation < me.incarnation and me.live
        if old and accuser is not None and accuser is not me and accuser.endpoint == source:
            self._transmitter.send_alone(source, me.as_alive(), accuser)

    def _answer_ping(self, message: Ping, source: Endpoint, now: float, *, in_frame: bool) -> None:
        if self._is_for_me(message, source):
            asker, where = self._table.get(message.source_node), answer_to(message, source)
            said: list[Message] = [Ack(message.seq)]
            if asker is not None and asker.status is Status.SUSPECT and asker.endpoint == where:
                said.append(Suspect(asker.incarnation, asker.name, self._table.me.name))  # to be refuted now
            if in_frame and asker is not None and asker.endpoint == where:
                self._transmitter.send_beside(asker, *said)
            else:
                self._transmitter.send(where, *said, to=asker)
            if asker is not None and not asker.live and asker.endpoint == where:
                self._meet_again(asker, now)

    def _meet_again(self, member: Member, now: float) -> None:
        """Exchange states with one that is held for dead and pings: it lives, and has not heard of that.

        Who has left on purpose pings for a moment still; later it has come back.
        """
        leaving = member.status is Status.LEFT and now - member.since < _LEFT_PINGS
        if not leaving and now - self._met_again >= _MEET_AGAIN:
            self._met_again = now
            self._exchange_state(member.endpoint, now, join=True)

    def _take_ack(self, message: Ack, now: float) -> None:
        """Late and repeated acks match nothing any more."""
        if not self._prober.acked(message.seq, now) and not self._relays.acked(message.seq):
            self._outbox.counters["acks_unmatched"] += 1

    def _reply(self, request: Message, source: Endpoint, now: float) -> Message | None:
        match request:
            case Ping():
                return Ack(request.seq) if self._is_for_me(request, source) else None
            case PushPull():
                reply = self._state(join=request.join)  # as it is before the merge
                self._outbox.counters["push_pulls"] += 1
                self._welcome(request, source, now)
                return reply
            case UserMessage():
                self._outbox.put_losable(UserData(request.payload, source))
                return None
            case ErrorResponse():
                self._outbox.fault("exchange-refused", request.text, source)
                return None
            case _:
                self._outbox.fault("unexpected-message", f"{_name(request)} on a stream", source)
                return ErrorResponse(f"{_name(request)} does not belong on a stream")

    def _welcome(self, state: PushPull, source: Endpoint, now: float) -> None:
        """Merge a peer's state; of a few members that are new by it, the others hear directly."""
        before = {name for name, member in self._table.view.items() if member.live}
        self._rules.merge(state, now, source)
        self._hand_over_state(state, source)
        new = [name for name, member in self._table.view.items() if member.live and name not in before]
        for name in new[:_WELCOMED]:
            self._direct_words.say(self._table.view[name].as_alive())

    def _hand_over_state(self, state: PushPull, source: Endpoint) -> None:
        if state.user_state:
            self._outbox.put_losable(UserState(state.user_state, source))

    def _is_for_me(self, ping: Ping, source: Endpoint) -> bool:
        if ping.node in ("", self._table.me.name):
            return True
        self._outbox.fault("wrong-node", f"ping for {ping.node}", source)
        return False

    def _exchange_state(self, target: Endpoint, now: float, *, join: bool) -> None:
        deadline = now + self._profile.tcp_timeout
        self._exchanges.open(target, self._state(join=join), deadline=deadline, now=now)

    def _state(self, *, join: bool) -> PushPull:
        return PushPull(
            tuple(member.as_state() for member in self._table.view.values()), self._user_state, join
        )

    def _push_pull(self, now: float) -> None:
        members = len(self._table)
        scale = 1
        if members > _PUSH_PULL_SCALE:
            scale += math.ceil(math.log2(members) - math.log2(_PUSH_PULL_SCALE))
        self._push_pull_due = now + scale * self._profile.push_pull_interval
        for member in self._table.choose(1, self._random, lambda member: member.status is Status.ALIVE):
            self._exchange_state(member.endpoint, now, join=False)


def _not_before(now: float, due: float | None) -> float | None:
    return None if due is None else max(due, now)


def _check_meta(meta: bytes) -> None:
    if len(meta) > META_LIMIT:
        raise ValueError(f"metadata has at most {META_LIMIT} bytes, not {len(meta)}")


def _name(message: Message) -> str:
    return type(message).__name__

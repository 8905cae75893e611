"""Probing the others, one at a time: directly, through helpers and over TCP (SWIM; memberlist `state.go`).

begin -- ack --> next
  | no ack within the probe timeout: helpers are asked, TCP is tried
  v
asked -- ack (direct, late or through a helper), or TCP at the end --> next
  | nothing until the end of the interval, which local health stretches
  v
accuse the target; helpers that did not even nack say that this node may be the slow one
"""

from collections import deque
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final

from roost.protocols.bounded import remember
from roost.protocols.machine import Randomness
from roost.protocols.memberlist.awareness import Awareness
from roost.protocols.memberlist.effects import Outbox
from roost.protocols.memberlist.exchanges import Exchanges
from roost.protocols.memberlist.members import MEMBERS_LIMIT, Member, MemberTable
from roost.protocols.memberlist.messages import Ack, IndirectPing, Message, Ping, Status, Suspect
from roost.protocols.memberlist.profile import Profile
from roost.protocols.memberlist.ring import ProbeRing
from roost.protocols.memberlist.rules import Rules
from roost.protocols.memberlist.transmit import Transmitter

__all__ = ["Prober"]

_TCP_PING_SINCE: Final = 3  # protocol version
_NACK_SINCE: Final = 4
_CALM: Final = 4  # times the interval between probes while all others are heard outside of gossip
_SURE: Final = 3  # answers in frames alone, one after the other
_RESTARTS: Final = 3  # of one round; a node that is always late must come to a verdict too


@dataclass(slots=True)
class _Round:
    """One target's probe; `target` is the member as it was at the beginning. Times are seconds."""

    target: Member
    ping: Ping
    started: float
    ack_due: float
    ends: float
    restarts: int
    asked: bool = False
    helpers: int = 0
    nacks_wanted: int = 0
    nacks: int = 0
    exchange: int | None = None
    reached_by_tcp: bool = False
    beside: int | None = None  # the number of the ping in a frame
    reached_in_frames: bool = False


class Prober:
    """Runs one probe after the other over the ring, at most one in every probe interval.

    It has time while it is told that nobody is doubted.
    """

    def __init__(
        self,
        *,
        profile: Profile,
        table: MemberTable,
        ring: ProbeRing,
        rules: Rules,
        transmitter: Transmitter,
        exchanges: Exchanges,
        awareness: Awareness,
        outbox: Outbox,
        random: Randomness,
    ) -> None:
        self._profile = profile
        self._table = table
        self._ring = ring
        self._rules = rules
        self._transmitter = transmitter
        self._exchanges = exchanges
        self._awareness = awareness
        self._outbox = outbox
        self._random = random
        self._round: _Round | None = None
        self._next: float | None = None
        self._stopped = False
        self._doubted: AbstractSet[str] | None = None  # None: nobody is heard outside of gossip
        self._first: deque[str] = deque()  # to be probed before the ring goes on
        self.unheard = False  # whether nobody has answered the last one, neither its target nor a helper
        self._silent: dict[str, int] = {}  # how often in a row they answered in frames alone

    def arm(self, now: float) -> None:
        """Start probing, at a random moment of the interval, once there are others."""
        if self._round is None and self._next is None and self._table.others and not self._stopped:
            self._next = now + self._random.random() * self._profile.probe_interval

    def stop(self) -> None:
        """Probe nobody any more."""
        self._stopped = True
        self._round = self._next = None

    def doubt(self, names: AbstractSet[str], now: float) -> None:
        """Probe those of `names` first that were not doubted before; take time while there are none."""
        new = names if self._doubted is None else names - self._doubted
        self._doubted = names
        self._first.extend(sorted(new))
        if names and self._next is not None:
            self._next = min(self._next, now + (0.0 if new else self._profile.probe_interval))

    def next_due(self) -> float | None:
        """Return when the running probe needs attention, else when the next begins."""
        if self._round is None:
            return self._next
        return self._round.ends if self._round.asked else self._round.ack_due

    def wake(self, now: float) -> None:
        """Take the running probe further, or begin the next."""
        if self._round is not None and not self._round.asked and now >= self._round.ack_due:
            self._ask(self._round, now)
        if self._round is not None and self._round.asked and now >= self._round.ends:
            self._finish(self._round, now)
        if self._next is not None and now >= self._next:
            self._begin(now)

    def postpone(self, now: float) -> None:
        """Void the running probe and begin it again: this node was not there to hear the ack."""
        voided = self._round
        if voided is None:
            if self._next is not None:
                self._next = max(self._next, now)
        elif voided.restarts >= _RESTARTS:
            voided.ack_due, voided.ends = max(voided.ack_due, now), max(voided.ends, now)
        else:
            self._outbox.counters["probes_voided"] += 1
            self._round, self._next = None, now
            target = self._table.get(voided.target.name)
            if target is not None and target.live:
                self._probe(target, now, voided.restarts + 1)

    def acked(self, sequence: int, now: float) -> bool:
        """Take an ack; tell whether it belongs to the running probe."""
        probe = self._round
        if probe is None or sequence not in (probe.ping.seq, probe.beside):
            return False
        if sequence == probe.beside:
            probe.reached_in_frames = True  # what UDP and TCP come to is seen at the end
        else:
            self._silent.pop(probe.target.name, None)
            self._succeed(probe, now)
        return True

    def nacked(self, sequence: int) -> bool:
        """Take a helper's nack; tell whether it belongs to the running probe."""
        if self._round is None or self._round.ping.seq != sequence:
            return False
        self._round.nacks += 1
        return True

    def answered(self, exchange: int, reply: Message) -> None:
        """Take the answer to a TCP ping; it counts at the end, should UDP stay silent until then."""
        probe = self._round
        if probe is not None and probe.exchange == exchange:
            probe.reached_by_tcp = isinstance(reply, Ack) and reply.seq == probe.ping.seq

    def _begin(self, now: float) -> None:
        target = self._next_target(now)
        if target is not None:
            self._probe(target, now)
        else:
            self._next = now + self._profile.probe_interval if self._table.others else None

    def _next_target(self, now: float) -> Member | None:
        while self._first:
            if (member := self._table.get(self._first.popleft())) is not None and member.live:
                return member
        for _ in range(len(self._ring) + 1):
            name = self._ring.step()
            if name is None:
                self._ring.restart(self._table.forget(now - self._profile.gossip_to_the_dead_time))
            elif (member := self._table.get(name)) is not None and member.live:
                return member
        return None

    def _probe(self, target: Member, now: float, restarts: int = 0) -> None:
        me = self._table.me
        ping = Ping(self._transmitter.next_sequence(), target.name, me.address, me.endpoint.port, me.name)
        ends = now + self._awareness.scale(self._profile.probe_interval)
        ack_due = min(now + self._profile.probe_timeout, ends)
        self._round = _Round(target, ping, now, ack_due, ends, restarts)
        self._next = None
        self._outbox.counters["probes"] += 1
        messages: list[Message] = [ping]
        if target.status is Status.SUSPECT:  # it should know, to refute
            messages.append(Suspect(target.incarnation, target.name, me.name))
        self._transmitter.send(target.endpoint, *messages, to=target)

    def _ask(self, probe: _Round, now: float) -> None:
        """Turn to the LAN, to helpers and to TCP; they get their whole time even if this comes late."""
        probe.asked = True
        probe.ends = max(probe.ends, now + probe.ends - probe.ack_due)
        self._ask_beside(probe)
        self._ask_helpers(probe)
        if probe.target.versions.pmax >= _TCP_PING_SINCE and not self._profile.disable_tcp_pings:
            probe.exchange = self._exchanges.open(
                probe.target.endpoint, probe.ping, deadline=probe.ends, now=now
            )

    def _ask_beside(self, probe: _Round) -> None:
        """Ping in a frame; by a number of its own, so that its answer tells that UDP is silent."""
        ping = replace(probe.ping, seq=self._transmitter.next_sequence())
        probe.beside = ping.seq
        self._transmitter.send_beside(probe.target, ping)

    def _ask_helpers(self, probe: _Round) -> None:
        target, ping = probe.target, probe.ping

        def helps(member: Member) -> bool:
            return member.status is Status.ALIVE and member.name != target.name

        for helper in self._table.choose(self._profile.indirect_checks, self._random, helps):
            nack = helper.versions.pmax >= _NACK_SINCE
            request = IndirectPing(
                ping.seq,
                target.address,
                target.endpoint.port,
                target.name,
                nack,
                ping.source_address,
                ping.source_port,
                ping.source_node,
            )
            probe.helpers += 1
            probe.nacks_wanted += nack
            self._outbox.counters["indirect_pings"] += 1
            self._transmitter.send(helper.endpoint, request, to=helper)

    def _note_silent(self, target: Member) -> None:
        """Report one that answers in frames alone; at first look again at once, for it may be chance."""
        times = self._silent.get(target.name, 0) + 1
        remember(self._silent, target.name, times, MEMBERS_LIMIT)
        if times < _SURE:
            self._first.append(target.name)
        detail = f"{target.name} answers in frames of the LAN, not over UDP and TCP at {target.endpoint}"
        self._outbox.fault("frames-only", detail, target.endpoint)

    def _finish(self, probe: _Round, now: float) -> None:
        if probe.reached_by_tcp:
            detail = f"{probe.target.name} answers over TCP at {probe.target.endpoint}, not over UDP"
            self._outbox.fault("tcp-only", detail, probe.target.endpoint)
            self._succeed(probe, now)
        elif probe.reached_in_frames:
            self._note_silent(probe.target)
            self._succeed(probe, now)
        else:
            self._fail(probe, now)

    def _succeed(self, probe: _Round, now: float) -> None:
        self._round = None
        calm = self._doubted is not None and not self._doubted and not self._first
        interval = self._profile.probe_interval * (_CALM if calm else 1)
        self._next = max(now, probe.started + interval)
        self.unheard = False
        self._awareness.apply(-1)
        self._outbox.counters["probes_answered"] += 1

    def _fail(self, probe: _Round, now: float) -> None:
        self._round, self._next = None, now
        target = self._table.get(probe.target.name)
        if target is None or not target.live:
            return  # declared dead or gone meanwhile: its silence says nothing new
        self._outbox.counters["probes_failed"] += 1
        self.unheard = probe.nacks_wanted > 0 and not probe.nacks
        self._awareness.apply(max(probe.nacks_wanted - probe.nacks, 0) if probe.nacks_wanted else 1)
        accusation = Suspect(probe.target.incarnation, target.name, self._table.me.name)
        self._rules.suspect(accusation, now, self._reason(probe))

    def _reason(self, probe: _Round) -> str:
        waited = probe.ack_due - probe.started
        reason = f"no ack from {probe.target.endpoint} within {waited:.3g} s"
        if not probe.helpers:
            return reason
        return f"{reason}, nor through {probe.helpers} {'other' if probe.helpers == 1 else 'others'}"

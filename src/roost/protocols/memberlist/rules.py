"""What a message about a member changes, all decided by incarnations (SWIM; memberlist `state.go`).

A member alone raises its incarnation, and so overrides what others say about the one before. At the
same incarnation dead beats suspect beats alive. What changed the table is passed on by gossip.
"""

from dataclasses import replace
from typing import Final

from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.awareness import Awareness
from roost.protocols.memberlist.broadcast import BroadcastQueue
from roost.protocols.memberlist.codec import encode_message
from roost.protocols.memberlist.effects import Change, MemberChanged, NameTaken, Outbox
from roost.protocols.memberlist.members import Member, MemberTable, address_text
from roost.protocols.memberlist.messages import Alive, Dead, NodeState, PushPull, Status, Suspect, Versions
from roost.protocols.memberlist.profile import Profile
from roost.protocols.memberlist.ring import ProbeRing
from roost.protocols.memberlist.suspicion import Suspicion

__all__ = ["Rules"]

_HIGHEST_INCARNATION: Final = 0xFFFF_FFFF


class Rules:
    """Applies messages to the member table and keeps the suspicions. Times are seconds."""

    def __init__(
        self,
        *,
        profile: Profile,
        table: MemberTable,
        ring: ProbeRing,
        queue: BroadcastQueue,
        awareness: Awareness,
        outbox: Outbox,
    ) -> None:
        self._profile = profile
        self._table = table
        self._ring = ring
        self._queue = queue
        self._awareness = awareness
        self._outbox = outbox
        self._suspicions: dict[str, Suspicion] = {}
        self._isolated = False

    def alive(self, message: Alive, now: float, source: Endpoint | None = None) -> None:
        """Take word of a living member; `source` is who brought it, for faults."""
        if not _valid(message.versions):
            self._outbox.fault("bad-versions", f"{message.node} claims {message.versions}", source)
            return
        if not message.port:  # protocol version 1 does not name it
            message = replace(message, port=self._table.me.endpoint.port)
        endpoint = Endpoint(address_text(message.address), message.port)
        known = self._table.get(message.node)
        if known is self._table.me:
            self._alive_about_me(message, endpoint, source)
        elif known is None:
            self._alive_about_stranger(message, endpoint, now, source)
        elif endpoint != known.endpoint:
            self._alive_elsewhere(message, endpoint, known, now, source)
        elif message.incarnation > known.incarnation:
            self._adopt(message, endpoint, known, now)

    def suspect(self, message: Suspect, now: float, reason: str = "") -> None:
        """Take an accusation; `reason` is what this node has seen itself."""
        known = self._table.get(message.node)
        if known is None or message.incarnation < known.incarnation:
            return
        suspicion = self._suspicions.get(message.node)
        if suspicion is not None:
            self._confirm(suspicion, message, now, reason)
        elif known.status is not Status.ALIVE:
            return
        elif known is self._table.me:
            self._refute(message.incarnation)
        else:
            self._begin_suspicion(message, now, reason)

    def dead(self, message: Dead, now: float, evidence: str = "") -> None:
        """Take a verdict; it needs no suspicion before it and is believed until refuted."""
        known = self._table.get(message.node)
        if known is None or message.incarnation < known.incarnation:
            return
        self._suspicions.pop(message.node, None)
        if not known.live:
            if known.status is Status.DEAD and message.sender == message.node:
                self._correct_to_left(message, now)
            return
        if known is self._table.me:
            self._refute(message.incarnation)
            self._report("accused", self._table.me, f"declared dead by {message.sender}", message.sender)
        elif message.sender == message.node:
            self._bury(message, Status.LEFT, now, "left by itself")
        else:
            self._bury(message, Status.DEAD, now, evidence or f"declared dead by {message.sender}")

    def merge(self, state: PushPull, now: float, source: Endpoint, *, behind: bool = False) -> None:
        """Take the state of another member. What it holds for dead is only suspect here: it may be behind.

        Unless it is this node that is `behind`, which did not run for a while and has asked since. One that
        holds all others for dead, and is heard now, was cut off itself: it says nothing about them.
        """
        accused = sum(node.status in (Status.SUSPECT, Status.DEAD) for node in state.nodes)
        alone = accused > 1 and sum(node.status is Status.ALIVE for node in state.nodes) == 1
        for node in state.nodes:
            if not alone or node.status in (Status.ALIVE, Status.LEFT):
                self._merge(node, now, source, behind=behind)
            elif node.name == self._table.me.name and self._table.me.live:
                self._refute(node.incarnation)  # without that it would never take this node back

    def vouch(self, name: str, seconds: float, why: str, now: float) -> None:
        """Let a suspicion wait: the suspect is heard outside of gossip, which `why` says for people."""
        if suspicion := self._suspicions.get(name):
            suspicion.vouch(why, now + seconds)
            self._table.change(name, evidence=suspicion.evidence)

    def isolate(self, *, isolated: bool) -> None:
        """Keep what this node finds of others to itself while it is the one that is cut off."""
        self._isolated = isolated
        if isolated:
            self._queue.keep_only(self._table.me.name)

    def leave(self, now: float) -> None:
        """Tell everybody that this node goes."""
        me = self._table.me
        if me.live:
            self._bury(Dead(me.incarnation, me.name, me.name), Status.LEFT, now, "left by itself")

    def set_meta(self, meta: bytes) -> None:
        """Give this node other metadata and tell everybody."""
        incarnation = min(self._table.me.incarnation + 1, _HIGHEST_INCARNATION)
        me = self._table.change(self._table.me.name, meta=meta, incarnation=incarnation)
        self._queue.put(me.name, encode_message(me.as_alive()))
        self._report("update", me, "metadata changed")

    def next_due(self) -> float | None:
        """Return when the first suspicion runs out."""
        if not self._suspicions:
            return None
        return min(suspicion.deadline for suspicion in self._suspicions.values())

    def wake(self, now: float) -> None:
        """Declare the suspects dead whose time is over."""
        if not self._suspicions:
            return
        over = [name for name, suspicion in self._suspicions.items() if suspicion.deadline <= now]
        for name in over:
            self._time_over(name, now)

    def postpone(self, seconds: float) -> None:
        """Give every suspect more time: this node was not there to hear refutations."""
        for suspicion in self._suspicions.values():
            suspicion.extend(seconds)

    def _alive_about_me(self, message: Alive, endpoint: Endpoint, source: Endpoint | None) -> None:
        me = self._table.me
        if not me.live:
            return  # having left, this node must not be talked back in
        if endpoint != me.endpoint:
            self._outbox.put_losable(NameTaken(endpoint, message.meta))
            self._conflict(me, endpoint, source)
            return
        same = message.meta == me.meta and message.versions == me.versions
        if message.incarnation > me.incarnation or (message.incarnation == me.incarnation and not same):
            self._refute(message.incarnation)

    def _alive_about_stranger(
        self, message: Alive, endpoint: Endpoint, now: float, source: Endpoint | None
    ) -> None:
        if not message.incarnation:
            return  # as if it were known and dead at 0
        if self._table.full:
            self._outbox.fault("too-many-members", f"no room for {message.node}", source)
            return
        self._adopt(message, endpoint, None, now)
        self._ring.add(message.node)

    def _alive_elsewhere(
        self, message: Alive, endpoint: Endpoint, known: Member, now: float, source: Endpoint | None
    ) -> None:
        reclaim = self._profile.dead_node_reclaim_time
        expired = known.status is Status.DEAD and reclaim > 0 and now - known.since > reclaim
        if known.status is Status.LEFT or expired:
            self._adopt(message, endpoint, known, now)
        else:
            self._conflict(known, endpoint, source)

    def _adopt(self, message: Alive, endpoint: Endpoint, known: Member | None, now: float) -> None:
        self._suspicions.pop(message.node, None)
        self._queue.put(message.node, encode_message(message))
        was = known.status if known else Status.DEAD
        evidence = f"alive at {endpoint} with incarnation {message.incarnation}"
        if known is not None and was is Status.ALIVE:
            since, evidence = known.since, known.evidence
        else:
            since = now
        member = Member(
            name=message.node,
            endpoint=endpoint,
            meta=message.meta,
            incarnation=message.incarnation,
            status=Status.ALIVE,
            since=since,
            versions=message.versions,
            evidence=evidence,
            address=message.address,
        )
        self._table.put(member)
        if known is None or not known.live:
            self._report("join", member, evidence)
            return
        if was is Status.SUSPECT:
            self._report("alive", member, f"refuted with incarnation {member.incarnation}")
        if known.meta != member.meta:
            self._report("update", member, "metadata changed")

    def _confirm(self, suspicion: Suspicion, message: Suspect, now: float, reason: str) -> None:
        suspicion.reason = suspicion.reason or reason
        if not suspicion.confirm(message.sender):
            return
        self._pass_on(message)
        if suspicion.deadline <= now:
            self._time_over(message.node, now)

    def _pass_on(self, message: Suspect | Dead) -> None:
        """Queue what is held against a member, unless it may be the fault of this node's own link."""
        if not self._isolated:
            self._queue.put(message.node, encode_message(message))

    def _begin_suspicion(self, message: Suspect, now: float, reason: str) -> None:
        suspicion = Suspicion.begin(
            self._profile, self._table.live(), message.sender, started=now, reason=reason
        )
        self._suspicions[message.node] = suspicion
        self._pass_on(message)
        member = self._table.change(
            message.node,
            incarnation=message.incarnation,
            status=Status.SUSPECT,
            since=now,
            evidence=suspicion.evidence,
        )
        self._report("suspect", member, suspicion.evidence)

    def _time_over(self, name: str, now: float) -> None:
        suspicion, member = self._suspicions[name], self._table.view[name]
        evidence = f"{suspicion.evidence}; not refuted within {now - suspicion.started:.3g} s"
        self.dead(Dead(member.incarnation, name, self._table.me.name), now, evidence)

    def _bury(self, message: Dead, status: Status, now: float, evidence: str) -> None:
        self._pass_on(message)
        member = self._table.change(
            message.node, incarnation=message.incarnation, status=status, since=now, evidence=evidence
        )
        if self._table.others > 1 and self._table.live() == 1:  # this node is the one cut off, most likely
            self._queue.keep_only(self._table.me.name)
        self._report("leave" if status is Status.LEFT else "dead", member, evidence)

    def _correct_to_left(self, message: Dead, now: float) -> None:
        """Learn late that a member which was called dead had left by itself: nobody has to look for it."""
        member = self._table.change(
            message.node,
            incarnation=message.incarnation,
            status=Status.LEFT,
            since=now,
            evidence="left by itself",
        )
        self._report("leave", member, member.evidence)

    def _refute(self, accused: int) -> None:
        """Outbid what was said about this node at incarnation `accused`: perhaps it answers slowly."""
        incarnation = min(max(self._table.me.incarnation, accused) + 1, _HIGHEST_INCARNATION)
        me = self._table.change(self._table.me.name, incarnation=incarnation)
        self._awareness.apply(1)
        self._outbox.counters["refutations"] += 1
        self._queue.put(me.name, encode_message(me.as_alive()))

    def _merge(self, node: NodeState, now: float, source: Endpoint, *, behind: bool) -> None:
        if node.status is Status.ALIVE:
            alive = Alive(node.incarnation, node.name, node.address, node.port, node.meta, node.versions)
            self.alive(alive, now, source)
        elif node.status is Status.LEFT:
            self.dead(Dead(node.incarnation, node.name, node.name), now)
        else:
            by, me = self._name_at(source), self._table.me
            reason = f"{node.status.name.lower()} in the state of {by or source.host}"
            if behind and node.status is Status.DEAD and node.name != me.name:
                self.dead(Dead(node.incarnation, node.name, by or me.name), now, reason)
            else:
                self.suspect(Suspect(node.incarnation, node.name, me.name), now, reason)
            if node.status is Status.DEAD and self._table.me.incarnation != me.incarnation:
                self._report("accused", self._table.me, reason, by)

    def _conflict(self, known: Member, endpoint: Endpoint, source: Endpoint | None) -> None:
        detail = f"{known.name} is {known.status.name.lower()} at {known.endpoint} and claimed at {endpoint}"
        self._outbox.fault("name-conflict", detail, source)

    def _name_at(self, endpoint: Endpoint) -> str:
        return next(
            (name for name, each in self._table.view.items() if each.endpoint.host == endpoint.host), ""
        )

    def _report(self, kind: Change, member: Member, evidence: str, by: str = "") -> None:
        self._outbox.counters[f"member_{kind}"] += 1
        self._outbox.put(MemberChanged(kind, member, evidence, by))


def _valid(versions: Versions) -> bool:
    return 0 < versions.pmin <= versions.pmax

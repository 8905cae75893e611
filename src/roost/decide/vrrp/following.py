"""What follows from the states of virtual routers here: addresses come and go as with any other leader."""

import math
from dataclasses import dataclass
from typing import Final

from roost.decide.effects import Announce
from roost.decide.leading import Leading
from roost.decide.publishing import Publishing
from roost.decide.state import State
from roost.decide.vrrp.judging import Received
from roost.decide.vrrp.part import Peer
from roost.decide.vrrp.routers import Facts
from roost.model.address import IPAddress
from roost.model.election import Move
from roost.model.event import Happening, Level
from roost.model.service import Service
from roost.protocols.machine import soonest

__all__ = ["Following"]

_REFRESH: Final = 1.0  # seconds
_REFRESHED: Final = 10  # addresses at a time
_ADVERT_COMES: Final = 1.0  # seconds: a new master's advert comes by another socket than its claim
_DOUBTED: Final = 64  # claims at a time


@dataclass(frozen=True, slots=True)
class _Claim:
    """Where an address was claimed, by which peer if any, and until when an advert may explain it."""

    interface: str
    peer: str | None
    due: float


class Following:
    """Drives `state.routers` and hands on what they decide."""

    def __init__(self, state: State, leading: Leading, publishing: Publishing) -> None:
        self._state = state
        self._leading = leading
        self._publishing = publishing
        self._refresh_at = math.inf
        self._round: list[IPAddress] = []
        self._wakes: float | None = None
        self._doubted: dict[tuple[IPAddress, bytes], _Claim] = {}  # the oldest first

    def start(self, now: float) -> None:
        """Take part from now on."""
        self._state.routers.run(now)
        self.look(now)

    def take_services(self, now: float) -> None:
        """Take the services that are wanted now."""
        state = self._state
        services = (each for each in state.desired.services if each.vrrp and each.name not in state.refused)
        state.routers.take_services([each for each in services if self._may_lead(each)], now)

    def look(self, now: float) -> None:
        """Take what has changed about this node: links, checks, what the host holds, wishes."""
        state = self._state
        standing = "it leaves" if state.leaving else ""
        if state.drain.draining:
            standing = standing or "it is drained"
        refused = state.delivery.refused
        awaited = state.plan.local - state.delivery.ready - refused.keys()
        fitness = {part.service.name: state.tracking.own(part.service.name) for part in state.routers.parts}
        before = dict(state.routers.announcements)
        facts = Facts(state.announcing_links, fitness, refused, awaited, standing)
        state.routers.take(facts, now)
        if state.routers.announcements != before:
            state.plan.take_moves(part.service.name for part in state.routers.parts)
            self._publishing.reconsider(state.routers.announcements.keys() | before.keys(), now)
        self._follow(now)

    def hear(self, received: Received, now: float) -> None:
        """Take a packet of protocol 112."""
        self._state.routers.hear(received, now)
        self._follow(now)

    def wake(self, now: float) -> None:
        """Do what is due."""
        due = self.next_wake()
        if due is None or now < due:
            return
        self._state.routers.wake(now)
        self._follow(now)
        self._refresh(now)
        self._tell_doubted(now)

    def next_wake(self) -> float | None:
        """When `wake` is wanted next."""
        refresh = self._refresh_at if self._refresh_at < math.inf else None
        return soonest((self._wakes, refresh, *[each.due for each in self._doubted.values()][:1]))

    def claimed(self, address: IPAddress, mac: bytes, interface: str, peer: str | None, now: float) -> None:
        """Hear that another machine has an address: adverts decide who keeps it; clients have heard it."""
        state = self._state
        if address in state.handover.held:
            if state.handover.claimed(address):
                to = peer or mac.hex(":")
                state.outbox.happened(
                    Happening.HANDED_OVER, "handed over", address, to=to, interface=interface
                )
                self._publishing.reconsider([address], now)
            return
        if address not in state.answers.now or mac == state.routers.announcements[address].mac:
            return
        if not self._is_router(address, mac) and len(self._doubted) < _DOUBTED:
            self._doubted.setdefault((address, mac), _Claim(interface, peer, now + _ADVERT_COMES))
        state.announcing.defend(address, now)

    def _tell_doubted(self, now: float) -> None:
        """Tell who has claimed an address, and has shown by no advert since that it may."""
        for (address, mac), claim in list(self._doubted.items()):
            if claim.due > now:
                return
            del self._doubted[address, mac]
            if address in self._state.answers.now and not self._is_router(address, mac):
                alarm = self._state.announcing.note(address, mac, claim.interface, claim.peer, now)
                text = "an address that this node answers for is claimed by a machine without adverts for it"
                facts = {"mac": mac.hex(":"), "interface": claim.interface, "count": alarm.count}
                self._state.outbox.happened(Happening.CLAIMED, text, address, Level.WARNING, **facts)

    def _may_lead(self, service: Service) -> bool:
        """Tell whether the source lets this node take part."""
        labels = self._state.settings.labels
        return any(each.covers(self._state.me, labels) for each in service.advertisements)

    def _is_router(self, address: IPAddress, mac: bytes) -> bool:
        parts = (part for part in self._state.routers.parts if address in part.addresses)
        return any(peer.mac == mac for part in parts for peer in part.peers.values())

    def _follow(self, now: float) -> None:
        state, routers = self._state, self._state.routers
        state.outbox.extend(routers.effects())  # first of all: peers wait for adverts
        for event in routers.events:
            state.outbox.say(event)
        routers.events.clear()
        masters = routers.masters(state.me, self._name, now)
        for move in state.election.follow_masters(masters):
            self._leading.take_moves([move], self._why(move), now)
        if again := routers.again & state.answers.now.keys():
            self._publishing.announce(again, now)
            self._publishing.doubt_connections(again)
        routers.again.clear()
        self._wakes = routers.next_wake(now)
        if self._refresh_at == math.inf and not routers.announcements.keys().isdisjoint(state.answers.now):
            self._refresh_at = now + _REFRESH

    def _refresh(self, now: float) -> None:
        """Say again where some of the addresses are.

        When a split ends, the worse of two masters may give way before the better one has heard it. Nothing
        tells the better one then that clients follow the other.
        """
        if now < self._refresh_at:
            return
        led = self._state.routers.announcements.keys() & self._state.answers.now.keys()
        self._refresh_at = now + _REFRESH if led else math.inf
        self._round = [each for each in self._round if each in led] or sorted(led, key=int)
        some, self._round = self._round[:_REFRESHED], self._round[_REFRESHED:]
        if some := [each for each in some if self._state.budget.take(now)]:
            self._state.outbox.put(Announce(tuple(some), sparing=True))

    def _why(self, move: Move) -> str:
        if move.new_leader in (None, self._state.me):
            return self._state.routers.why(move.service)
        return f"{move.new_leader} advertises that it leads"

    def _name(self, peer: Peer) -> str:
        return self._state.machine_at(peer.source, peer.mac)

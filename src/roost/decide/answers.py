"""Why is this address answered here, or not: the one place that decides it.

    led, or stood in for, or held for a successor
        and not: cut off, yielded to a holder, still asked for, not to be had by this host, not yet passed on

Everything else in this package finds out one of these facts; how an answer leaves is another package's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from roost.decide.asking import Asking
from roost.decide.delivery import Delivered
from roost.decide.forwarding.sides import wrong_sides
from roost.decide.handover import Handover
from roost.decide.plan import Plan
from roost.decide.readiness import Readiness
from roost.decide.succession import Succession
from roost.decide.yielding import Yielding
from roost.model.address import IPAddress, canonical, in_order
from roost.model.announcement import Announcement
from roost.model.link import Link

__all__ = ["Answers", "Stance"]


@dataclass(frozen=True, slots=True)
class Stance:
    """What this node does about one address: `announcement` if it answers, and one clause on why."""

    announcement: Announcement | None
    why: str


class Answers:
    """What is answered now; `consider` looks at some addresses anew."""

    def __init__(
        self,
        *,
        plan: Plan,
        succession: Succession,
        handover: Handover,
        yielding: Yielding,
        asking: Asking,
        delivered: Delivered,
        readiness: Readiness,
        links: Callable[[], Sequence[Link]],
        me: str = "",
    ) -> None:
        self.now: dict[IPAddress, Announcement] = {}
        self.only: frozenset[IPAddress] | None = None  # what a node that hears nobody goes on with
        self._me = me
        self._plan = plan
        self._succession = succession
        self._handover = handover
        self._yielding = yielding
        self._asking = asking
        self._delivered = delivered
        self._readiness = readiness
        self._links = links

    def wanted(self) -> set[IPAddress]:
        """Return what this node would answer for if nothing spoke against it."""
        return {*self._plan.leading, *self._succession.stood_in, *self._handover.held}

    def takes_over(self, address: IPAddress) -> bool:
        """Tell whether this node may begin to answer for `address`: one that hears nobody may not.

        With VRRP it is just who hears nobody that takes over.
        """
        return self.only is None or address in self.only or address in self._plan.virtual

    def consider(self, addresses: set[IPAddress] | None = None) -> bool:
        """Look at `addresses` anew (None: at all); tells whether anything is answered otherwise now."""
        changed = False
        for address in in_order((self.wanted() | self.now.keys()) if addresses is None else addresses):
            announcement = self.stance(address).announcement
            if announcement != self.now.get(address):
                changed = True
                if announcement is None:
                    del self.now[address]
                else:
                    self.now[address] = announcement
        return changed

    def stance(self, address: IPAddress) -> Stance:
        """Return whether `address` is answered, and why."""
        leads = address in self._plan.leading
        instead = self._succession.instead_of(address)
        if not leads and instead is None:
            return self._held(address)
        announcement = self._plan.leading[address] if leads else Announcement()
        if forward := self._plan.forwarded.get(address):
            announcement = replace(
                announcement, beside=wrong_sides(address, forward, announcement, self._links())
            )
        if held_on := self._yielding.links_of(address):
            announcement = replace(announcement, without=held_on)
        if announcement.share is not None and self.only is not None and address in self.now:
            announcement = replace(announcement, share=self.now[address].share)  # takes over nothing
        if obstacle := self._obstacle(address, announcement):
            return Stance(None, obstacle)
        if announcement.without:
            where = ", ".join(sorted(announcement.without))
            return Stance(announcement, f"left to another that is heard on {where} alone, answered elsewhere")
        if announcement.share is not None:
            return Stance(announcement, self._sharing(address))
        if leads:
            return Stance(announcement, "this node leads it")
        return Stance(announcement, f"{instead} leads it and is not heard: this node stands in")

    def _sharing(self, address: IPAddress) -> str:
        """Return with whom this node shares an address, and for whom it stands in."""
        shares, lead = self._plan.shares, self._plan.lead(address)
        others = sorted(shares.table(lead).there - {self._me})
        if not others:
            return "this node answers everybody: nobody else shares it now"
        mute = sorted(shares.mute(address))
        instead = f", and stands in for {', '.join(mute)}" if mute else ""
        return f"this node shares it with {', '.join(others)}{instead}"

    def _held(self, address: IPAddress) -> Stance:
        if address in self._handover.held and address in self.now:
            return Stance(self.now[address], "held until its new leader is heard")
        lead = self._plan.lead(address)
        if lead.sharers:
            return Stance(None, f"{', '.join(lead.sharers)} answer for it")
        return Stance(None, f"{lead.node} leads it" if lead.node else lead.why)

    def _obstacle(self, address: IPAddress, announcement: Announcement) -> str:
        """Return what keeps this node from answering for what it leads, or ""."""
        if not self.takes_over(address):
            return "this node hears nobody and takes over nothing"
        holder = self._yielding.holder(address)
        elsewhere = any(announcement.allows(link.name) for link in self._links())
        if holder is not None and (holder.links is None or not elsewhere):
            return f"left to {holder.name}, which answers for it on the LAN"
        if address in self._asking.open:
            return "the LAN is asked first whether anybody else answers for it"
        if self._plan.is_delivered(address) and address not in self._delivered.ready:
            return self._delivered.refused.get(address, f"{canonical(address)} is not on this host yet")
        if address not in self.now and address in self._readiness.awaited:
            return "this node's proxy does not pass its traffic on yet"
        return ""

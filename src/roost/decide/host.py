"""What follows from what this host has: its links, and the addresses that it terminates."""

from collections.abc import Iterable, Mapping

from roost.decide.absence import Absence
from roost.decide.doubts import Doubts
from roost.decide.effects import Isolate, Open
from roost.decide.leading import Leading
from roost.decide.publishing import Publishing
from roost.decide.spreading.spreading import Spreading
from roost.decide.standing.isolation import has_carrier
from roost.decide.standing.own_word import OwnWord
from roost.decide.state import State
from roost.decide.vrrp.following import Following
from roost.model.address import IPAddress
from roost.model.link import Link, why_silent

__all__ = ["Host"]


class Host:
    """Follows the host."""

    def __init__(
        self,
        state: State,
        *,
        leading: Leading,
        doubts: Doubts,
        publishing: Publishing,
        own_word: OwnWord,
        absence: Absence,
        virtual: Following,
        spreading: Spreading,
    ) -> None:
        self._state = state
        self._leading = leading
        self._doubts = doubts
        self._publishing = publishing
        self._own_word = own_word
        self._absence = absence
        self._virtual = virtual
        self._spreading = spreading

    def set_links(self, links: tuple[Link, ...], now: float) -> None:
        """Take all links."""
        state = self._state
        state.links = links
        able = (
            link for link in links if not link.loopback and not why_silent(link, state.settings.interfaces)
        )
        before = state.announcing_links
        state.announcing_links = tuple(sorted(able, key=lambda link: link.index))
        if state.announcing_links != before:
            state.roles.doubt_all()
            self._own_word.describe(now)  # first: opening takes a while, and peers ask at the old address
            state.outbox.put(Open(state.announcing_links))
        plugged_again = state.isolation.plug(now, carrier=has_carrier(links, state.settings.bind))
        if state.isolation.unplugged:
            state.outbox.put(Isolate(isolated=True))
        if plugged_again:  # first of all: what it may lead now it asks for
            self._absence.plugged_again(now)
        self._leading.refresh(now)
        self._virtual.look(now)
        if state.announcing_links != before and state.plan.forwarded:
            self._publishing.reconsider(state.plan.forwarded, now)  # another link may be the right side
        if _facts(state.announcing_links) - _facts(before) and state.answers.now:
            self._publishing.announce(list(state.answers.now), now)

    def delivered(self, ready: frozenset[IPAddress], refused: Mapping[IPAddress, str], now: float) -> None:
        """Take which addresses are terminated here, and why it cannot have others."""
        delivery = self._state.delivery
        changed = (ready ^ delivery.ready) | (refused.keys() ^ delivery.refused.keys())
        able_again = ready & delivery.refused.keys()
        delivery.ready, delivery.refused = ready, dict(refused)
        self._publishing.reconsider(changed, now)
        self._state.roles.doubt_addresses(changed)
        if self._own_word.note_inability(now):
            self._leading.refresh(now)
        self._doubts.await_again(able_again, now)
        self._virtual.look(now)
        self._spreading.look_again(now)


def _facts(links: Iterable[Link]) -> set[tuple[int, str, bytes]]:
    """Return what makes a link another one for those who are to be told where an address is."""
    return {(link.index, link.name, link.mac) for link in links}

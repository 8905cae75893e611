"""Claims of other machines for what this node answers for: carried out as `contention` rules."""

from itertools import takewhile
from typing import Final

from roost.decide import census
from roost.decide.claims import claimant
from roost.decide.contention import AGAIN, INSISTS, Contender, Disputes, reason_to_yield
from roost.decide.doubts import Doubts
from roost.decide.effects import Ask
from roost.decide.leading import Leading
from roost.decide.publishing import Publishing
from roost.decide.sharing.sharers import Sharers
from roost.decide.state import State
from roost.model.address import IPAddress
from roost.model.event import Happening, Level
from roost.model.node import Verdict
from roost.model.ranking import Ranking
from roost.protocols.bounded import remember

__all__ = ["Conflicts"]

_LOOK_AGAIN: Final = 0.22  # seconds after a claim of a peer: by then gossip has settled it, or will not
_CHALLENGE: Final = 0.05  # seconds between two questions for one address: claims come in bursts
_CHALLENGES: Final = 4096  # addresses remembered
_LEAVES: Final = 3.0  # seconds in which a node that leaves may still claim what it hands over
_JITTER: Final = 0.4  # seconds: two that have yielded to each other come back one after the other


class Conflicts:
    """Settles who answers, one claim at a time."""

    def __init__(
        self, state: State, leading: Leading, publishing: Publishing, sharers: Sharers, doubts: Doubts
    ) -> None:
        self._state = state
        self._leading = leading
        self._publishing = publishing
        self._sharers = sharers
        self._doubts = doubts
        self._disputes = Disputes()
        self._challenged: dict[IPAddress, float] = {}  # -> when it may be asked for again

    def claimed(self, address: IPAddress, mac: bytes, interface: str, *, direct: bool, now: float) -> None:
        """Hear that another machine says that `address` is at `mac`, `direct` as the answer to a question."""
        peer = self._state.address_book.name_of(mac) or self._state.foreign_leader(address)
        if address in self._state.plan.shared and self._is_settled(address, peer, now, direct=direct):
            return
        if not direct and not self._hears(peer, now):
            self._challenge(address, mac, interface, peer, now)
            return
        if self._state.yielding.refresh(address, mac, peer, now, interface):
            self._publishing.reconsider(self._state.yielding.moved(), now)
            return
        if peer is not None and self._state.handover.claimed(address):
            self._state.outbox.happened(
                Happening.HANDED_OVER, "handed over", address, to=peer, interface=interface
            )
            self._publishing.reconsider([address], now)
            self._doubts.passed(address, peer, now)
        elif address in self._state.plan.leading or self._state.succession.instead_of(address):
            self._contend(address, mac, interface, peer, now)
        elif direct or not self._is_out_of_turn(address, peer):
            self._state.succession.heard(address)
            self._doubts.note_answerer(address, peer, now)

    def _is_out_of_turn(self, address: IPAddress, peer: str | None) -> bool:
        """Tell whether `peer` claims what this node would stand in for before it.

        It may give that up at once, as soon as it hears who is there: the question that is due will show.
        """
        if not self._state.succession.awaits(address):
            return False
        lead = self._state.plan.lead(address)
        return peer not in (lead.node, *takewhile(lambda name: name != self._state.me, lead.standbys))

    def _is_settled(self, address: IPAddress, peer: str | None, now: float, *, direct: bool) -> bool:
        """Take a claim for a shared address; tells whether nothing follows: who shares it may answer."""
        holder = self._state.yielding.holder(address)
        if holder is not None and peer == holder.peer and direct:
            self._state.yielding.refresh(address, holder.mac, peer, now)
            return True
        if peer is not None and direct:
            self._state.asking.heard(address)
            self._state.handover.answered(address)
            self._sharers.heard(address, peer, now)
            self._doubts.note_sharer(address, peer, now)
        return peer is not None

    def _defend(self, address: IPAddress, now: float, *, against_peer: bool = False) -> None:
        """Tell everybody again where an address is; of a shared one, only this node's own clients."""
        how = self._state.answers.now[address]
        if how.share is None:
            self._state.announcing.defend(address, now, against_peer=against_peer)
        elif self._state.announcing.may_defend(address, now):
            self._publishing.announce([address], now)

    def _contend(self, address: IPAddress, mac: bytes, interface: str, peer: str | None, now: float) -> None:
        """Decide about a claim for an address that this node leads, or answers in place of its leader."""
        self._state.asking.heard(address)
        ranking = self._state.election.ranking_of(address)
        instead = self._state.succession.instead_of(address)
        if instead is not None and self._is_better(peer, instead, ranking):
            self._state.succession.heard_leader(address)
            self._state.outbox.happened(Happening.HANDED_OVER, "its leader is heard again", address, to=peer)
            self._doubts.note_answerer(address, peer, now)  # another stand-in may end, too
            self._publishing.reconsider([address], now)
            return
        namesakes = self._state.namesakes
        leaves = self._leaves(peer, now)
        goes_on = (
            0.0 if leaves or self._holds_for_this_node(address) else self._disputes.lasts(address, mac, now)
        )
        contender = Contender(
            peer,
            namesake=peer is None and namesakes.are_at(mac, now),
            ahead=all(mac < link.mac for link in self._state.announcing_links),
            lost=peer is not None and not leaves and self._state.is_out_of_reach(peer),
            grip=self._state.tenures.grips.get(address),
            informed=peer in census.informed(self._state.members, self._state.me),
            goes_on=goes_on >= AGAIN,
            insists=goes_on >= INSISTS,
        )
        why = reason_to_yield(
            self._state.me,
            contender,
            ranking,
            address,
            answers=address in self._state.answers.now,
            gossiped=not self._state.never_gossiped,
            blind=self._state.standing.blind,
            doubled=bool(namesakes.known(now)),
            yields=address in self._state.yielding.addresses,
            stays=self._stays(address, peer),
        )
        if contender.lost:
            self._state.patrol.hurry(now)
        if why:
            self._yield(address, mac, peer, why, now, link=interface)
        elif address in self._state.answers.now:
            if peer is None or contender.goes_on:
                self._note_claim(address, mac, interface, peer, now)
            self._defend(address, now, against_peer=peer is not None)
            if peer is not None:
                self._publishing.doubt_connections([address])
                self._state.patrol.look_again(address, now, _LOOK_AGAIN)

    def _challenge(
        self, address: IPAddress, mac: bytes, interface: str, peer: str | None, now: float
    ) -> None:
        """Ask for an address that somebody claims: who cannot hear questions must not have it."""
        if peer is None and address in self._state.answers.now:
            self._note_claim(address, mac, interface, None, now)
        if address not in self._state.answers.wanted():
            self._doubts.note_answerer(address, peer, now)  # its leader is not to be judged by that one
            return
        if now < self._challenged.get(address, now):
            return
        remember(self._challenged, address, now + _CHALLENGE, _CHALLENGES)
        if self._state.budget.take(now, urgent=True):
            self._state.outbox.put(Ask((address,)))
        if address in self._state.answers.now and address not in self._state.handover.held:
            self._defend(address, now)  # clients have heard the claim, too

    def _leaves(self, peer: str | None, now: float) -> bool:
        """Tell whether `peer` has just said that it leaves: its claims end by themselves."""
        told = (each.since for each in self._state.members if each.name == peer)
        return self._state.verdict(peer) is Verdict.LEAVING and now - next(told, now) < _LEAVES

    def _holds_for_this_node(self, address: IPAddress) -> bool:
        """Tell whether a claim ends by itself: its sender leads no more, and waits for this node's claim.

        What answered the questions of a starting node has not heard yet that it is back.
        """
        return address in self._state.readiness.awaited or not self._state.settling.settled

    def _stays(self, address: IPAddress, peer: str | None) -> bool:
        """Tell whether the lead of `address` is to stay with `peer`, which does not wait for this node."""
        stays = any(ranking.service.stays for ranking in self._state.election.rankings_of(address))
        waits = address in self._state.readiness.awaited
        return stays and peer is not None and self._state.would_lead(peer) and not waits

    def _is_better(self, peer: str | None, instead: str, ranking: Ranking | None) -> bool:
        """Tell whether `peer` has more right to an address than this node, that stands in for `instead`."""
        if peer is None or self._state.is_lost(peer):
            return False
        return peer == instead or (ranking is not None and ranking.is_before(peer, self._state.me))

    def _yield(
        self, address: IPAddress, mac: bytes, peer: str | None, why: str, now: float, *, link: str
    ) -> None:
        if peer is not None:
            self._state.tenures.concede(address, peer)
        extra = self._state.random.random() * _JITTER if peer is None else 0.0
        self._state.asking.end([address])
        self._leading.suspected.pop(address, None)
        # Gossip sees an active peer, or a namesake, and has not settled it: it is not taken back at once.
        doubled = bool(self._state.namesakes.known(now))
        for_long = peer is not None and (doubled or not self._state.is_lost(peer))
        if self._state.yielding.heard(address, peer, mac, now, link=link, extra=extra, for_long=for_long):
            text, level = f"yielding an address to {claimant(peer)} {why}", self._level(peer, now)
            self._state.outbox.happened(Happening.YIELDED, text, address, level, peer=peer, mac=mac.hex(":"))
            self._state.rejoining.soon(now)
        self._publishing.reconsider([address], now)

    def _level(self, peer: str | None, now: float) -> Level:
        """Return how much a person has to do with yielding to a stranger (None) or a peer."""
        if not self._state.settling.settled:
            return Level.DEBUG  # a starting node knows nobody yet
        namesake = bool(self._state.namesakes.known(now))
        settled_by_gossip = peer is not None and not self._state.is_lost(peer) and not namesake
        return Level.INFO if settled_by_gossip else Level.WARNING

    def _note_claim(
        self, address: IPAddress, mac: bytes, interface: str, peer: str | None, now: float
    ) -> None:
        alarm = self._state.announcing.note(address, mac, interface, peer, now)
        self._state.outbox.happened(
            Happening.CLAIMED,
            f"an address that this node answers for is claimed by {claimant(peer)}",
            address,
            Level.WARNING,
            mac=mac.hex(":"),
            interface=interface,
            count=alarm.count,
        )

    def _hears(self, peer: str | None, now: float) -> bool:
        """Tell whether the host of `peer` answers questions now."""
        return peer is not None and self._state.watch.evidence(peer, now).kernel

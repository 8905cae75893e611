"""Who leads, and what follows from that here: an address comes, goes, is awaited, or is asked for first."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import takewhile
from typing import Final

from roost.decide import census
from roost.decide.connections.passing_on import PassingOn
from roost.decide.doubts import Doubts
from roost.decide.effects import Deliver, Notice
from roost.decide.publishing import Publishing
from roost.decide.sharing.sharers import Sharers
from roost.decide.spreading.spreading import Spreading
from roost.decide.standing.own_word import OwnWord
from roost.decide.state import State
from roost.decide.told_moves import tell_moves
from roost.model.address import IPAddress, in_order
from roost.model.election import Move
from roost.model.lead import Lead
from roost.model.node import Candidate
from roost.model.ranking import Ranking
from roost.model.sharing import Weights

__all__ = ["ABSENT", "UNPROVEN", "Leading"]

ABSENT: Final = 0.15  # seconds of asking after this process did not run, or this node heard nobody
UNPROVEN: Final = 0.1  # seconds of asking when gossip alone has lost who led
_UNTIL_TOLD: Final = 0.5  # seconds until all who share an address know that one does no more


class Leading:
    """Follows the election."""

    def __init__(
        self,
        state: State,
        publishing: Publishing,
        own_word: OwnWord,
        passing_on: PassingOn,
        sharers: Sharers,
        *,
        doubts: Doubts,
        spreading: Spreading,
    ) -> None:
        self.suspected: dict[IPAddress, frozenset[str]] = {}  # asked for since gossip alone lost these
        self.absent = ABSENT  # seconds of asking that the last absence takes
        self._state = state
        self._publishing = publishing
        self._own_word = own_word
        self._passing_on = passing_on
        self._sharers = sharers
        self._doubts = doubts
        self._spreading = spreading
        self._shared: dict[IPAddress, tuple[tuple[str, ...], Weights]] = {}  # who shared it, and how
        self.leaders: dict[IPAddress, str | None] = {}  # as they were when last looked at

    def refresh(self, now: float) -> None:
        """Work out anew who can lead; first of all what changes in the answers: clients wait for that."""
        self._state.watch.meet(self._state.announcing_links, self._state.members)
        before = dict(self._state.election.candidates)
        known = census.Census(
            self._state.me,
            tuple(link.name for link in self._state.announcing_links),
            self._state.desired.nodes,
            assumed=self._state.settings.bind is None,
            leaving=self._state.leaving,
            unable=self._state.inability.by_node,
        )
        tracking = self._state.tracking
        tracking.presume(each.name for each in self._state.members if each.is_roost and each.metadata.unfit)
        moves = self._state.election.update_candidates(
            known.candidates(self._state.members),
            tracking.news(),
            self._state.tenures.holders if self._state.keeps_leads else None,
        )
        self.take_moves(moves, "", now, before)
        peers = census.peers(self._state.members, self._state.me)
        self._state.outbox.extend(
            self._state.clients.follow(
                self._state.plan.leading, self._state.plan.passed_on, peers, self._state.announcing_links, now
            )
        )
        self._doubts.follow(before, now)
        self._passing_on.follow(now)
        self._spreading.look_again(now)
        self._own_word.describe(now)
        self._state.tenures.look_again = True

    def take_moves(
        self, moves: Sequence[Move], why: str, now: float, before: Mapping[str, Candidate] | None = None
    ) -> None:
        """Follow what has moved; `why` is for people, or `before` the candidates as they were."""
        if self._state.me not in self._state.election.candidates:
            return  # before the first look at the members
        self._sharers.take(moves, now)
        if self._state.election.ranked_anew:
            self._state.roles.doubt_all()
            known = self._state.plan.known
            self._state.plan.take_all(self._state.refused)
            if self._state.plan.known - known:
                self._passing_on.look_back(now)
            if self._state.plan.known != known:
                self._state.clients.table.keep(self._state.plan.known)
                self._state.outbox.put(Notice(self._state.plan.known))
            every = set(self._state.plan.known)
            changed: AbstractSet[IPAddress] = every | self.leaders.keys() | self._state.answers.now.keys()
        else:
            changed = self._state.plan.take_moves(move.service for move in moves)
            self._state.roles.doubt_addresses(changed)
        self.await_proxy(moves, now)
        for address in in_order(changed):
            self._follow_lead(address, now)
        sure = self._witnessed_by_now()
        self._state.yielding.keep(self._state.answers.wanted())
        self._publishing.reconsider({*changed, *sure}, now)
        if self._state.plan.local != self._state.delivery.wanted:
            self._state.delivery.wanted = self._state.plan.local
            self._state.outbox.put(Deliver(self._state.plan.local))
        self._inherit(moves)
        tell_moves(self._state, moves, why, before or {}, now)

    def _inherit(self, moves: Iterable[Move]) -> None:
        """Take note of leads that stay here when their old leader comes back, though it had just started."""
        for move in moves:
            ranking = self._state.election.rankings.get(move.service)
            gone = move.old_leader is not None and not self._state.would_lead(move.old_leader)
            if ranking and ranking.service.stays and self._state.settling.settled:
                address = ranking.service.addresses[0]
                if move.new_leader == self._state.me and gone:
                    self._state.tenures.inherited.add(address)
                else:
                    self._state.tenures.inherited.discard(address)

    def _follow_lead(self, address: IPAddress, now: float) -> None:
        """Follow who leads one address now."""
        lead = self._state.plan.lead(address)
        before, self.leaders[address] = self.leaders.get(address), None if lead.sharers else lead.node
        if address not in self._state.plan.known:
            del self.leaders[address]
        self._spreading.follow(lead, now)
        if lead.sharers or address in self._shared:
            before = self._follow_sharers(lead, before, now)
        if lead.sharers:
            self._follow_share(address, now)
            return
        if lead.node != before:
            self._passing_on.lead_moved(address, before, now)
        elif address not in self._state.succession.stood_in:
            return
        if address in self._state.plan.virtual:
            self._follow_master(address, lead.node, before, now)
            return
        if lead.node == self._state.me:
            if address in self._state.handover.held and address in self._state.answers.now:
                # Clients may have believed a claim that this node did not, since its sender was failing.
                self._publishing.announce([address], now)
            self._state.handover.let_go([address])
            self._state.succession.forget([address])
            self._ask_before(address, before, now)
            return
        self._state.asking.end([address])
        self.suspected.pop(address, None)
        if lead.node is None or not self._state.announcing_links:
            self._state.handover.let_go([address])
            self._state.succession.forget([address])
            return
        instead = self._state.succession.instead_of(address)
        if address in self._state.answers.now and (
            before == self._state.me or instead not in (None, lead.node)
        ):
            self._state.succession.forget([address])
            self._state.handover.pass_on([address], now)
        self._doubts.await_claim(address, lead.node, lead.standbys, now, new=True)

    def _follow_master(self, address: IPAddress, node: str | None, before: str | None, now: float) -> None:
        """Follow what VRRP has decided: nobody is asked; a master that goes answers until the next one."""
        state = self._state
        if node == state.me:
            state.handover.let_go([address])
        elif node is None and before == state.me and address in state.answers.now:
            state.handover.pass_on([address], now, state.routers.handover_time(address))

    def _follow_sharers(self, lead: Lead, before: str | None, now: float) -> str | None:
        """Follow who shares an address now, after `before` led it; return who led it in effect."""
        address = lead.address
        shared, weights = self._shared.pop(address, ((), ()))
        if not lead.sharers:  # from now on one node leads it
            for name in shared:
                self._passing_on.lead_moved(address, name, now)
            return self._state.me if self._state.me in shared else before
        self._shared[address] = lead.sharers, lead.weights
        if before is not None:
            self._passing_on.lead_moved(address, before, now)
        if (shared, weights) != (lead.sharers, lead.weights):
            self._passing_on.shares_moved(address, shared, lead.sharers, now)
        return before

    def _follow_share(self, address: IPAddress, now: float) -> None:
        """Follow a shared address: this node has a share of it, or has none any more."""
        self._state.succession.forget([address])
        self.suspected.pop(address, None)
        if address in self._state.plan.leading:
            self._state.handover.let_go([address])
            if address not in self._state.answers.now and not self._state.settling.settled:
                self._state.asking.begin([address], now, self._patience)
            return
        self._state.asking.end([address])
        if address in self._state.answers.now and self._state.announcing_links:
            self._state.handover.keep(address, now, _UNTIL_TOLD)
        else:
            self._state.handover.let_go([address])

    def _ask_before(self, address: IPAddress, before: str | None, now: float) -> None:
        """Ask for an address that this node leads now, unless it is sure that nobody answers for it."""
        if address in self._state.answers.now:
            return  # it is answered for still: held, or stood in for
        if not self._state.settling.settled:
            self._state.asking.begin([address], now, self._patience)
        elif self._state.never_gossiped:
            self._state.asking.begin([address], now, ABSENT)
        elif doubtful := self._doubtful(address, before):
            self.suspected[address] = doubtful
            self._state.asking.begin([address], now, UNPROVEN)
        elif (heard := self._doubts.stand_ins.by_address.get(address)) and self._state.is_lost(heard):
            self._state.asking.begin([address], now, UNPROVEN)  # else it would be this node's turn to dispute

    def _doubtful(self, address: IPAddress, before: str | None) -> frozenset[str]:
        """Return the nodes that would lead instead, and that gossip alone has lost: they may still answer."""
        ranking = self._state.election.ranking_of(address)
        places = ranking.places if ranking is not None else ()
        ahead = takewhile(lambda name: name != self._state.me, (place.node for place in places))
        names = {name for name in (before, *ahead) if name not in (None, self._state.me)}
        return frozenset(str(name) for name in names if not self._state.was_witnessed(str(name)))

    def _witnessed_by_now(self) -> list[IPAddress]:
        """Ask no more for addresses whose leader was found gone on the wire meanwhile; return them."""
        sure = [
            address
            for address, names in self.suspected.items()
            if all(self._state.was_witnessed(name) for name in names)
        ]
        for address in sure:
            del self.suspected[address]
        self._state.asking.end(sure)
        return sure

    def await_proxy(self, moves: Iterable[Move], now: float) -> None:
        """Let who led go on answering until this node passes traffic on; after a failure wait for nothing."""
        for move in moves:
            ranking = self._state.election.rankings.get(move.service)
            if ranking and self._begins_here(ranking, move) and self._has_to_wait(ranking, move, now):
                self._state.readiness.expect(ranking.service, move.old_leader, now)
                self._state.asking.begin(ranking.service.addresses, now, ABSENT)
            else:
                self._state.readiness.release(move.service)
        self._publishing.reconsider(self._state.readiness.release_from(self._state.is_lost), now)

    def _begins_here(self, ranking: Ranking, move: Move) -> bool:
        """Tell whether this node takes traffic by a move that it did not take before."""
        if ranking.sharers:
            return self._state.me in move.joined
        return move.old_leader != move.new_leader == self._state.me

    def _has_to_wait(self, ranking: Ranking, move: Move, now: float) -> bool:
        """Tell whether traffic would be lost here that somebody else still takes."""
        addresses = ranking.service.addresses
        lost = move.old_leader is not None and self._state.is_lost(move.old_leader)
        served = not self._state.readiness.has_new_endpoints(ranking.service.name, now) and any(
            self._publishing.answered_of_late(address, now) for address in addresses
        )
        return bool(ranking.service.health_port) and not lost and not served

    @property
    def _patience(self) -> float:
        return self.absent if self._state.settling.gossiped else self._state.settings.settle_time

"""Who leads, and what follows from that here: an address comes, goes, is awaited, or is asked for first."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import takewhile
from typing import Final

from roost.decide import census
from roost.decide.connections.passing_on import PassingOn
from roost.decide.effects import Deliver, Notice
from roost.decide.publishing import Publishing
from roost.decide.sharing.sharers import Sharers
from roost.decide.spreading.spreading import Spreading
from roost.decide.standing.own_word import OwnWord
from roost.decide.state import State
from roost.decide.succession import WAIT
from roost.decide.told_moves import tell_moves
from roost.decide.witnessing.targets import in_turn
from roost.model.address import IPAddress, in_order
from roost.model.election import Move
from roost.model.lead import Lead
from roost.model.node import Candidate, Verdict
from roost.model.ranking import Ranking
from roost.model.sharing import Weights

__all__ = ["ABSENT", "UNPROVEN", "Leading"]

ABSENT: Final = 0.15  # seconds of asking after this process did not run, or this node heard nobody
_CHECKED: Final = 4  # services of a suspect at a time
UNPROVEN: Final = 0.1  # seconds of asking when gossip alone has lost who led
_HELD: Final = 0.2  # seconds between two looks at what a node that leaves answers for, and nobody else
_UNTIL_TOLD: Final = 0.5  # seconds until all who share an address know that one does no more
_GOING: Final = frozenset({Verdict.LEAVING, Verdict.DRAINING})


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
        spreading: Spreading,
    ) -> None:
        self.suspected: dict[IPAddress, frozenset[str]] = {}  # asked for since gossip alone lost these
        self.absent = ABSENT  # seconds of asking that the last absence takes
        self._state = state
        self._publishing = publishing
        self._own_word = own_word
        self._passing_on = passing_on
        self._sharers = sharers
        self._spreading = spreading
        self._shared: dict[IPAddress, tuple[tuple[str, ...], Weights]] = {}  # who shared it, and how
        self.leaders: dict[IPAddress, str | None] = {}  # as they were when last looked at
        self.stand_ins: dict[IPAddress, str] = {}  # peers that answer for what others lead
        self._checked = 0  # addresses of suspects, in turn
        # One address each, that shows whether its process lives.
        self._led_by_peers: dict[str, IPAddress] = {}

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
        before_led = self._led_by_peers
        unshown = self._watch(now)
        self._sharers.follow(now)
        self.stand_ins = {
            each: name for each, name in self.stand_ins.items() if each in self._state.plan.passed_on
        }
        self.doubt({name for name in self.stand_ins.values() if not self._state.may_lead(name)}, now)
        unable = self._state.inability.by_node
        self._doubt_answers(
            [each for each, name in self.stand_ins.items() if each in unable.get(name, ())], now
        )
        for name, address in self._led_by_peers.items():
            if name in unshown or before_led.get(name) != address:
                self._look_at(name, address, now)
        self._pass_standing_in_on(before, now)
        self._passing_on.follow(now)
        self._spreading.look_again(now)
        self._own_word.describe(now)
        self._state.tenures.look_again = True

    def _watch(self, now: float) -> frozenset[str]:
        """Watch peers, each by an address that it leads and answers for, if there is one.

        Return those whose process has yet to show that it answers.
        """
        state = self._state
        # These are answered by others, and show nothing about their leader.
        mute = {*state.succession.stood_in, *self.stand_ins, *state.handover.held}
        self._led_by_peers = census.led_by_peers(
            state.members,
            state.plan,
            state.election,
            digest=state.desired.digest,
            before={name: address for name, address in self._led_by_peers.items() if address not in mute},
            mute=mute,
        )
        return state.watch.update(self._led_by_peers, now)

    def _look_at(self, name: str, address: IPAddress, now: float) -> None:
        """Look that `name` answers for what it is to be watched by: before it did, silence is no sign."""
        if self._state.plan.lead(address).sharers:
            self._sharers.doubt([name], now)
        else:
            self._await(address, now)

    def passed(self, address: IPAddress, peer: str, now: float) -> None:
        """Hear that `peer` has taken over what this node held for it: now it can be watched by that.

        Another than the leader may have given it up by now, for this node.
        """
        if peer != self._state.plan.lead(address).node:
            self._await(address, now)
        if peer not in self._led_by_peers:
            self._watch(now)

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
        self.await_claim(address, lead.node, lead.standbys, now)

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

    def await_claim(
        self,
        address: IPAddress,
        leader: str,
        standbys: Sequence[str],
        now: float,
        *,
        mute: bool = False,
        after: float = 0.0,
        question: bool = False,
    ) -> None:
        """Look that a new leader is heard, if this node could stand in for it; begin in `after` seconds.

        With `question` only an answer to one counts.
        """
        if (
            not self._state.settling.settled
            or self._state.leaving
            or not self._state.watch.shares_link(leader)
        ):
            self._state.succession.forget([address])
            return
        able = [name for name in standbys if self._state.may_lead(name)]
        if self._state.me not in able:
            self._state.succession.forget([address])
        elif address not in self._state.handover.held:
            ahead = takewhile(lambda name: name != self._state.me, able)
            position = sum(not self._is_doubtful(name) for name in ahead)
            if mute and position == 0:
                self._state.succession.stand_in(address, leader)
                self._publishing.reconsider([address], now)
            else:
                wait = WAIT * (position if mute else position + 1)
                self._state.succession.expect(address, leader, now, wait=wait + after, question=question)

    def _is_doubtful(self, name: str) -> bool:
        """Tell whether it may be that a standby is silent, too: nobody waits that it stands in first."""
        return self._state.verdict(name) is Verdict.SUSPECT or name in self._state.watch.owing

    def _pass_standing_in_on(self, before: Mapping[str, Candidate], now: float) -> None:
        """Look where nodes that go stood in; if it is this one that goes, the others get their turn."""
        going = {
            name
            for name, candidate in self._state.election.candidates.items()
            if candidate.verdict in _GOING and (was := before.get(name)) and was.verdict not in _GOING
        }
        self.doubt(going, now)
        if self._state.me in going:
            stood_in = tuple(self._state.succession.stood_in)
            self._state.succession.forget(stood_in)
            for address in stood_in:
                self._await(address, now)
            self._publishing.reconsider(stood_in, now)

    def doubt(self, names: Collection[str], now: float) -> None:
        """Look that nodes which owe an answer still do: by one address that they lead, and as stand-ins."""
        self._sharers.doubt(names, now)
        for name in sorted(names):
            if (address := self._led_by_peers.get(name)) is not None:
                self._await(address, now)
                if self._state.me not in self._state.plan.lead(address).standbys:
                    self._await_own(name, now)
        self._doubt_answers([each for each, name in self.stand_ins.items() if name in names], now)

    def _await_own(self, name: str, now: float) -> None:
        """Look that one address of `name` is answered that this node would have to stand in for."""
        for service in sorted(self._state.election.led_by(name)):
            for address in self._state.election.rankings[service].service.addresses:
                if self._state.me in self._state.plan.lead(address).standbys:
                    self._await(address, now)
                    return

    def _doubt_answers(self, addresses: Iterable[IPAddress], now: float) -> None:
        """Look that these are answered: who stood in for their leaders perhaps does no more."""
        for address in addresses:
            del self.stand_ins[address]
            self._await(address, now)

    def await_again(self, addresses: Collection[IPAddress], now: float) -> None:
        """Look that these are answered, if others lead them: this node could not stand in until now."""
        for address in in_order(addresses):
            self._await(address, now)

    def note_answerer(self, address: IPAddress, peer: str | None, now: float) -> None:
        """Take who is heard to answer for an address that another node leads: perhaps somebody stands in."""
        leader = self._state.plan.lead(address).node
        if peer is None or leader is None or peer == leader:
            self.stand_ins.pop(address, None)
            if peer is not None and peer == leader:
                self._watch_by(address, leader, now)
            return
        if self._state.verdict(peer) is Verdict.LEAVING:
            self._await(address, now, after=_HELD)  # it holds the address, and may end at any moment
            return
        if self.stand_ins.get(address) == peer:
            return
        process = self._state.watch.evidence(leader, now).process
        # Two miss it now, or one that watches it where this node does not.
        owes = process is False or (process is None and not self._is_stood_in_for(leader))
        self.stand_ins[address] = peer
        if owes:
            self.await_all_of([leader], now)  # what else it leads is asked for, too
        if self._led_by_peers.get(leader) == address:
            self._watch(now)  # it may have yielded that one, and lives

    def _watch_by(self, address: IPAddress, leader: str, now: float) -> None:
        """Watch a leader by what it was heard to answer for, unless it answers what it is watched by.

        It may know others, or that one no more.
        """
        answers = self._state.watch.evidence(leader, now).process
        if not answers and address not in self._state.plan.virtual:
            self._led_by_peers[leader] = address
            self._watch(now)

    def _is_stood_in_for(self, leader: str) -> bool:
        return any(self._state.plan.lead(each).node == leader for each in self.stand_ins)

    def _await(self, address: IPAddress, now: float, *, after: float = 0.0) -> None:
        lead = self._state.plan.lead(address)
        if lead.node not in (None, self._state.me) and not lead.sharers:
            self.await_claim(address, str(lead.node), lead.standbys, now, after=after)

    def still_doubtful(self, addresses: Collection[IPAddress], now: float) -> frozenset[IPAddress]:
        """Return which of `addresses` are to be asked for: one by which a leader is watched it may answer.

        What counts is an answer from after the doubt.
        """
        well = {
            address
            for name, address in self._led_by_peers.items()
            if address in addresses and self._state.watch.evidence(name, now).answered > now - WAIT
        }
        for address in well:
            self._state.succession.heard(address)
        return frozenset(addresses) - well

    def check_some_of(self, names: Collection[str], now: float) -> None:
        """Look at some more addresses of each of these: gossip does not tell what they want now."""
        for name in sorted(names):
            led = sorted(self._state.election.led_by(name))
            self._checked += 1
            self._sharers.check(name, _CHECKED, self._checked, now)
            self._await_services(name, in_turn(led, _CHECKED, self._checked), now)

    def await_all_of(
        self, names: Collection[str], now: float, *, mute: bool = False, question: bool = False
    ) -> None:
        """Look that all addresses which these nodes lead are answered: they may not know of some.

        Who is `mute`, for one address that was asked for in every way, is stood in for at once by the first.
        With `question` only an answer to one counts.
        """
        self._sharers.call_all(names, now)
        for name in sorted(names):
            led = sorted(self._state.election.led_by(name))
            self._await_services(name, led, now, mute=mute, question=question)

    def _await_services(
        self,
        name: str,
        services: Iterable[str],
        now: float,
        *,
        mute: bool = False,
        question: bool = False,
    ) -> None:
        for service in services:
            for address in self._state.election.rankings[service].service.addresses:
                lead = self._state.plan.lead(address)
                if lead.node == name and not lead.sharers and address not in self.stand_ins:
                    self.await_claim(address, name, lead.standbys, now, mute=mute, question=question)

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

    def stand_in(self, addresses: Iterable[IPAddress]) -> None:
        """Go on answering for what was passed on and never claimed, where a claim would have been heard."""
        for address in in_order(addresses):
            lead = self._state.plan.lead(address)
            able = self._state.me in lead.standbys and self._state.may_lead(self._state.me)
            if lead.node and able and self._state.watch.shares_link(lead.node):
                self._state.succession.stand_in(address, lead.node)
                self._state.roles.doubt_addresses([address])  # what is answered does not change

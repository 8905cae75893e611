"""When this node takes a lead that stays with whoever took it last (`failback` other than always).

    this node answers for what it leads by rank, as its holder is gone   takes it, and says so
    it ranks before the holder, and was well as long as `failback` says  takes it back, and says so
    another node has taken a lead                                        the election follows

One node alone says when a lead moves: who takes it. So no two have to measure the same time. A lead that
nobody had goes by rank for a moment after a start: nodes that start together find each other first.
"""

import math
from typing import Final

from roost.decide import census
from roost.decide.effects import Tell
from roost.decide.leading import Leading
from roost.decide.recovery import Recovery
from roost.decide.standing.own_word import OwnWord
from roost.decide.state import State
from roost.decide.tenures import Grip
from roost.decide.witnessing.targets import in_turn
from roost.model.address import IPAddress, in_order
from roost.model.ranking import Ranking
from roost.protocols.machine import soonest

__all__ = ["Failback"]

_START: Final = 3.0  # seconds after the start of this process in which a lead that nobody had goes by rank
_BACK: Final = 1.0  # seconds after being away in which others that are there may be taken for lost
_STANDING_IN: Final = 0.5  # seconds of standing in for a holder that is not heard, after which it has lost it
_PROOF: Final = 0.5  # seconds beside a peer in which a holder that is there after all is heard of
_STAGGER: Final = 0.3  # seconds that each better-ranked node delays one that is well again, too
_REPEAT: Final = 0.2  # seconds after which what was said is said once more: a message may be lost
_AGAIN: Final = 3.0  # seconds between further repetitions, of so many leads
_TOLD: Final = 48
_PEERS: Final = 8  # to so many peers, in turn


class Failback:
    """Takes leads for this node; `state.tenures` knows the others'."""

    def __init__(self, state: State, leading: Leading, own_word: OwnWord) -> None:
        self._state = state
        self._leading = leading
        self._own_word = own_word
        self._recovery = Recovery()
        self._standing_in: dict[IPAddress, float] = {}  # -> since when
        self._beside_peers: float | None = None  # since when this node is not alone
        self._by_rank_until = self._takes_nothing_until = -math.inf
        self._due: float | None = None
        self._again: float | None = None
        self._turn = 0

    def start(self, now: float) -> None:
        """Begin: what nobody leads goes by rank for a moment."""
        self._by_rank_until = now + _START

    def was_away(self, now: float) -> None:
        """Hear that this node did not run or heard nobody: all leads may be others' by now."""
        self._takes_nothing_until = now + _BACK
        self._recovery.was_lost()
        self._state.tenures.doubt(all_of_them=True)

    def is_back(self) -> None:
        """Hear that a peer has told all that it knows."""
        self._state.tenures.give_up_doubted()

    def was_lost(self) -> None:
        """Hear that this node was lost to others: they may have taken what it has."""
        self._recovery.was_lost()
        self._state.tenures.doubt(all_of_them=False)

    def follow(self, now: float) -> None:
        """Let the election see what others have taken."""
        if self._state.tenures.news:
            self._state.tenures.news = False
            self._leading.refresh(now)

    def wake(self, now: float) -> None:
        """Take what is to be taken, and repeat what this node has."""
        due = self.next_wake()
        if due is None or now < due:
            return
        self.follow(now)
        self._look(now)
        self.follow(now)
        self._say(now)
        self._state.tenures.look_again = False

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None."""
        tenures = self._state.tenures
        if not self._state.election.kept:
            return None
        if tenures.news or tenures.look_again:
            return -math.inf
        return soonest((self._due, self._again))

    def _look(self, now: float) -> None:
        state = self._state
        self._due = None
        if not census.peers(state.members, state.me):
            self._beside_peers = None
        elif self._beside_peers is None:
            self._beside_peers = now
        self._recovery.keep(frozenset(state.election.kept))
        self._recovery.begin_anew(state.tenures.conceded, now)
        state.tenures.conceded.clear()
        self._standing_in = {
            each: since for each, since in self._standing_in.items() if each in state.election.kept
        }
        if not state.keeps_leads:
            return
        for address in state.election.kept:
            ranking = state.election.ranking_of(address)
            if ranking is None:
                continue
            due = self._due_for(address, ranking, now)
            if due <= now:
                state.tenures.take(address, self._grip(ranking))
            elif due < math.inf:
                self._due = due if self._due is None else min(due, self._due)

    def _grip(self, ranking: Ranking) -> Grip:
        """Return how this node takes a lead now."""
        state = self._state
        lost = frozenset(member.name for member in state.members if member.verdict.lost)
        alone = bool(lost) and self._beside_peers is None
        holder = ranking.holder
        if not alone or holder is None or state.was_witnessed(holder):
            return Grip(lost)
        return Grip(lost, unproven=holder)

    def _due_for(self, address: IPAddress, ranking: Ranking, now: float) -> float:
        """Return when this node is to take the lead of `address`, as far as that is known now."""
        state = self._state
        fit = any(place.fitness.fit for place in ranking.places if place.node == state.me)
        active = fit and state.would_lead(state.me)
        well = active and state.settling.settled and not state.isolation.isolated
        since = self._recovery.follow(address, now, well=well)
        if state.plan.lead(address).node == state.me:
            return self._due_for_own(address)
        instead = state.succession.instead_of(address)
        # Whose host is not heard either may be well, and this node cut off.
        if instead and address in state.answers.now and state.watch.evidence(instead, now).kernel:
            return self._standing_in.setdefault(address, now) + _STANDING_IN
        self._standing_in.pop(address, None)
        leader, failback = ranking.leader, ranking.service.failback
        names = [place.node for place in ranking.places]
        before = names[: names.index(state.me)] if since is not None else names
        if since is None or leader is None or failback == math.inf or leader in before:
            return math.inf
        ahead = [name for name in before if state.would_lead(name)]
        return since + failback + _STAGGER * len(ahead)

    def _due_for_own(self, address: IPAddress) -> float:
        """Return when what this node leads is to be its own: as soon as it answers."""
        state = self._state
        self._standing_in.pop(address, None)
        tenure = state.tenures.of(address)
        own = tenure is not None and tenure.node == state.me and tenure.term > 0
        if own:
            return self._due_for_proof(address)
        if address not in state.answers.now or not state.settling.settled:
            return math.inf
        had = (tenure is not None and tenure.term > 0) or address in state.tenures.inherited
        return max(self._takes_nothing_until, -math.inf if had else self._by_rank_until)

    def _due_for_proof(self, address: IPAddress) -> float:
        """Return when what this node took alone is its own for sure: peers are back, its holder is not."""
        grip, since = self._state.tenures.grips.get(address), self._beside_peers
        if since is None or grip is None or grip.proven or self._state.may_lead(grip.unproven):
            return math.inf
        return since + _PROOF

    def _say(self, now: float) -> None:
        """Tell what has changed to all, and again and again some of what this node has to some."""
        tenures, peers = self._state.tenures, census.peers(self._state.members, self._state.me)
        if tenures.unsaid:
            for word in tenures.words_of(in_order(tenures.unsaid)):
                self._own_word.tell_all(word)
            tenures.unsaid.clear()
            self._again = now + _REPEAT
        elif self._again is not None and now >= self._again:
            own = tenures.own()
            self._turn += 1
            told = tuple(in_turn(sorted(peers), _PEERS, self._turn))
            for word in tenures.words_of(in_turn(own, _TOLD, self._turn)) if told else ():
                self._state.outbox.put(Tell(told, word))
            self._again = now + _AGAIN if own else None

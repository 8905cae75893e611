"""Who shares the addresses, as it changes: who left, who came, who is mute, who is lost and answers still."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain, islice
from typing import Final

from roost.decide.effects import Ask
from roost.decide.publishing import Publishing
from roost.decide.state import State
from roost.decide.witnessing.targets import in_turn
from roost.model.address import IPAddress, in_order
from roost.model.election import Move
from roost.model.lead import Lead
from roost.model.node import Verdict
from roost.model.ranking import Ranking
from roost.protocols.machine import soonest

__all__ = ["Sharers"]

_NEXT_LOOK: Final = 0.02  # seconds until who is mute for one address is asked for the others
_LOOKED_AT: Final = 32  # addresses of a lost node, so many in turn:
_IN_TURN: Final = 2
_UNWITNESSED: Final = frozenset({None, Verdict.DEAD})  # gossip alone has lost it


class Sharers:
    """Sees to the nodes that share addresses with this one."""

    def __init__(self, state: State, publishing: Publishing) -> None:
        self._state = state
        self._publishing = publishing
        self._watched: AbstractSet[str] = frozenset()
        self._turn = 0  # of the addresses that lost nodes are asked for

    def take(self, moves: Iterable[Move], now: float) -> None:
        """Follow who shares no more, and who does from now on, before anything is worked out from it.

        Who comes is mute until it is heard: it may have to ask, or to wait, before it answers.
        """
        rankings = self._state.election.rankings
        for move in moves:
            ranking = rankings.get(move.service)
            if not _is_shared(ranking):
                continue
            for address in ranking.service.addresses if ranking is not None else ():
                self._take_for_mute(address, move.joined - {self._state.me}, now)
            for name in sorted(move.left - {self._state.me}):
                if self._state.settling.settled and self._state.verdict(name) in _UNWITNESSED:
                    self._state.presence.doubt(name, now)

    def _take_for_mute(self, address: IPAddress, names: frozenset[str], now: float) -> None:
        """Take those of `names` for mute that this node looks after: who is mute looks after nobody."""
        lead = self._state.plan.lead(address)
        while found := [name for name in sorted(names) if self._looks_after(name, lead)]:
            for name in found:
                self._state.roll_call.expect(address, name, now)
            names -= set(found)

    def follow(self, now: float) -> None:
        """Forget who is lost no more, or was found gone on the wire.

        Whoever falls to this node to watch from now on, and wants other services, may be mute for some. Who
        stands in for whom depends on who watches whom. Where all that share an address are mute it may be the
        turn of this node, which does not share it.
        """
        watched, self._watched = self._watched, self._state.duties.keys()
        self.call_all([name for name in self._watched - watched if self._state.wants_others(name)], now)
        changed = [name for name in tuple(self._state.presence.nodes) if self._is_known_now(name)]
        lead, me = self._state.plan.lead, self._state.me
        incomplete = self._state.roll_call.incomplete
        mine = [each for each in incomplete if me not in lead(each).sharers or self._stands_in_for_more(each)]
        self._look_again({*self._shared_by(changed), *mine}, now)

    def doubt(self, names: Collection[str], now: float) -> None:
        """Look that nodes which owe an answer still give one: for what they were not mute for anyway."""
        for name in sorted(names):
            mute = self._state.roll_call.mute
            doubtful = (each for each in self._looked_after(name) if name not in mute(each))
            self._state.roll_call.call(islice(doubtful, 1), now)

    def check(self, name: str, count: int, turn: int, now: float) -> None:
        """Look that a node answers for `count` of what it shares, for others each `turn`."""
        self._state.roll_call.call(in_turn([*self._looked_after(name)], count, turn), now)

    def call_all(self, names: Collection[str], now: float, *, changed: bool = False) -> None:
        """Look that nodes answer for all that they share: they may not know of some, since they `changed`."""
        for name in sorted(names):
            self._state.roll_call.call(self._looked_after(name), now, twice=changed)

    def heard(self, address: IPAddress, name: str, now: float) -> None:
        """Hear that node `name` answers for a shared address."""
        self._state.roll_call.heard(address, name, now)
        if self._state.is_lost(name) and self._state.presence.heard(name, now):
            self._look_again(self._shared_by([name]), now)
            self.call_all([name], now)  # it may answer for some of them alone, and cannot say so

    def wake(self, now: float) -> frozenset[str]:
        """Ask for what is doubtful, and act on silence; return who was found to be mute."""
        over, ask = self._state.presence.wake(now)
        lost = self._for_the_lost(now) if ask else frozenset[IPAddress]()
        asked, changed, mute = self._state.roll_call.wake(now, self._expected)
        asked |= lost
        if asked:
            self._state.outbox.put(Ask(tuple(in_order(asked))))
        waiting = [address for address in in_order(changed) if self._ahead(self._state.plan.lead(address))]
        self._state.roll_call.call(waiting, now + _NEXT_LOOK)
        for name in sorted(mute):  # whose process does not answer is mute for all
            if self._wants_the_same(name) and self._state.watch.evidence(name, now).process is False:
                changed |= set(self._state.roll_call.take_for_mute(self._looked_after(name), name, now))
            else:
                self.call_all([name], now + _NEXT_LOOK)
        if over:  # perhaps one that gossip has never known, and that is found nowhere any more
            changed |= set(self._state.plan.shared)
        self._look_again(changed, now)
        return mute

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None."""
        return soonest((self._state.presence.next_wake(), self._state.roll_call.next_wake()))

    def _wants_the_same(self, name: str) -> bool:
        """Tell whether a node wants the same services, so that one without an answer tells of all."""
        digest = self._state.desired.digest
        return any(each.name == name and each.metadata.digest == digest for each in self._state.members)

    def _is_known_now(self, name: str) -> bool:
        """Tell whether a lost node does not count as there any more: it is back, or was found gone."""
        if not self._state.is_lost(name):
            return self._state.presence.back(name)
        return self._state.verdict(name) not in _UNWITNESSED and self._state.presence.witnessed(name)

    def _looked_after(self, name: str) -> Iterator[IPAddress]:
        """Yield what `name` shares now and this node looks that it answers for."""
        lost_but_heard = name in self._state.presence.nodes
        for each in self._all_of(name):
            lead = self._state.plan.lead(each)
            if (lost_but_heard or name in lead.sharers) and self._looks_after(name, lead):
                yield each

    def _expected(self, address: IPAddress) -> frozenset[str]:
        """Return who has to answer a question of this node, as far as this node has to look after it."""
        lead = self._state.plan.lead(address)
        looked_after = (name for name in self._state.plan.shares.there(lead) if self._looks_after(name, lead))
        return frozenset(looked_after).union(self._ahead(lead))

    def _ahead(self, lead: Lead) -> list[str]:
        """Return who has to answer before this node does, where all that share an address are mute."""
        me = self._state.me
        if me in lead.sharers or not self._state.roll_call.mute(lead.address).issuperset(lead.sharers):
            return []
        reserves = self._state.reserves(lead)
        return reserves[: reserves.index(me)] if me in reserves else []

    def _looks_after(self, name: str, lead: Lead) -> bool:
        """Tell whether this node finds out when `name`, one of those that share `lead`, is mute."""
        return bool(self._state.knowing_of(name, lead))

    def _stands_in_for_more(self, address: IPAddress) -> bool:
        """Tell whether this node has to answer what it was not known to have to, for nodes that are mute."""
        before = self._state.plan.leading.get(address)
        share = self._state.plan.shares.of_this_node(self._state.plan.lead(address))
        return bool(share and before and before.share and share.exceeds(before.share))

    def _for_the_lost(self, now: float) -> set[IPAddress]:
        """Return one address for each lost node that it may answer; of some others look in turn.

        It cannot say which of them it wants no more.
        """
        self._turn += 1
        asked = set[IPAddress]()
        for name in self._state.presence.nodes:
            theirs = [*islice(self._all_of(name), _LOOKED_AT)]
            self._state.roll_call.call(in_turn(theirs, _IN_TURN, self._turn), now)
            answered = (each for each in theirs if name not in self._state.roll_call.mute(each))
            asked.update(islice(chain(answered, theirs), 1))
        return asked

    def _look_again(self, addresses: Collection[IPAddress], now: float) -> None:
        if addresses:
            self._state.plan.look_again(addresses)
            self._publishing.reconsider(addresses, now)
            # Others may have this node's share now, though it was not answered yet.
            self._publishing.place_clients(now)

    def _shared_by(self, names: Collection[str]) -> Sequence[IPAddress]:
        return list(dict.fromkeys(each for name in sorted(names) for each in self._all_of(name)))

    def _all_of(self, name: str) -> Iterator[IPAddress]:
        plan = self._state.plan
        for address in plan.shared:
            if any(each == name for each, _ in plan.shares.weights(plan.lead(address))):
                yield address


def _is_shared(ranking: Ranking | None) -> bool:
    """Tell whether all nodes answer; where one does, its connections alone are spread."""
    sharing = ranking.service.sharing if ranking is not None else None
    return sharing is None or sharing.by == "client"

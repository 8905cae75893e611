"""Members come, go and change: who has to be told, looked for, asked for, or is left alone again."""

from collections.abc import Iterable, Iterator, Mapping

from roost.decide.doubts import Doubts
from roost.decide.leading import Leading
from roost.decide.members import ClusterMember
from roost.decide.publishing import Publishing
from roost.decide.spreading.spreading import Spreading
from roost.decide.standing.own_word import OwnWord
from roost.decide.state import State
from roost.model.node import Verdict

__all__ = ["Meeting"]


class Meeting:
    """Follows the members of the cluster."""

    def __init__(
        self,
        state: State,
        leading: Leading,
        publishing: Publishing,
        own_word: OwnWord,
        spreading: Spreading,
        *,
        doubts: Doubts,
    ) -> None:
        self._state = state
        self._leading = leading
        self._publishing = publishing
        self._own_word = own_word
        self._spreading = spreading
        self._doubts = doubts

    def follow(self, members: tuple[ClusterMember, ...], now: float) -> None:
        """Take all members of the cluster, after any of them changed."""
        before = {member.name: member for member in self._state.members}
        self._state.members = members
        missed = self._state.fates.lost.keys()
        self._state.fates.follow(members)
        if missed - self._state.fates.lost.keys():  # whoever is there again may have led meanwhile
            self._publishing.doubt_connections()
        for member in members:
            if member.name != self._state.me:
                self._state.address_book.note(member.name, member.metadata.macs)
                self._follow_loss(member, before.get(member.name), now)
        active = frozenset(
            each.name for each in members if each.verdict.active and each.name != self._state.me
        )
        self._state.taking.keep(active)
        if active:
            self._state.settling.gossiped = True
        back = [name for name in sorted(active) if name not in before or not before[name].verdict.active]
        came = self._state.came
        self._state.came = {name: now if name in back else came.get(name, now) for name in active}
        for name in back:
            self._state.inability.came(name)
            self._state.tracking.came(name, now)
        if back and self._state.inability.spoken:
            self._own_word.tell_all(self._state.inability.word)
        self._own_word.tell_tenures(back)
        self._spreading.tell(back)
        if back:
            self._own_word.tell_fitness()
        suspected = {each.name for each in members if each.verdict is Verdict.SUSPECT}
        well = frozenset(name for name in active if name not in suspected)
        free = self._state.yielding.identify(self._state.address_book.names, self._state.plan.shared)
        if not self._state.standing.blind:  # gossip sees them, and this node knows what they know
            free |= self._state.yielding.forget(well)
        self._state.vouching.follow(members, now)
        self._state.patrol.doubt(now, holds=self._state.may_be_missing_others)
        self._leading.refresh(now)
        others = self._others_wanted(before)
        self._doubts.await_all_of(others, now, question=True)
        self._doubts.doubt({*others, *_newly_suspected(members, before)}, now)
        self._publishing.reconsider(free, now)  # not before: most of it is led by whom it was yielded to

    def _others_wanted(self, before: Mapping[str, ClusterMember]) -> list[str]:
        """Return the peers that want other services than this node since a moment ago."""
        digest = self._state.desired.digest
        return [
            member.name
            for member in self._state.members
            if member.is_roost and member.name != self._state.me and member.metadata.digest != digest
            if (known := before.get(member.name)) is None or known.metadata.digest != member.metadata.digest
        ]

    def _follow_loss(self, member: ClusterMember, before: ClusterMember | None, now: float) -> None:
        if member.verdict.active or member.verdict is Verdict.LEAVING:
            self._state.rejoining.found(member.name)
        elif (before is None or before.verdict is not member.verdict) and member.endpoint is not None:
            self._state.rejoining.lost(member.name, member.endpoint, now)


def _newly_suspected(members: Iterable[ClusterMember], before: Mapping[str, ClusterMember]) -> Iterator[str]:
    """Yield the members that SWIM has begun to suspect."""
    for member in members:
        known = before.get(member.name)
        if member.verdict is Verdict.SUSPECT and (known is None or known.verdict is not Verdict.SUSPECT):
            yield member.name

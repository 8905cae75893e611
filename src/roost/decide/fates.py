"""What became of members that are there no more, until somebody says that they are not missed.

Gossip forgets a dead member after half a minute; people must not. A member that was lost stays known until
it is back, leaves on purpose, or is forgotten on purpose. Nodes tell each other when they exchange their
states: who has just started learns who is missing, and who was away learns whom to forget. Pure.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from roost.decide.members import ClusterMember
from roost.model.node import Verdict
from roost.protocols.bounded import remember
from roost.protocols.words.fates import Fate, Fates
from roost.protocols.words.metadata import Metadata

__all__ = ["FateBook"]

_MOST: Final = 512  # members remembered; those of whom nothing was heard for longest give way
_TOLD: Final = 128  # of them
_BY_HAND: Final = 1000  # turns: nodes may have counted differently, and a person's word counts more


@dataclass(frozen=True, slots=True)
class _Entry:
    """`lost` as it was seen last; `gone` on purpose; neither: it is there. `turn` as `Fate` has it."""

    turn: int = 0
    lost: ClusterMember | None = None
    gone: bool = False


class FateBook:
    """The fates of the members that node `me` knows or was told of."""

    def __init__(self, me: str) -> None:
        self._me = me
        self._entries: dict[str, _Entry] = {}

    @property
    def lost(self) -> Mapping[str, ClusterMember]:
        """The members that are missed, whether gossip still knows them or not."""
        return {name: entry.lost for name, entry in self._entries.items() if entry.lost is not None}

    def follow(self, members: Iterable[ClusterMember]) -> None:
        """Take all members that gossip knows."""
        for member in members:
            if member.name == self._me:
                continue
            entry = self._entries.get(member.name, _Entry())
            if member.verdict.lost:
                if entry.lost is not None:
                    self._entries[member.name] = _Entry(entry.turn, lost=member)
                elif not entry.gone:
                    self._turn(member.name, lost=member)
            elif member.verdict is Verdict.LEAVING:
                if not entry.gone:
                    self._turn(member.name, gone=True)
            elif entry.gone or entry.lost is not None:
                self._turn(member.name)

    def forget(self, name: str) -> bool:
        """Miss `name` no more; tells whether it was missed."""
        if name not in self.lost:
            return False
        self._turn(name, gone=True, turns=_BY_HAND)
        return True

    def keep(self, names: Collection[str]) -> None:
        """Forget who is not among `names`, all nodes that there are to be."""
        for name in sorted(self.lost.keys() - set(names)):
            self.forget(name)

    def hear(self, word: Fates, members: Iterable[ClusterMember], now: float) -> bool:
        """Take what a peer knows; tells whether that is news. What this node sees itself counts more."""
        active = {each.name for each in members if each.verdict.active}
        news = False
        for fate in word.rows:
            entry = self._entries.get(fate.node, _Entry())
            if fate.node in active or fate.node == self._me or not _counts(fate, entry):
                continue
            lost = None if fate.verdict is None else entry.lost or _told(fate, fate.verdict, now)
            remember(self._entries, fate.node, _Entry(fate.turn, lost, gone=lost is None), _MOST)
            news = True
        return news

    def words(self) -> list[Fates]:
        """Return what peers have to know."""
        fates = [_fate(name, entry) for name, entry in self._entries.items() if entry.gone or entry.lost]
        return Fates.batches(fates[-_TOLD:])

    def _turn(
        self, name: str, *, lost: ClusterMember | None = None, gone: bool = False, turns: int = 1
    ) -> None:
        turn = self._entries.get(name, _Entry()).turn + turns
        remember(self._entries, name, _Entry(turn, lost, gone=gone), _MOST)


def _counts(fate: Fate, entry: _Entry) -> bool:
    """Tell whether a peer knows better: later things, or of the same turn that it was on purpose."""
    on_purpose = fate.verdict is None and entry.lost is not None
    return fate.turn > entry.turn or (fate.turn == entry.turn and on_purpose)


def _fate(name: str, entry: _Entry) -> Fate:
    if entry.lost is None:
        return Fate(name, entry.turn, None)
    return Fate(name, entry.turn, entry.lost.verdict, entry.lost.endpoint, entry.lost.evidence)


def _told(fate: Fate, verdict: Verdict, now: float) -> ClusterMember:
    """Return a lost member of which a peer tells; it is missed here from `now` on."""
    return ClusterMember(fate.node, fate.endpoint, verdict, now, 0, fate.evidence, Metadata(version=""))

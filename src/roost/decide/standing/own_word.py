"""What this node says of itself: to everybody by gossip, and by a word where metadata has no room."""

from collections.abc import Collection

from roost.decide import census
from roost.decide.effects import Tell
from roost.decide.standing.self_description import Description, own_metadata
from roost.decide.state import State
from roost.decide.vrrp.elections import marks
from roost.model.service import DesiredState
from roost.protocols.words.codec import Word
from roost.protocols.words.metadata import Metadata

__all__ = ["OwnWord"]


class OwnWord:
    """Says what has changed."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._description = Description()
        self._marked: tuple[DesiredState | None, tuple[str, ...]] = (None, ())  # what is wanted -> its marks

    def metadata(self, now: float) -> Metadata:
        """Return what this node says of itself."""
        return own_metadata(
            self._state.announcing_links,
            self._state.settings,
            digest=self._state.desired.digest,
            draining=self._state.drain.draining,
            drain_stands=self._state.drain.stands,
            deaf=self._state.isolation.cut_off or not self._state.standing.is_steady(now),
            blind=self._state.standing.blind,
            outdated=self._state.standing.outdated,
            waits=self._state.standing.waits(now),
            unable=bool(self._state.inability.word.addresses),
            unfit=self._state.tracking.unfit,
            vrrp=self._vrrp_marks(),
        )

    def _vrrp_marks(self) -> tuple[str, ...]:
        desired = self._state.desired
        if self._marked[0] is not desired:
            self._marked = desired, marks(desired.services)
        return self._marked[1]

    def describe(self, now: float) -> None:
        """Gossip what has changed."""
        # Gossip takes nobody in who leaves, and what it holds yet is heard to be its own all the same.
        own = tuple(link.mac for link in self._state.announcing_links) if self._state.leaving else ()
        words: list[Word] = [*self._state.address_book.words(own), *self._state.fates.words()]
        if self._state.inability.spoken:
            words.append(self._state.inability.word)
        words += self._state.tracking.words()
        words += self._state.holders.words(now)
        words += self._state.tenures.words()
        words += self._state.taking.words()
        self._state.outbox.extend(self._description.of(self.metadata(now), tuple(words)))

    def tell_all(self, word: Word) -> None:
        """Tell a word to all peers that run Roost."""
        peers = tuple(sorted(census.peers(self._state.members, self._state.me)))
        if peers:
            self._state.outbox.put(Tell(peers, word))

    def tell_tenures(self, names: Collection[str]) -> None:
        """Tell those that have come who has what this node leads, and stays with it."""
        came = tuple(sorted(census.peers(self._state.members, self._state.me) & set(names)))
        own = self._state.tenures.own() if came else []
        for word in self._state.tenures.words_of(own):
            self._state.outbox.put(Tell(came, word))

    def tell_fitness(self, services: Collection[str] | None = None) -> None:
        """Tell all peers how fit this node is for some services (None: for all)."""
        for word in self._state.tracking.words(services):
            self.tell_all(word)

    def note_inability(self, now: float) -> bool:
        """Find what this host cannot hold, and tell it when that has changed."""
        refused = [
            ranking.service.addresses
            for name in self._state.refused
            if (ranking := self._state.election.rankings.get(name)) is not None
        ]
        unable = frozenset(self._state.delivery.refused) | {
            each for addresses in refused for each in addresses
        }
        if not self._state.inability.own(unable, now):
            return False
        self.tell_all(self._state.inability.word)
        return True

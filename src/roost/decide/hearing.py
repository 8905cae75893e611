"""What follows from the words of peers, and from an operator's wish: one line for each kind of word."""

from roost.decide.caring import Caring
from roost.decide.connections.passing_on import PassingOn
from roost.decide.effects import Tell
from roost.decide.leading import Leading
from roost.decide.spreading.spreading import Spreading
from roost.decide.standing.own_word import OwnWord
from roost.decide.state import State
from roost.decide.vrrp.following import Following
from roost.model.event import Event, Happening
from roost.protocols.words import draining
from roost.protocols.words.codec import Word
from roost.protocols.words.fates import Fates
from roost.protocols.words.fit import Fit
from roost.protocols.words.held import Held, HeldFlows
from roost.protocols.words.macs import Macs
from roost.protocols.words.sightings import News, Sightings
from roost.protocols.words.takes import Takes
from roost.protocols.words.tenures import Tenures
from roost.protocols.words.unable import Unable
from roost.protocols.words.verdict import Ground

__all__ = ["Hearing"]


class Hearing:
    """Hands each word to the part that it is for; what witnesses tell each other is for their machine."""

    def __init__(
        self,
        state: State,
        *,
        leading: Leading,
        own_word: OwnWord,
        caring: Caring,
        passing_on: PassingOn,
        spreading: Spreading,
        virtual: Following,
    ) -> None:
        self._state = state
        self._leading = leading
        self._own_word = own_word
        self._caring = caring
        self._passing_on = passing_on
        self._spreading = spreading
        self._virtual = virtual

    def hear(self, word: Word, now: float) -> None:  # noqa: C901, PLR0912 - one for each word
        """Take what a peer says."""
        match word:
            case Ground(subject) if subject == self._state.me:
                self._state.isolation.accused(now)
            case draining.Ask(sender, node, wish) if node == self._state.me:
                self.carry_out_wish(wish, now)
                self._state.outbox.put(Tell((sender,), self._state.drain.own(now)))
            case draining.Progress():
                self._state.drain.note(word)
            case Sightings(News.STALE, sightings):
                ours = [each for each in sightings if each.vip in self._state.answers.now]
                self._state.outbox.extend(self._state.clients.stale(ours))
                self._state.announcing.correct(ours, now)
            case Sightings(_, sightings):
                self._state.clients.told(sightings)
            case Unable() if self._state.inability.hear(word):
                self._leading.refresh(now)
            case Tenures() if not self._state.may_be_old(now):
                self._state.tenures.hear(word)
            case Fit():
                self._caring.hear(word, now)
            case Held() | HeldFlows():
                if self._passing_on.hear(word, now):
                    self._own_word.describe(now)
                self._spreading.look_again(now)
            case Takes() if self._state.taking.hear(word):
                self._spreading.look_again(now)
            case Fates() if self._state.fates.hear(word, self._state.members, now):
                self._own_word.describe(now)
            case Macs(rows):
                for node, macs in rows:
                    self._state.address_book.note(node, macs)
            case _:
                pass

    def carry_out_wish(self, wish: bool | None, now: float) -> None:  # noqa: FBT001 - a wish is its own name
        """Drain this node as an operator wishes, or no more; None asks how far it is."""
        if self._state.drain.wish(wish, now):
            text = "draining" if self._state.drain.draining else "draining no more"
            self._state.outbox.say(Event(Happening.DRAINING, text))
            self._leading.refresh(now)
            self._virtual.look(now)

"""What follows from how fit nodes are: who is told, what is elected anew, and when somebody has to look.

results of checks, words of peers -> tracking -> elections, words, events
"""

from collections.abc import Collection

from roost.decide.effects import Track
from roost.decide.leading import Leading
from roost.decide.standing.own_word import OwnWord
from roost.decide.state import State
from roost.model.check import Check, Result
from roost.model.event import Event, Happening, Level
from roost.protocols.words.fit import Fit

__all__ = ["Caring"]


class Caring:
    """Follows the checks of this node and the words of the others."""

    def __init__(self, state: State, leading: Leading, own_word: OwnWord) -> None:
        self._state = state
        self._leading = leading
        self._own_word = own_word
        self._wanted: tuple[Check, ...] = ()
        self._sick: frozenset[str] = frozenset()  # services led here though no node is fit

    def take_services(self, now: float) -> frozenset[str]:
        """Follow what is to be checked, before anything is elected.

        Returns the services for which this node's word changed; `tell` has to hear of them afterwards.
        """
        changed = self._state.tracking.take_services(self._state.desired.services, now)
        wanted = self._state.tracking.wanted
        if wanted != self._wanted:
            self._wanted = wanted
            self._state.outbox.put(Track(wanted))
        return changed

    def checked(self, check: Check, result: Result, now: float) -> None:
        """Take the result of a check."""
        self.tell(self._state.tracking.checked(check, result, now), now)

    def hear(self, word: Fit, now: float) -> None:
        """Take what a peer says of itself."""
        if self._state.tracking.hear(word):
            self._leading.refresh(now)

    def wake(self, now: float) -> None:
        """Say again what may not have been heard."""
        if services := self._state.tracking.wake(now):
            self._own_word.tell_fitness(services)
        if self._state.tracking.has_news:
            self._leading.refresh(now)

    def tell(self, services: Collection[str], now: float) -> None:
        """Tell everybody how fit this node is for `services`, and follow that."""
        if not services:
            return
        self._own_word.tell_fitness(services)  # first of all: who takes over begins with it
        for name in sorted(services):
            self._say(name)
        self._leading.refresh(now)

    def _say(self, service: str) -> None:
        fitness = self._state.tracking.own(service)
        facts = {"service": service, "fit": fitness.fit, "weight": fitness.weight, "why": fitness.why}
        if not self._state.tracking.known(service):
            text, level = "not yet known to be fit", Level.DEBUG
        elif not fitness.fit:
            text, level = "unfit: others lead if they can", Level.WARNING
        else:
            text, level = "fit", Level.INFO
        self._state.outbox.say(Event(Happening.FITNESS, text, level, facts))

    def look(self) -> None:
        """Raise an alarm where this node leads what no node is fit for, and end it."""
        election, me = self._state.election, self._state.me
        if not (election.fitness or self._sick):
            return
        sick = frozenset(
            name
            for name, nodes in election.fitness.items()
            if me in nodes
            and not nodes[me].fit
            and (ranking := election.rankings.get(name)) is not None
            and ranking.leader == me
            and self._state.tracking.known(name)
        )
        for name in sorted(sick - self._sick):
            why = self._state.tracking.own(name).why
            text = "no node is fit: this one leads all the same"
            facts = {"service": name, "why": why}
            self._state.outbox.say(Event(Happening.NOBODY_FIT, text, Level.ERROR, facts))
        for name in sorted(self._sick - sick):
            text = "led by a node that is fit again, or no more by this one"
            self._state.outbox.say(Event(Happening.NOBODY_FIT, text, facts={"service": name}))
        self._sick = sick

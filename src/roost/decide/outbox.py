"""Where a decider collects what it wants done."""

from collections.abc import Iterable

from roost.decide.effects import Happened
from roost.model.address import IPAddress, canonical
from roost.model.event import Event, Happening, Level
from roost.protocols.machine import Effect

__all__ = ["Outbox"]


class Outbox:
    """Effects until they are taken, oldest first."""

    def __init__(self) -> None:
        self._effects: list[Effect] = []

    def put(self, effect: Effect) -> None:
        """Add an effect."""
        self._effects.append(effect)

    def extend(self, effects: Iterable[Effect]) -> None:
        """Add effects."""
        self._effects.extend(effects)

    def say(self, event: Event) -> None:
        """Let people and programs know of an event."""
        self._effects.append(Happened(event))

    def happened(
        self, what: Happening, text: str, address: IPAddress, level: Level = Level.INFO, **facts: object
    ) -> None:
        """Let people and programs know of what happened to one address."""
        self.say(Event(what, text, level, {"address": canonical(address), **facts}))

    def take(self) -> list[Effect]:
        """Hand over everything."""
        taken, self._effects = self._effects, []
        return taken

"""Why this node would rather not lead, by its own word.

    lost to the others again and again -> Damping        its source tells nothing any more -> Freshness
    its link is back again, and has to hold for a moment first

It gossips all of them, so that every election passes it over alike. Pure: time comes in.
"""

from collections.abc import Callable
from typing import Final

from roost.decide.standing.damping import Damping
from roost.decide.standing.freshness import Freshness
from roost.model.event import Event, Happening, Level
from roost.protocols.machine import soonest

__all__ = ["Standing"]

_LOOK: Final = 1.0  # seconds between looks at the source
_UNSTEADY: Final = 5.0  # seconds after a flap in which a node that waits leads after the others that do


class Standing:
    """Follows the losses of this node, and its source: `troubled` tells whether that is silent."""

    def __init__(self) -> None:
        self.troubled = False
        self._damping = Damping()
        self._freshness = Freshness()
        self._look: float | None = None
        self._waited = False  # whether it waits, as it was told to the others last
        self.holds_at = float("-inf")  # until then a link that flaps has to hold, whatever peers tell
        self._unsteady = False  # whether it has to hold yet, as the others were told last

    @property
    def blind(self) -> bool:
        """Whether it hears of no changes."""
        return self._freshness.blind

    @property
    def outdated(self) -> bool:
        """Whether it has not heard of changes for long while others have."""
        return self._freshness.outdated

    def waits(self, now: float) -> int:
        """Return how many times it was lost of late, 0 when it need not wait before it leads."""
        return self._damping.losses if self._damping.waiting(now) else 0

    def holds(self, now: float) -> bool:
        """Tell whether its link is to be relied on: it has not flapped a moment ago."""
        return now >= self.holds_at

    def is_steady(self, now: float) -> bool:
        """Tell whether its link is to be relied on more than those of others that were lost as often."""
        return now >= self._steady_at

    def flaps(self, until: float) -> None:
        """Learn that its link flaps, and has to hold until then."""
        self.holds_at, self._unsteady = until, True

    def start(self, now: float) -> None:
        """Begin to look at the source."""
        self._look = now + _LOOK

    def lost(self, now: float, *, anew: bool = False) -> Event | None:
        """Learn that the others had lost this node; return what is to be said if it waits for that.

        `anew` is as `Damping` has it.
        """
        if not self._damping.lost(now, anew=anew):
            return None
        self._waited = True
        return Event(
            Happening.DAMPED,
            "lost to the others again and again: waiting before leading",
            Level.WARNING,
            {"losses": self._damping.losses, "seconds": self._damping.wait},
        )

    def wake(self, now: float, others_hear: Callable[[], bool]) -> tuple[bool, Event | None]:
        """Return (whether what this node says of itself changed, what is to be said about it)."""
        changed, event = False, None
        if self._waited and not self._damping.waiting(now):
            self._waited, changed = False, True
        if self._unsteady and self.is_steady(now):
            self._unsteady, changed = False, True
        if self._look is not None and now >= self._look:
            self._look = now + _LOOK
            if self._freshness.look(now, troubled=self.troubled, others_hear=others_hear):
                changed, event = True, self._event()
        return changed, event

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None before the start."""
        waits = self._damping.until if self._waited else None
        return soonest((self._look, waits, self._steady_at if self._unsteady else None))

    @property
    def _steady_at(self) -> float:
        return self.holds_at + (_UNSTEADY if self._waited else 0.0)

    def _event(self) -> Event:
        if self.outdated:
            text = "others hear of changes and this node does not: it leads only what they cannot"
            return Event(Happening.FRESHNESS, text, Level.WARNING)
        if self.blind:
            text = "this node hears of no changes: it gives way to the claims of peers that do"
            return Event(Happening.FRESHNESS, text, Level.WARNING)
        return Event(Happening.FRESHNESS, "this node hears of changes again")

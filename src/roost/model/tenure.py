"""Who holds a lead that does not go back by itself: all that an election without failback remembers.

A service with `failback` other than always stays with the node that leads it, although a better-ranked one
has come back. So nodes have to agree on more than who is there: on who took the lead last. Each taking of it
has a number, its term. Of two tenures the later one counts, and of two that began at once, as in the two
halves of a network, the one whose node comes first by hash: every node that hears of both decides alike.
"""

import math
from dataclasses import dataclass
from typing import Final

from roost.model.address import IPAddress, canonical
from roost.model.duration import seconds_of
from roost.model.ranking import digest

__all__ = ["ALWAYS", "LONGEST", "NEVER", "Tenure", "failback_of", "failback_text"]

ALWAYS: Final = 0.0  # seconds, as the others
NEVER: Final = math.inf
LONGEST: Final = 86400.0  # of a duration


@dataclass(frozen=True, slots=True)
class Tenure:
    """Node `node` took a lead as the `term`th in turn, from 1; with "" that term is over, and nobody has it.

    Term 0 is the tenure of a node that was away: any other counts more.
    """

    node: str
    term: int

    def beats(self, other: "Tenure | None", address: IPAddress) -> bool:
        """Tell whether this tenure of the lead of `address` counts, and not `other`."""
        if other is None or self.term != other.term:
            return other is None or self.term > other.term
        if "" in (self.node, other.node):
            return not self.node and bool(other.node)
        text = canonical(address)
        return digest(self.node, text) < digest(other.node, text)


def failback_of(text: str) -> float | None:
    """Return the seconds that `always`, `never` or a duration up to a day stands for, else None."""
    words = {"always": ALWAYS, "never": NEVER}
    seconds = words[text] if text in words else seconds_of(text)
    return None if seconds is None or LONGEST < seconds < NEVER else seconds


def failback_text(seconds: float) -> str:
    """Return `failback` as the configuration has it."""
    words = {ALWAYS: "always", NEVER: "never"}
    return words.get(seconds, f"{seconds:g}s")

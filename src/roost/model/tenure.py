"""Who holds a lead that does not go back by itself: all that an election without failback remembers.

A service with `failback` other than always stays with the node that leads it, although a better-ranked one
has come back. So nodes have to agree on more than who is there: on who took the lead last. Each taking of it
has a number, its term. Of two tenures the later one counts, and of two that began at once, as in the two
halves of a network, the one whose node comes first by hash: every node that hears of both decides alike.
"""

import math
from dataclasses import dataclass

from roost.model.address import IPAddress, canonical
from roost.model.ranking import digest

__all__ = ["ALWAYS", "NEVER", "Tenure", "failback_text", "is_kept"]

ALWAYS = 0.0
NEVER = math.inf


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


def is_kept(failback: float) -> bool:
    """Tell whether a lead stays where it is with that `failback` (seconds, as `Service` has it)."""
    return failback > ALWAYS


def failback_text(seconds: float) -> str:
    """Return `failback` as the configuration has it."""
    if not is_kept(seconds):
        return "always"
    return "never" if seconds == NEVER else f"{seconds:g}s"

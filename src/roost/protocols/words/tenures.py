"""Who holds leads that stay where they are."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from roost.model.address import IPAddress
from roost.protocols.words.batches import by_number

__all__ = ["LAST_TERM", "TENURES_LIMIT", "Tenures"]

TENURES_LIMIT: Final = 48  # addresses in a word
LAST_TERM: Final = 1 << 31  # one lead that changes hands every second takes 68 years


@dataclass(frozen=True, slots=True)
class Tenures:
    """Node `node` has taken the lead of these addresses, each with its term (`roost.model.tenure`)."""

    node: str
    rows: tuple[tuple[IPAddress, int], ...]

    @classmethod
    def batches(cls, node: str, rows: Iterable[tuple[IPAddress, int]]) -> "list[Tenures]":
        """Return as many words as it takes for messages that fit into a packet each."""
        return [cls(node, batch) for batch in by_number(rows, TENURES_LIMIT)]

"""Which hardware addresses belong to which nodes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from roost.protocols.words.batches import by_room

__all__ = ["MACS_LIMIT", "ROWS_LIMIT", "Macs"]

ROWS_LIMIT: Final = 16  # rows in a word
MACS_LIMIT: Final = 8  # hardware addresses in a row


@dataclass(frozen=True, slots=True)
class Macs:
    """Nodes with hardware addresses of theirs, 6 bytes each; no row says that a node has no others."""

    rows: tuple[tuple[str, tuple[bytes, ...]], ...]

    @classmethod
    def batches(cls, rows: Iterable[tuple[str, tuple[bytes, ...]]]) -> "list[Macs]":
        """Return as many words as it takes for messages that fit; a node with many takes several rows."""
        parts = (
            (name, macs[at : at + MACS_LIMIT])
            for name, macs in rows
            for at in range(0, len(macs), MACS_LIMIT)
        )
        return [cls(batch) for batch in by_room(parts, ROWS_LIMIT, _size)]


def _size(row: tuple[str, tuple[bytes, ...]]) -> int:
    """Return how many bytes a row takes in a message, with msgpack's own."""
    name, macs = row
    return len(name.encode(errors="replace")) + 8 * len(macs) + 5

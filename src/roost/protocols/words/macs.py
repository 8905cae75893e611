"""Which hardware addresses belong to which nodes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

__all__ = ["MACS_LIMIT", "ROWS_LIMIT", "Macs"]

ROWS_LIMIT: Final = 16  # rows in a word
MACS_LIMIT: Final = 8  # hardware addresses in a row
_ROOM: Final = 1300  # bytes of rows in a message


@dataclass(frozen=True, slots=True)
class Macs:
    """Nodes with hardware addresses of theirs, 6 bytes each; no row says that a node has no others."""

    rows: tuple[tuple[str, tuple[bytes, ...]], ...]

    @classmethod
    def batches(cls, rows: Iterable[tuple[str, tuple[bytes, ...]]]) -> "list[Macs]":
        """Return as many words as it takes for messages that fit; a node with many takes several rows."""
        words: list[Macs] = []
        batch: list[tuple[str, tuple[bytes, ...]]] = []
        room = _ROOM
        for name, macs in rows:
            for at in range(0, len(macs), MACS_LIMIT):
                part = macs[at : at + MACS_LIMIT]
                size = len(name.encode(errors="replace")) + 8 * len(part) + 5  # with msgpack's own bytes
                if batch and (size > room or len(batch) == ROWS_LIMIT):
                    words.append(cls(tuple(batch)))
                    batch, room = [], _ROOM
                batch.append((name, part))
                room -= size
        return [*words, cls(tuple(batch))] if batch else words

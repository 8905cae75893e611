"""How well a node can serve some services now."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from roost.model.fitness import Fitness
from roost.protocols.words.batches import by_room

__all__ = ["FIT_LIMIT", "WHY_SIZE", "Fit", "FitRow"]

FIT_LIMIT: Final = 32  # rows in a word
WHY_SIZE: Final = 100  # bytes of a reason


@dataclass(frozen=True, slots=True)
class FitRow:
    """Replaces what the node said of this `service` with a smaller `serial`: messages overtake each other."""

    service: str
    fitness: Fitness
    serial: int


@dataclass(frozen=True, slots=True)
class Fit:
    """What `node` says of some services; of others it says nothing."""

    node: str
    rows: tuple[FitRow, ...]

    @classmethod
    def batches(cls, node: str, rows: Iterable[FitRow]) -> "Iterator[Fit]":
        """Yield as many words as it takes for messages that fit."""
        return (cls(node, batch) for batch in by_room(rows, FIT_LIMIT, _size))


def _size(row: FitRow) -> int:
    """Return how many bytes a row takes in a message, with msgpack's own."""
    why = min(len(row.fitness.why.encode(errors="replace")), WHY_SIZE)
    return len(row.service.encode(errors="replace")) + why + 25

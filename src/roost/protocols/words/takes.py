"""Which connections a node takes that others spread over the nodes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from roost.model.address import IPAddress
from roost.protocols.words.batches import by_number

__all__ = ["TAKES_LIMIT", "Takes"]

TAKES_LIMIT: Final = 50  # addresses in a word


@dataclass(frozen=True, slots=True)
class Takes:
    """For each address whether `node` takes connections; of words about one the highest `serial` counts."""

    node: str
    rows: tuple[tuple[IPAddress, bool], ...]
    serial: int = 0

    @classmethod
    def batches(cls, node: str, rows: Sequence[tuple[IPAddress, bool]], serial: int) -> "Iterator[Takes]":
        """Yield as many words as it takes for messages that fit."""
        return (cls(node, batch, serial) for batch in by_number(rows, TAKES_LIMIT))

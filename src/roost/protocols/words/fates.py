"""What became of members that are there no more: lost, or gone on purpose."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from roost.model.node import Verdict
from roost.protocols.machine import Endpoint
from roost.protocols.words.batches import by_room

__all__ = ["FATES_LIMIT", "Fate", "Fates"]

FATES_LIMIT: Final = 16  # rows in a word
_EVIDENCE: Final = 120  # bytes


@dataclass(frozen=True, slots=True)
class Fate:
    """`node` is lost with that verdict, or gone on purpose (None): it left, or was told to be forgotten.

    `turn` counts how often the node was lost, gone, or back: of two words the later one counts. `endpoint` is
    where it was.
    """

    node: str
    turn: int
    verdict: Verdict | None
    endpoint: Endpoint | None = None
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Fates:
    """The fates of some members, as many as fit into a message; see `batches`."""

    rows: tuple[Fate, ...]

    @classmethod
    def batches(cls, fates: Iterable[Fate]) -> "list[Fates]":
        """Return as many words as it takes for messages that fit into a packet each."""
        return [cls(batch) for batch in by_room(fates, FATES_LIMIT, _size)]


def _size(fate: Fate) -> int:
    """Return how many bytes a fate takes in a message at most."""
    evidence = min(len(fate.evidence.encode(errors="replace")), _EVIDENCE)
    return len(fate.node.encode(errors="replace")) + evidence + 60  # address, port, turn, verdict

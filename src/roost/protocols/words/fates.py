"""What became of members that are there no more: lost, or gone on purpose."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from roost.model.node import Verdict
from roost.protocols.machine import Endpoint

__all__ = ["FATES_LIMIT", "Fate", "Fates"]

FATES_LIMIT: Final = 16  # rows in a word
_ROOM: Final = 1300  # bytes of rows in a message
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
        words: list[Fates] = []
        batch: list[Fate] = []
        room = _ROOM
        for fate in fates:
            evidence = min(len(fate.evidence.encode(errors="replace")), _EVIDENCE)
            size = len(fate.node.encode(errors="replace")) + evidence + 60  # address, port, turn, verdict
            if batch and (size > room or len(batch) == FATES_LIMIT):
                words.append(cls(tuple(batch)))
                batch, room = [], _ROOM
            batch.append(fate)
            room -= size
        return [*words, cls(tuple(batch))] if batch else words

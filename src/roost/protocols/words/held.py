"""Connections that a node still holds for addresses that another one answers for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from roost.model.address import IPAddress
from roost.model.flow import Flow
from roost.protocols.words.batches import by_number

__all__ = ["FLOWS_LIMIT", "HELD_LIMIT", "Held", "HeldFlows", "HeldRow"]

HELD_LIMIT: Final = 40  # addresses in a word
FLOWS_LIMIT: Final = 30  # flows in a word


@dataclass(frozen=True, slots=True)
class HeldRow:
    """`connections` are open, flows of UDP among them, 0 when none is left, for `seconds` more at most."""

    address: IPAddress
    connections: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Held:
    """What `node` holds of some addresses; of others it says nothing. `hearsay`: another node says so."""

    node: str
    rows: tuple[HeldRow, ...]
    hearsay: bool = False

    @classmethod
    def batches(cls, node: str, rows: Sequence[HeldRow], *, hearsay: bool = False) -> "Iterator[Held]":
        """Yield as many words as it takes for messages that fit."""
        return (cls(node, batch, hearsay) for batch in by_number(rows, HELD_LIMIT))


@dataclass(frozen=True, slots=True)
class HeldFlows:
    """Some flows of UDP that `node` holds: a packet of UDP does not tell whether a flow begins with it."""

    node: str
    flows: tuple[Flow, ...]

    @classmethod
    def batches(cls, node: str, flows: Sequence[Flow]) -> "Iterator[HeldFlows]":
        """Yield as many words as it takes for messages that fit."""
        return (cls(node, batch) for batch in by_number(flows, FLOWS_LIMIT))

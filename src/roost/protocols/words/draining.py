"""Asking a node to drain and hearing how far it is."""

from dataclasses import dataclass

__all__ = ["Ask", "Progress"]


@dataclass(frozen=True, slots=True)
class Ask:
    """`sender` wishes that `node` drains or does so no more; None only asks how far it is."""

    sender: str
    node: str
    wish: bool | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far `node` is: addresses that it leads, packets for lost addresses so far, seconds without any."""

    node: str
    draining: bool
    leads: int
    packets: int
    quiet: float

"""What a node cannot hold now, whatever its rank."""

from dataclasses import dataclass
from typing import Final

from roost.model.address import IPAddress

__all__ = ["UNABLE_LIMIT", "Unable"]

UNABLE_LIMIT: Final = 64  # addresses in a word


@dataclass(frozen=True, slots=True)
class Unable:
    """All addresses that `node` cannot hold now; none: it can hold any.

    Replaces its words of a smaller `serial`: messages overtake each other.
    """

    node: str
    addresses: tuple[IPAddress, ...]
    serial: int = 0

"""What speakers tell each other about clients."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from roost.model.address import IPAddress
from roost.protocols.words.batches import by_number

__all__ = ["News", "Sighting", "Sightings"]

_BATCH: Final = 25  # sightings in a message: 48 bytes each at most


class News(Enum):
    """What is said of the clients."""

    KNOWN = "clients"  # they use the address: tell them when it moves
    STALE = "stale"  # they still send to the old node: tell them now


@dataclass(frozen=True, slots=True)
class Sighting:
    """A client that uses the service address `vip`: its own address and hardware address (6 bytes)."""

    vip: IPAddress
    client: IPAddress
    mac: bytes


@dataclass(frozen=True, slots=True)
class Sightings:
    """The same news of some clients, as many as fit into a message; see `batches`."""

    news: News
    sightings: tuple[Sighting, ...]

    @classmethod
    def batches(cls, news: News, sightings: Iterable[Sighting]) -> "list[Sightings]":
        """Return as many words as it takes for messages that fit into a packet each."""
        return [cls(news, batch) for batch in by_number(sightings, _BATCH)]

"""What speakers tell each other about clients, as memberlist user messages.

    ["roost", kind, [[vip, client, mac], ...]]        in msgpack; addresses are 4 or 16 bytes, network order

Peers that are no Roost nodes drop user messages that they do not know.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import Final

import msgpack

from roost.model.address import IPAddress
from roost.protocols.errors import PacketError

__all__ = ["News", "Sighting", "decode", "encode"]

_MARK: Final = "roost"
_LIMIT: Final = 1400  # bytes: one packet
_BATCH: Final = 25  # sightings in a message: 48 bytes each at most
_MAC_SIZE: Final = 6  # bytes


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


def encode(news: News, sightings: Iterable[Sighting]) -> list[bytes]:
    """Return the payloads of as many user messages as it takes."""
    rows = [[each.vip.packed, each.client.packed, each.mac] for each in sightings]
    starts = range(0, len(rows), _BATCH)
    return [msgpack.packb([_MARK, news.value, rows[at : at + _BATCH]]) for at in starts]


def decode(payload: bytes) -> tuple[News, tuple[Sighting, ...]]:
    """Read a user message; raises PacketError for anything else than sightings."""
    if len(payload) > _LIMIT:
        raise PacketError(f"user message of {len(payload)} bytes")
    try:
        mark, kind, rows = msgpack.unpackb(payload)
        if mark != _MARK:
            raise PacketError("not a message of Roost")
        return News(kind), tuple(_sighting(*row) for row in rows)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise PacketError(f"no sightings: {error}") from None


def _sighting(vip: object, client: object, mac: object) -> Sighting:
    if not (isinstance(vip, bytes) and isinstance(client, bytes) and isinstance(mac, bytes)):
        raise PacketError("a sighting has three byte strings")
    if len(vip) != len(client) or len(mac) != _MAC_SIZE or mac[0] & 1:
        raise PacketError("a sighting of another family, or of no station")
    return Sighting(ip_address(vip), ip_address(client), mac)

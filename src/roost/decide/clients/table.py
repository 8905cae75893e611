"""The clients known to use each service address: a bounded table, for telling them by unicast. Pure."""

from collections.abc import Collection, Iterator
from typing import Final

from roost.model.address import IPAddress
from roost.protocols.words.sightings import Sighting

__all__ = ["ClientTable"]

_TOTAL: Final = 4096  # sightings over all addresses
_PER_ADDRESS: Final = 512


class ClientTable:
    """Who was seen to ask for which address; those not seen for longest give way.

    There is no time limit: a client that is always served never asks again.
    """

    def __init__(self) -> None:
        self._clients: dict[IPAddress, dict[IPAddress, bytes]] = {}  # vip -> client -> mac, the latest last
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def addresses(self) -> Collection[IPAddress]:
        """The service addresses that some client was seen to ask for."""
        return self._clients.keys()

    def note(self, sighting: Sighting) -> bool:
        """Remember a sighting; tells whether the client is new, or has another hardware address now."""
        clients = self._clients.setdefault(sighting.vip, {})
        before = clients.pop(sighting.client, None)
        clients[sighting.client] = sighting.mac
        if before is None:
            self._count += 1
            self._make_room(clients)
        return before != sighting.mac

    def of(self, vips: Collection[IPAddress]) -> Iterator[Sighting]:
        """Yield the clients of `vips`, for each address the one seen last first."""
        for vip in vips:
            for client, mac in reversed(self._clients.get(vip, {}).items()):
                yield Sighting(vip, client, mac)

    def keep(self, vips: Collection[IPAddress]) -> None:
        """Forget the clients of all other addresses."""
        for gone in self._clients.keys() - set(vips):
            self._count -= len(self._clients.pop(gone))

    def _make_room(self, clients: dict[IPAddress, bytes]) -> None:
        if self._count > _TOTAL:
            clients = max(self._clients.values(), key=len)
        elif len(clients) <= _PER_ADDRESS:
            return
        del clients[next(iter(clients))]
        self._count -= 1

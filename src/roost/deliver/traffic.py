"""Packets for the addresses that are answered here, counted by the kernel while somebody looks.

Nothing is counted, and nothing costs, until `look` is called, nor some seconds after the last call.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Final

from roost.deliver.meters import LinkMeters, sender
from roost.model.address import IPAddress
from roost.model.link import Link
from roost.protocols.errors import PacketError

__all__ = ["Traffic"]

_LOOKED_AT: Final = 10.0  # seconds after the last look


class Traffic:
    """Counts for each address since somebody began to look."""

    def __init__(self) -> None:
        self._meters = LinkMeters(self._note)
        self._shown: Counter[IPAddress] = Counter()  # of the link that is read
        self._counts: Counter[IPAddress] = Counter()
        self._end: asyncio.TimerHandle | None = None

    def look(self, addresses: Collection[IPAddress], links: Collection[Link]) -> Mapping[IPAddress, int]:
        """Return the packets so far for each of `addresses` that came in on `links`.

        The kernel counts all packets and shows some: of many, each address gets its share of those shown.
        Raises CapabilityError.
        """
        self._meters.follow(addresses, links)
        for packets in self._meters.read():
            self._take(packets)
        if self._end is not None:
            self._end.cancel()
        self._end = asyncio.get_running_loop().call_later(_LOOKED_AT, self.close)
        return {address: self._counts[address] for address in addresses}

    def close(self) -> None:
        """Count nothing any more."""
        if self._end is not None:
            self._end.cancel()
            self._end = None
        self._meters.close()
        self._counts.clear()

    def _take(self, packets: int) -> None:
        total = sum(self._shown.values())
        for address, count in self._shown.items():
            self._counts[address] += round(packets * count / total)
        self._shown.clear()

    def _note(self, data: bytes) -> None:
        try:
            self._shown[sender(data).vip] += 1
        except PacketError:
            return

"""Packets for the addresses that are answered here, counted by the kernel while somebody looks.

Nothing is counted, and nothing costs, until `look` is called, nor some seconds after the last call.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from functools import partial
from typing import Final

from roost.deliver.meters import sender
from roost.model.address import IPAddress
from roost.model.link import Link
from roost.protocols.errors import PacketError
from roost.runtime.traffic_meter import TrafficMeter

__all__ = ["Traffic"]

_LOOKED_AT: Final = 10.0  # seconds after the last look


class Traffic:
    """Counts for each address since somebody began to look."""

    def __init__(self) -> None:
        self._meters: dict[Link, TrafficMeter] = {}
        self._shown: dict[Link, Counter[IPAddress]] = {}
        self._addresses: frozenset[IPAddress] = frozenset()
        self._counts: Counter[IPAddress] = Counter()
        self._end: asyncio.TimerHandle | None = None

    def look(self, addresses: Collection[IPAddress], links: Collection[Link]) -> Mapping[IPAddress, int]:
        """Return the packets so far for each of `addresses` that came in on `links`.

        The kernel counts all packets and shows some: of many, each address gets its share of those shown.
        Raises CapabilityError.
        """
        self._follow(frozenset(addresses), set(links) if addresses else set())
        for link, meter in self._meters.items():
            self._take(meter.read(), self._shown[link])
        if self._end is not None:
            self._end.cancel()
        self._end = asyncio.get_running_loop().call_later(_LOOKED_AT, self.close)
        return {address: self._counts[address] for address in addresses}

    def close(self) -> None:
        """Count nothing any more."""
        if self._end is not None:
            self._end.cancel()
            self._end = None
        for meter in self._meters.values():
            meter.close()
        self._meters.clear()
        self._shown.clear()
        self._counts.clear()

    def _follow(self, addresses: frozenset[IPAddress], links: set[Link]) -> None:
        for link in self._meters.keys() - links:
            self._meters.pop(link).close()
            del self._shown[link]
        if addresses != self._addresses:
            self._addresses = addresses
            for meter in self._meters.values():
                meter.set_addresses(addresses)
        for link in links - self._meters.keys():
            shown: Counter[IPAddress] = Counter()
            try:
                self._meters[link] = TrafficMeter(link, addresses, partial(_note, shown))
            except OSError:  # gone since netlink told of it; it will tell that too
                continue
            self._shown[link] = shown

    def _take(self, packets: int, shown: Counter[IPAddress]) -> None:
        total = sum(shown.values())
        for address, count in shown.items():
            self._counts[address] += round(packets * count / total)
        shown.clear()


def _note(shown: Counter[IPAddress], data: bytes) -> None:
    try:
        shown[sender(data).vip] += 1
    except PacketError:
        return

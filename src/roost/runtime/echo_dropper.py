"""Keeping the kernel from forwarding echo requests that this process answers.

To the kernel a service address is some other host of the link: it would pass the request on, ask the LAN for
the address, and tell the client of redirects and unreachable hosts beside the answer. Packet sockets hear a
frame before nftables drops it.
"""

import logging
import math
import socket
import struct
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from roost.model.address import IPAddress
from roost.runtime import nftables as nft

__all__ = ["EchoDropper"]

_log = logging.getLogger("roost.runtime")

_TABLE: Final = "roost_ping"
_RAW: Final = -300  # NF_IP_PRI_RAW: before connection tracking


@dataclass(frozen=True, slots=True)
class _Family:
    """What differs between IPv4 and IPv6: where the destination is, and how an echo request looks."""

    version: int
    family: int
    address: nft.Field
    target: int  # offset in bytes
    protocol: int
    request: int  # type


_FAMILIES: Final = (
    _Family(4, socket.AF_INET, nft.Field(7, 4), 16, socket.IPPROTO_ICMP, 8),
    _Family(6, socket.AF_INET6, nft.Field(8, 16), 24, socket.IPPROTO_ICMPV6, 128),
)


class EchoDropper:
    """Drops echo requests for some addresses that come in on some links, by a table for each family.

    Where nftables is missing or CAP_NET_ADMIN is, that is logged once and nothing is dropped. The kernel
    takes the tables away with the process (Linux 5.12).
    """

    def __init__(self) -> None:
        self._tables = [_Table(family) for family in _FAMILIES]
        self._complained = False

    def want(self, links: Collection[int], addresses: Collection[IPAddress]) -> None:
        """Drop what comes in for exactly these `addresses` on the links with these indexes from now on."""
        try:
            for table in self._tables:
                table.follow(links, addresses)
        except OSError as error:
            self._complain(error)

    def close(self) -> None:
        """Drop nothing any more."""
        for table in self._tables:
            table.close()

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            self._complained = True
            _log.warning(
                "pings are answered, and the kernel forwards them as well, so that clients hear of redirects "
                "and unreachable hosts beside the answers: %s",
                nft.cause(error),
            )


class _Table:
    """The table of one family; methods raise OSError."""

    def __init__(self, family: _Family) -> None:
        self._family = family
        self._table = nft.NfTables(_TABLE, family.family)
        self._links = nft.Set("links", (nft.LINK,))
        self._addresses = nft.Set("addresses", (family.address,))
        self._there = False
        self._done: tuple[frozenset[int], frozenset[IPAddress]] = (frozenset(), frozenset())

    def follow(self, links: Collection[int], addresses: Collection[IPAddress]) -> None:
        """Drop exactly this from now on."""
        mine = frozenset(each for each in addresses if each.version == self._family.version)
        wanted = (frozenset(links), mine)
        if wanted == self._done or not (self._there or all(wanted)):
            return
        try:
            if not self._there:
                self._table.replace((self._links, self._addresses), (self._chain(),))
                self._there, self._done = True, (frozenset(), frozenset())
            self._fill(*wanted)
        except OSError:
            self._there = False  # the next time begins anew
            raise
        self._done = wanted

    def close(self) -> None:
        """Take the table away."""
        if self._there:
            with suppress(OSError):
                self._table.remove()
        self._there, self._done = False, (frozenset(), frozenset())
        self._table.close()

    def _fill(self, links: frozenset[int], addresses: frozenset[IPAddress]) -> None:
        before_links, before = self._done
        if before_links == links and before <= addresses:  # many addresses come one by one
            self._table.add(self._addresses, _packed(addresses - before), math.inf)
        else:
            indexes = [(struct.pack("=I", index), b"") for index in sorted(links)]
            self._table.fill([(self._links, indexes), (self._addresses, _packed(addresses))], math.inf)

    def _chain(self) -> nft.Chain:
        family = self._family
        requests = (
            *nft.protocol(family.protocol),
            nft.load_payload(2, 0, 1),
            nft.equals(bytes([family.request])),
            nft.load_payload(1, family.target, family.address.size),
            nft.in_set(self._addresses),
            nft.load_meta(nft.INCOMING),
            nft.in_set(self._links),
            nft.verdict(nft.DROP),
        )
        return nft.Chain("prerouting", (requests,), _RAW)


def _packed(addresses: Collection[IPAddress]) -> list[tuple[bytes, bytes]]:
    return [(address.packed, b"") for address in addresses]

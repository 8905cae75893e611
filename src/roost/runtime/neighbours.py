"""Teaching this host's kernel where clients are, as it learns from requests for its own addresses (RFC 826).

The kernel does not see the requests that Roost answers. Without this a successor would have to ask for each
client first, and never hear from those that ignore broadcasts.
"""

import asyncio
import logging
import socket
import struct
from typing import Final

from pyroute2.iproute import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl.ndmsg import NUD_STALE

from roost.model.address import IPAddress, canonical
from roost.runtime.netlink import REQUEST, NetlinkSocket, attribute, message

__all__ = ["FixedNeighbours", "Neighbours"]

_log = logging.getLogger(__name__)

_QUEUE: Final = 256  # neighbours waiting; more at once are left to the kernel
_GAP: Final = 0.005  # seconds after each: a flood of forged requests must not fill the kernel's table

_NEW: Final = 28  # RTM_NEWNEIGH
_CREATE_OR_REPLACE: Final = 0x400 | 0x100
_NO_ARP: Final = 0x40  # NUD_NOARP: taken as it is, and forgotten by the kernel some time after its last use

Neighbour = tuple[int, IPAddress, bytes]


class Neighbours:
    """Adds neighbours that the kernel does not know or is looking for; what it knows already it keeps."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Neighbour] = asyncio.Queue(_QUEUE)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; needs a running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._teach())

    def learn(self, link: int, address: IPAddress, mac: bytes) -> None:
        """Soon tell the kernel that `address` is at `mac` (6 bytes) on the link with index `link`."""
        if not self._waiting.full():
            self._waiting.put_nowait((link, address, mac))

    def close(self) -> None:
        """Stop; what waits is forgotten."""
        if self._task is not None:
            self._task.cancel()

    async def _teach(self) -> None:
        async with AsyncIPRoute() as route:
            while True:
                link, address, mac = await self._waiting.get()
                try:
                    # "append" is NLM_F_CREATE without NLM_F_EXCL and NLM_F_REPLACE: it fills an entry that
                    # waits for an answer, and leaves a valid one alone.
                    await route.neigh(
                        "append", dst=canonical(address), lladdr=mac.hex(":"), ifindex=link, state=NUD_STALE
                    )
                except (NetlinkError, OSError) as error:  # its link is gone, or the table is full
                    _log.debug("neighbour %s not taken: %s", address, error)
                await asyncio.sleep(_GAP)


class FixedNeighbours:
    """Neighbours that nobody is asked about: next hops whose hardware address is known otherwise."""

    def __init__(self) -> None:
        self._socket = NetlinkSocket(socket.NETLINK_ROUTE)

    def set(self, link: int, address: IPAddress, mac: bytes) -> None:
        """Let `address` be at `mac` (6 bytes) on the link with index `link`. Raises OSError."""
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        body = struct.pack("=BxHiHBB", family, 0, link, _NO_ARP, 0, 0)
        body += attribute(1, address.packed) + attribute(2, mac)
        self._socket.transact([message(_NEW, REQUEST | _CREATE_OR_REPLACE, body)])

    def close(self) -> None:
        """Give the socket back; the neighbours stay until the kernel forgets them."""
        self._socket.close()

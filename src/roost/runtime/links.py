"""Network links of this host as values, and a live view of them over rtnetlink (rtnetlink(7)).

`LinkWatcher` dumps links and addresses once, then follows the kernel's notifications. The kernel drops
notifications when they are not read in time and says so once (ENOBUFS); nothing can be trusted then but a
new dump, which is also the answer to every other fault.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import replace
from ipaddress import ip_interface
from typing import Any, Final

from pyroute2.iproute import AsyncIPRoute
from pyroute2.netlink import NLM_F_DUMP, NLM_F_REQUEST
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl import (
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_GETADDR,
    RTM_GETLINK,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTMGRP_IPV4_IFADDR,
    RTMGRP_IPV6_IFADDR,
    RTMGRP_LINK,
)
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from roost.model.link import Interface, Link

__all__ = ["LinkWatcher", "links_now", "on_host"]

_log = logging.getLogger(__name__)

_GROUPS: Final = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR
_RECEIVE_BUFFER: Final = 4 << 20  # bytes: holds the burst of some 2,000 links appearing at once
_SO_RCVBUFFORCE: Final = 33  # socket(7): beyond net.core.rmem_max, for CAP_NET_ADMIN
_SKIP_STATISTICS: Final = 1 << 3  # RTEXT_FILTER_SKIP_STATS: counters are half of a link's message
_DUMP_DEADLINE: Final = 30.0  # seconds
_COALESCE: Final = 0.003  # seconds in which changes are gathered into one call
_RETRY_FIRST: Final = 0.1  # seconds before the first attempt after a fault, doubled up to:
_RETRY_LAST: Final = 5.0

_IFF_UP: Final = 1 << 0
_IFF_BROADCAST: Final = 1 << 1
_IFF_LOOPBACK: Final = 1 << 3
_IFF_NOARP: Final = 1 << 7
_IFF_LOWER_UP: Final = 1 << 16
_MAC_LENGTH: Final = 6  # bytes


def on_host(links: Iterable[Link]) -> tuple[list[tuple[str, Interface]], list[str]]:
    """Return every address of `links` as (link's name, address), and all links' names."""
    found = tuple(links)
    local = [(each.name, address) for each in found for address in each.addresses]
    return local, [each.name for each in found]


def links_now() -> tuple[Link, ...]:
    """Return the links of this host, for those who have no event loop. Raises OSError."""

    async def look() -> tuple[Link, ...]:
        watcher = LinkWatcher()
        await watcher.start()
        await watcher.stop()
        return watcher.links

    try:
        return asyncio.run(look())
    except NetlinkError as error:
        raise OSError(error.code, os.strerror(error.code)) from error


class _Table:
    """Links and addresses as the kernel's messages describe them."""

    def __init__(self) -> None:
        self._links: dict[int, Link] = {}
        self.gone: set[int] = set()  # indexes of links that went, whatever has come in their places

    def apply(self, message: Mapping[str, Any]) -> bool:
        """Take in one message of a dump or a notification; returns whether anything changed."""
        kind = message["header"]["type"]
        if kind in (RTM_NEWLINK, RTM_DELLINK):
            return self._apply_link(message, gone=kind == RTM_DELLINK)
        if kind in (RTM_NEWADDR, RTM_DELADDR):
            return self._apply_address(message, gone=kind == RTM_DELADDR)
        return False

    def _apply_link(self, message: Mapping[str, Any], *, gone: bool) -> bool:
        # AF_BRIDGE messages tell of ports: their RTM_DELLINK says that a port left its bridge, no more.
        # Messages without a name carry one event of a driver (wireless), not the link.
        if message["family"] != socket.AF_UNSPEC or message.get("IFLA_IFNAME") is None:
            return False
        index = int(message["index"])
        if gone:
            self.gone.add(index)
            return self._links.pop(index, None) is not None
        old = self._links.get(index)
        link = _link(message, old.addresses if old is not None else ())
        self._links[index] = link
        return link != old

    def _apply_address(self, message: Mapping[str, Any], *, gone: bool) -> bool:
        # On point-to-point links IFA_ADDRESS is the peer's and IFA_LOCAL ours; IPv6 often has the first only.
        local = message.get("IFA_LOCAL") or message.get("IFA_ADDRESS")
        link = self._links.get(int(message["index"]))
        if local is None or link is None:
            return False
        interface = ip_interface((local, message["prefixlen"]))
        if (interface in link.addresses) != gone:
            return False
        if gone:
            addresses = tuple(each for each in link.addresses if each != interface)
        else:
            addresses = (*link.addresses, interface)  # the kernel's order: primary first
        self._links[link.index] = replace(link, addresses=addresses)
        return True

    def snapshot(self) -> tuple[Link, ...]:
        """Return the links in the order of their indexes."""
        return tuple(self._links[index] for index in sorted(self._links))


class LinkWatcher:
    """Follows links and their addresses in the network namespace of the thread that starts it.

    `on_change` is called with the new snapshot at most once per 10 ms, only when something differs.
    `resyncs` counts how often notifications were lost or unreadable and everything was dumped again.
    """

    def __init__(
        self,
        on_change: Callable[[tuple[Link, ...]], None] | None = None,
        *,
        receive_buffer: int = _RECEIVE_BUFFER,
    ) -> None:
        self._on_change = on_change
        self._receive_buffer = receive_buffer
        self._table = _Table()
        self._links: tuple[Link, ...] | None = ()
        self._reported: tuple[Link, ...] = ()
        self._task: asyncio.Task[None] | None = None
        self._pending: asyncio.TimerHandle | None = None
        self.resyncs = 0

    @property
    def links(self) -> tuple[Link, ...]:
        """The links now, sorted by index; the same tuple until something changes."""
        if self._links is None:
            self._links = self._table.snapshot()
        return self._links

    async def start(self) -> None:
        """Dump everything and follow from then on; raises OSError or NetlinkError when the kernel refuses."""
        route = await self._open()
        self._reported = self.links
        self._task = asyncio.create_task(self._run(route), name="links")

    async def stop(self) -> None:
        """Stop following; the last snapshot stays readable."""
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self, route: AsyncIPRoute | None) -> None:
        delay = _RETRY_FIRST
        while True:
            try:
                if route is None:
                    route = await self._open()
                    self._changed()
                delay = _RETRY_FIRST
                await self._follow(route)
            # Whatever the library raises on bytes it does not know, following must go on.
            except Exception as error:  # noqa: BLE001
                self.resyncs += 1
                _log.warning("network links: %r; reading all of them again", error)
            finally:
                if route is not None:
                    route.close()
                route = None
            await asyncio.sleep(delay)
            delay = min(2 * delay, _RETRY_LAST)

    async def _open(self) -> AsyncIPRoute:
        """Subscribe, then dump: what changes in between arrives as a notification after the dump."""
        route = AsyncIPRoute()
        try:
            # Without the capability the library's own, smaller buffer stays.
            with contextlib.suppress(PermissionError):
                route.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, self._receive_buffer)
            await route.bind(groups=_GROUPS)
            table = _Table()
            async with asyncio.timeout(_DUMP_DEADLINE):
                async for message in _dump(route):
                    table.apply(message)
        except BaseException:
            route.close()
            raise
        self._table = table
        self._links = None
        return route

    async def _follow(self, route: AsyncIPRoute) -> None:
        while True:
            async for message in route.get():  # one datagram at a time; other tasks run in between
                if self._table.apply(message):
                    self._changed()

    def _changed(self) -> None:
        self._links = None
        if self._pending is None and self._on_change is not None:
            self._pending = asyncio.get_running_loop().call_later(_COALESCE, self._report)

    def _report(self) -> None:
        self._pending = None
        gone, self._table.gone = self._table.gone, set()
        # One that has another's index and name is told apart: what was bound to that one is dead.
        for links in (tuple(each for each in self.links if each.index not in gone), self.links):
            if links == self._reported or self._on_change is None:
                continue  # there and back within the burst
            self._reported = links
            try:
                self._on_change(links)
            except Exception:  # noqa: BLE001 - a listener's mistake must not end the view of the links
                _log.exception("network links: the listener failed")


async def _dump(route: AsyncIPRoute) -> AsyncIterator[Mapping[str, Any]]:
    links = ifinfmsg()
    links["attrs"].append(["IFLA_EXT_MASK", _SKIP_STATISTICS])
    for query, kind in ((links, RTM_GETLINK), (ifaddrmsg(), RTM_GETADDR)):
        async for message in await route.nlm_request(query, kind, NLM_F_REQUEST | NLM_F_DUMP):
            yield message


def _link(message: Mapping[str, Any], addresses: tuple[Interface, ...]) -> Link:
    flags = int(message["flags"])
    info = message.get("IFLA_LINKINFO")
    return Link(
        index=int(message["index"]),
        name=str(message.get("IFLA_IFNAME")),
        mac=_mac(message.get("IFLA_ADDRESS")),
        up=bool(flags & _IFF_UP),
        carrier=bool(flags & _IFF_LOWER_UP),
        broadcast=bool(flags & _IFF_BROADCAST),
        no_arp=bool(flags & _IFF_NOARP),
        loopback=bool(flags & _IFF_LOOPBACK),
        kind=(info.get("IFLA_INFO_KIND") or "") if info is not None else "",
        master=message.get("IFLA_MASTER"),
        master_kind=(info.get("IFLA_INFO_SLAVE_KIND") or "") if info is not None else "",
        mtu=message.get("IFLA_MTU") or 0,
        addresses=addresses,
    )


def _mac(text: str | None) -> bytes:
    """Read colon-separated hex; tunnels and InfiniBand have other lengths, loopback has zeros: no MAC."""
    try:
        mac = bytes.fromhex((text or "").replace(":", ""))
    except ValueError:
        return b""
    return mac if len(mac) == _MAC_LENGTH and any(mac) else b""

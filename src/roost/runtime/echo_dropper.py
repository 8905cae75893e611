"""Keeping the kernel from forwarding echo requests that this process answers.

To the kernel a service address is some other host of the link: it would pass the request on, ask the LAN for
the address, and tell the client of redirects and unreachable hosts beside the answer. Packet sockets hear a
frame before nftables drops it.
"""

import asyncio
import logging
import re
from collections.abc import Collection
from typing import Final

from roost.model.address import IPAddress

__all__ = ["EchoDropper"]

_log = logging.getLogger("roost.runtime")

_TABLE: Final = "inet roost_ping"
_TOGETHER: Final = 0.02  # seconds in which changes become one
_NAME: Final = re.compile(r"[\w.@-]{1,15}")  # interfaces whose names nft takes between quotes
_AGAIN: Final = 0.2  # seconds before the second try
_PATIENCE: Final = 5.0  # seconds that nft may take

_Dropped = tuple[frozenset[str], frozenset[IPAddress]]  # names of links, addresses


class EchoDropper:
    """Drops echo requests for some addresses that come in on some links; works beside the caller.

    Where nft is missing or CAP_NET_ADMIN is, that is logged once and nothing is dropped.
    """

    def __init__(self) -> None:
        self._wanted: _Dropped = (frozenset(), frozenset())
        self._done: _Dropped | None = None  # None: whatever an earlier process left
        self._work: asyncio.Task[None] | None = None
        self._complained = False

    def want(self, links: Collection[str], addresses: Collection[IPAddress]) -> None:
        """Drop what comes in for exactly these `addresses` on the links with these names, soon."""
        self._wanted = (frozenset(links), frozenset(addresses))
        if self._wanted != self._done and (self._work is None or self._work.done()):
            self._work = asyncio.get_running_loop().create_task(self._follow())

    async def settled(self) -> None:
        """Wait until what is wanted is in force, or cannot be."""
        if self._work is not None:
            await self._work

    async def close(self) -> None:
        """Drop nothing any more."""
        self.want((), ())
        await self.settled()

    async def _follow(self) -> None:
        while self._wanted != self._done:
            if any(self._wanted):
                await asyncio.sleep(_TOGETHER)
            wanted = self._wanted
            if await self._apply(_ruleset(*wanted)) and wanted == self._wanted:
                await asyncio.sleep(_AGAIN)  # other programs change rules, too
                if wanted == self._wanted and (why := await self._apply(_ruleset(*wanted))):
                    self._complain(why)
            self._done = wanted

    async def _apply(self, ruleset: str) -> str:
        """Tell nft; return why that failed, or ""."""
        try:
            async with asyncio.timeout(_PATIENCE):
                nft = await asyncio.create_subprocess_exec(
                    *("nft", "-f", "-"),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                )
                _, said = await nft.communicate(ruleset.encode())
        except TimeoutError:
            return "nft took too long"
        except OSError as error:
            return f"nft: {error.strerror or error}"
        text = said.decode("utf-8", "replace").partition("\n")[0]
        return (text or f"nft ended with {nft.returncode}") if nft.returncode else ""

    def _complain(self, why: str) -> None:
        if not self._complained:
            self._complained = True
            _log.warning(
                "pings are answered, and the kernel forwards them as well, so that clients hear of redirects "
                "and unreachable hosts beside the answers: %s; install nftables and grant CAP_NET_ADMIN",
                why,
            )


def _ruleset(links: Collection[str], addresses: Collection[IPAddress]) -> str:
    """Return what puts exactly this in force in one step, whatever was there before."""
    lines = [f"add table {_TABLE}", f"delete table {_TABLE}"]
    names = sorted(f'"{link}"' for link in links if _NAME.fullmatch(link))
    if not names or not addresses:
        return "\n".join(lines)
    lines += [
        f"table {_TABLE} {{",
        _set("links", "ifname", names),
        _set("v4", "ipv4_addr", sorted(str(each) for each in addresses if each.version == 4)),
        _set("v6", "ipv6_addr", sorted(str(each) for each in addresses if each.version == 6)),
        "chain prerouting {",
        "type filter hook prerouting priority raw; policy accept;",
        "iifname @links ip daddr @v4 icmp type echo-request drop",
        "iifname @links ip6 daddr @v6 icmpv6 type echo-request drop",
        "}",
        "}",
    ]
    return "\n".join(lines)


def _set(name: str, kind: str, elements: Collection[str]) -> str:
    content = f"elements = {{ {', '.join(elements)} }};" if elements else ""
    return f"set {name} {{ type {kind}; {content} }}"

"""What the kernel says of this thread's network namespace, by /proc, /sys and its answers to calls."""

import contextlib
import errno
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Final

from roost.model.diagnosis.facts import Host, Route
from roost.runtime.bpf import Map, MapKind
from roost.runtime.capabilities import lacking
from roost.runtime.diagnosis import firewall, managers, proxy
from roost.runtime.links import links_now
from roost.runtime.netlink import DUMP, REQUEST, NetlinkSocket, message
from roost.runtime.tracked import room

__all__ = ["host", "settings"]

_SYSCTL: Final = Path("/proc/sys")
_NET: Final = Path("/proc/thread-self/net")
_OF_LINKS: Final = {
    "net/ipv4/conf": (
        "arp_announce",
        "arp_filter",
        "arp_ignore",
        "drop_gratuitous_arp",
        "forwarding",
        "proxy_arp",
        "proxy_arp_pvlan",
        "route_localnet",
        "rp_filter",
    ),
    "net/ipv4/neigh": ("base_reachable_time_ms", "gc_stale_time", "gc_thresh3"),
    "net/ipv6/conf": ("accept_dad", "disable_ipv6", "forwarding"),
}
_ALONE: Final = (
    "net/ipv4/ip_nonlocal_bind",
    "net/netfilter/nf_conntrack_count",
    "net/netfilter/nf_conntrack_max",
    "net/netfilter/nf_conntrack_tcp_loose",
    "net/netfilter/nf_conntrack_tcp_be_liberal",
)
_LINKS: Final = 256  # whose settings are read
_PROMISCUOUS: Final = 0x100  # IFF_PROMISC
_UP: Final = 0x1  # RTF_UP
_MESSAGE_GET_TABLE: Final = 0x0A01  # NFNL_SUBSYS_NFTABLES, NFT_MSG_GETTABLE
_NETFILTER: Final = 12  # NETLINK_NETFILTER


def host(pid: int | None, *, root: Path = Path("/")) -> Host:
    """Return all of it; `pid` is the running speaker's, None for none: then this process's rights count.

    `root` is where files of other programs are looked for. Raises OSError when the links cannot be read.
    """
    links = links_now()
    names = [each.name for each in links]
    whose = f"the speaker (pid {pid})" if pid is not None else "this process"
    return Host(
        links=links,
        promiscuous=frozenset(name for name in names if _flags(name) & _PROMISCUOUS),
        wireless=frozenset(name for name in names if _is_wireless(name)),
        suppressing=frozenset(name for name in names if _class(name, "brport/neigh_suppress") == "1"),
        bonds={name: mode.split()[0] for name in names if (mode := _class(name, "bonding/mode"))},
        settings=settings(names),
        settings_read_only=_is_read_only(_SYSCTL),
        routes=tuple(_routes()),
        reverse_path_drops=_reverse_path_drops(),
        neighbours=max(0, len(_lines(_NET / "arp")) - 1),
        conntrack_drops=table.dropped if (table := room()) is not None else None,
        lacking=lacking(pid),
        whose=whose,
        features=_features(),
        managers=tuple(managers.found(links, root)),
        proxy=proxy.found(root),
        ruleset=firewall.ruleset(),
    )


def settings(names: Iterable[str]) -> Mapping[str, str]:
    """Return what is set for these links, `all` and `default`, and for the namespace, by sysctl's names."""
    where = ["all", "default", *list(names)[:_LINKS]]
    paths = [f"{folder}/{name}/{key}" for folder, keys in _OF_LINKS.items() for name in where for key in keys]
    found = ((path, _text(_SYSCTL / path)) for path in (*paths, *_ALONE))
    return {path.replace("/", "."): value for path, value in found if value}


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except (OSError, ValueError):
        return ""


def _lines(path: Path) -> list[str]:
    return _text(path).splitlines()


def _class(link: str, what: str) -> str:
    return _text(Path("/sys/class/net", link, what))


def _flags(link: str) -> int:
    with contextlib.suppress(ValueError):
        return int(_class(link, "flags"), 16)
    return 0


def _is_wireless(link: str) -> bool:
    folder = Path("/sys/class/net", link)
    return (folder / "phy80211").exists() or (folder / "wireless").exists()


def _is_read_only(path: Path) -> bool:
    """Tell whether the file system there is mounted read-only (statvfs(3))."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _routes() -> Iterator[Route]:
    """Yield the main table's IPv4 routes (/proc/net/route: host order, hexadecimal)."""
    for line in _lines(_NET / "route")[1:]:
        fields = line.split()
        with contextlib.suppress(ValueError, IndexError):
            if int(fields[3], 16) & _UP:
                network, mask = (_address(fields[at]) for at in (1, 7))
                yield Route(IPv4Network(f"{network}/{mask}"), fields[0])


def _address(field: str) -> IPv4Address:
    return IPv4Address(socket.htonl(int(field, 16)))


def _reverse_path_drops() -> int:
    """Return the kernel's counter IPReversePathFilter (/proc/net/netstat)."""
    lines = [line.split() for line in _lines(_NET / "netstat") if line.startswith("TcpExt:")]
    if len(lines) == 2 and "IPReversePathFilter" in lines[0]:
        return int(lines[1][lines[0].index("IPReversePathFilter")])
    return 0


def _features() -> Mapping[str, str]:
    """Return what was tried and why it is refused, "" where it is not; what only lacks a right is there."""
    return {
        "nftables": _refusal(_ask_nftables, beside=errno.EPERM),
        "bpf": _refusal(_make_map),
        "packet sockets": _refusal(_open_packet_socket, beside=errno.EPERM),
    }


def _refusal(attempt: Callable[[], None], beside: int | None = None) -> str:
    try:
        attempt()
    except OSError as error:
        return "" if error.errno == beside else str(error.strerror or error)
    return ""


def _ask_nftables() -> None:
    netlink = NetlinkSocket(_NETFILTER)
    try:
        for _ in netlink.dump(message(_MESSAGE_GET_TABLE, REQUEST | DUMP, bytes(4))):
            pass
    finally:
        netlink.close()


def _make_map() -> None:
    Map(MapKind.ARRAY, 4, 4, 1, "roost_doctor").close()


def _open_packet_socket() -> None:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()

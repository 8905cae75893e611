"""What on this host keeps connections that it forwards from surviving a move: settings, and other firewalls.

A connection that comes here from another node shows itself in mid-stream, without the SYN that began it.
"""

import struct
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from roost.runtime.netlink import DUMP, REQUEST, NetlinkSocket, attributes, message

__all__ = ["obstacles"]

_LOOSE: Final = Path("/proc/sys/net/netfilter/nf_conntrack_tcp_loose")
_NETFILTER, _SUBSYSTEM = 12, 10  # NETLINK_NETFILTER, NFNL_SUBSYS_NFTABLES
_LIST_CHAINS, _LIST_RULES = 4, 7
_FAMILIES: Final = {2: "ip", 10: "ip6", 1: "inet"}  # NFPROTO_*
_FORWARD: Final = 2  # NF_INET_FORWARD
_DROP: Final = 0
_OWN: Final = "roost-"  # begins the names of our tables
_MOST: Final = 100_000  # rules looked at


def obstacles(versions: Collection[int]) -> list[tuple[str, str]]:
    """Return (cause, cure) of each that is found for these versions of IP; none that cannot be read."""
    found = []
    if _loose() == 0:
        cause = "net.netfilter.nf_conntrack_tcp_loose is 0: connections break when their address moves"
        found.append((cause, "set it to 1"))
    families = {1, *(2 if version == 4 else 10 for version in versions)}
    try:
        with closing(NetlinkSocket(_NETFILTER)) as asking:
            found += list(_chains(asking, families))
            found += list(_rules(asking, families))
    except OSError:
        pass  # no nftables, or not for us
    return found


def _loose() -> int | None:
    try:
        return int(_LOOSE.read_text())
    except (OSError, ValueError):
        return None  # the module is not loaded: then it will be 1


def _chains(asking: NetlinkSocket, families: Collection[int]) -> Iterator[tuple[str, str]]:
    for family, chain in _list(asking, _LIST_CHAINS):
        hook = dict(attributes(chain.get(4, b"")))
        if family not in families or not hook or _name(chain, 1).startswith(_OWN):
            continue
        (place,) = struct.unpack("!I", hook[1])
        if place == _FORWARD and chain.get(5) == struct.pack("!I", _DROP):
            where = f"{_FAMILIES[family]} {_name(chain, 1)} {_name(chain, 3)}"
            cause = (
                f"a firewall here (nft list chain {where}) drops what it forwards unless a rule lets it pass"
            )
            cure = "let packets between clients and backends pass, both ways, also without a first SYN"
            yield cause, cure


def _rules(asking: NetlinkSocket, families: Collection[int]) -> Iterator[tuple[str, str]]:
    seen = set()
    for number, (family, rule) in enumerate(_list(asking, _LIST_RULES)):
        if number >= _MOST:
            return
        if family not in families or _name(rule, 1).startswith(_OWN) or not _drops_mid_stream(rule):
            continue
        where = f"{_FAMILIES[family]} {_name(rule, 1)} {_name(rule, 2)}"
        if where not in seen:
            seen.add(where)
            cause = f"a firewall here (nft list chain {where}) drops connections that it sees in mid-stream"
            cure = (
                "take out the rule for new connections that do not begin with SYN, or exempt these services"
            )
            yield cause, cure


def _drops_mid_stream(rule: dict[int, bytes]) -> bool:
    """Tell whether a rule looks at TCP's flags and the connection's state, and ends with a refusal."""
    state = flags = refuses = False
    for _, one in attributes(rule.get(4, b"")):
        parts = dict(attributes(one))
        name, data = parts.get(1, b"").rstrip(b"\0"), dict(attributes(parts.get(2, b"")))
        match name:
            case b"ct":
                state |= data.get(2) == bytes(4)
            case b"payload":
                flags |= data.get(2) == struct.pack("!I", 2) and data.get(3) == struct.pack("!I", 13)
            case b"match":  # of iptables
                state |= data.get(1, b"").rstrip(b"\0") in (b"conntrack", b"state")
                flags |= data.get(1, b"").rstrip(b"\0") == b"tcp"
            case b"immediate":
                verdict = dict(attributes(dict(attributes(data.get(2, b""))).get(2, b"")))
                refuses |= verdict.get(1) == struct.pack("!I", _DROP)
            case b"reject":
                refuses = True
    return state and flags and refuses


def _list(asking: NetlinkSocket, kind: int) -> Iterator[tuple[int, dict[int, bytes]]]:
    request = message(_SUBSYSTEM << 8 | kind, REQUEST | DUMP, struct.pack("!BBH", 0, 0, 0))
    for body in asking.dump(request):
        yield body[0], dict(attributes(body, 4))


def _name(of: dict[int, bytes], kind: int) -> str:
    return of.get(kind, b"").rstrip(b"\0").decode(errors="replace")

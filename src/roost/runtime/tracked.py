"""Connections that this host's kernel tracks, by ctnetlink: listed, loosened and forgotten.

The numbers are those of nfnetlink_conntrack.h and nf_conntrack_tcp.h. The kernel chooses among those of IPv4.
For an IPv6 address it chooses all but those that are meant (`ctnetlink_filter_match_tuple` takes equal for
unequal, seen in Linux 6.18): these are chosen here.
"""

import errno
import struct
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from socket import AF_INET, AF_INET6
from typing import Final

from roost.model.address import IPAddress
from roost.model.flow import TCP
from roost.runtime.netlink import DUMP, REQUEST, NetlinkSocket, attribute, attributes, message, nested

__all__ = ["Place", "Room", "Tracked", "forget", "forget_all", "loosen_all", "room", "tracked", "tracks"]

_NETFILTER: Final = 12  # NETLINK_NETFILTER
_CHANGE, _GET, _DELETE = 1 << 8 | 0, 1 << 8 | 1, 1 << 8 | 2  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_*
_ORIGINAL, _REPLY, _STATUS, _PROTOCOL_INFO, _ID, _FILTER = 1, 2, 3, 4, 12, 25  # CTA_*
_TARGET_ALONE: Final = 1 << 1  # CTA_FILTER_FLAG_CTA_IP_DST
_ASSURED: Final = 1 << 2  # IPS_ASSURED
_OPEN: Final = frozenset({2, 3, 4, 5, 6})  # TCP_CONNTRACK_*: SYN_RECV to LAST_ACK
_LIBERAL: Final = bytes([8, 8])  # IP_CT_TCP_FLAG_BE_LIBERAL, and as the mask
_BATCH: Final = 500  # messages
_COUNT: Final = Path("/proc/sys/net/netfilter/nf_conntrack_count")
_MOST: Final = Path("/proc/sys/net/netfilter/nf_conntrack_max")
_NEARLY: Final = 0.9
_STATISTICS: Final = Path("/proc/net/stat/nf_conntrack")  # a line for each CPU, hexadecimal

Place = tuple[bytes, int]  # packed address, port in host order


@dataclass(frozen=True, slots=True)
class Tracked:
    """A connection: the first packet went from `source` to `target`.

    Answers come from `answerer` and go to `asker`, as they are before they are translated.
    """

    version: int
    protocol: int
    source: Place
    target: Place
    answerer: Place
    asker: Place
    assured: bool  # it went both ways
    open: bool
    name: bytes  # what the kernel knows it by


@dataclass(frozen=True, slots=True)
class Room:
    """How full the table is: `many` connections of `most`; `dropped` packets found no room, or None."""

    many: int
    most: int
    dropped: int | None

    @property
    def scarce(self) -> bool:
        """Whether a burst more fills it."""
        return self.many >= _NEARLY * self.most


def room() -> Room | None:
    """Return how full the table of this network namespace is, None where nothing is tracked."""
    try:
        many, most = int(_COUNT.read_text()), int(_MOST.read_text())
    except (OSError, ValueError):
        return None
    return Room(many, most, _dropped())


def _dropped() -> int | None:
    try:
        names, *rows = (line.split() for line in _STATISTICS.read_text().splitlines())
        return sum(int(row[names.index("drop")], 16) for row in rows)
    except (OSError, ValueError, IndexError):
        return None  # a kernel without that file


def tracks() -> bool:
    """Tell whether the kernel tracks any connection here: a dump takes 30 ms even when there is none."""
    try:
        return int(_COUNT.read_text()) > 0
    except (OSError, ValueError):
        return False  # the module is not loaded


def tracked(
    version: int, *, to: IPAddress | None = None, back_to: IPAddress | None = None
) -> Iterator[Tracked]:
    """Yield what is tracked of IP of that version: whose target is `to`, whose asker is `back_to`, or all.

    Raises OSError.
    """
    request = _head(version)
    target, asker = (each.packed if each is not None else b"" for each in (to, back_to))
    if version == 4:
        request += _only(_ORIGINAL, to) if to is not None else b""
        request += _only(_REPLY, back_to) if back_to is not None else b""
    with closing(NetlinkSocket(_NETFILTER)) as asking:
        for entry in asking.dump(message(_GET, REQUEST | DUMP, request)):
            if target not in entry or asker not in entry:
                continue  # of many, most: they are not worth reading
            found = _entry(version, dict(attributes(entry, 4)))
            if found and target in (b"", found.target[0]) and asker in (b"", found.asker[0]):
                yield found


def forget(connections: Iterable[Tracked]) -> None:
    """Let the kernel track these no more: their next packets begin new ones. Raises OSError."""
    with closing(NetlinkSocket(_NETFILTER)) as asking:
        for each in connections:
            try:
                asking.transact([message(_DELETE, REQUEST, _head(each.version) + each.name)])
            except OSError as error:
                if error.errno != errno.ENOENT:  # it has ended meanwhile
                    raise


def loosen_all(address: IPAddress) -> None:
    """Let the kernel take any packet for valid that is of a TCP connection to `address`. Raises OSError.

    It does so with connections that it has not seen begin, too: it cannot know their windows.
    """
    if not tracks():
        return
    ends = [*tracked(address.version, to=address), *tracked(address.version, back_to=address)]
    flags = attribute(4, _LIBERAL) + attribute(5, _LIBERAL)  # CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, _REPLY
    loose = nested(_PROTOCOL_INFO, nested(1, flags))
    messages = [
        message(_CHANGE, REQUEST, _head(each.version) + each.name + loose)
        for each in ends
        if each.protocol == TCP
    ]
    with closing(NetlinkSocket(_NETFILTER)) as asking:
        for at in range(0, len(messages), _BATCH):
            try:
                asking.transact(messages[at : at + _BATCH])
            except OSError as error:
                if error.errno != errno.ENOENT:  # some have ended meanwhile
                    raise


def forget_all(address: IPAddress) -> None:
    """Let the kernel track no connection to `address` any more, whichever side began it. Raises OSError."""
    if not tracks():
        return
    if address.version == 6:
        forget([*tracked(6, to=address), *tracked(6, back_to=address)])
        return
    head = _head(address.version)
    try:
        with closing(NetlinkSocket(_NETFILTER)) as asking:
            asking.transact(
                message(_DELETE, REQUEST, head + _only(part, address)) for part in (_ORIGINAL, _REPLY)
            )
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOENT):
            raise
        forget(tracked(address.version, to=address))  # this kernel cannot choose which to forget
        forget(tracked(address.version, back_to=address))


def _only(part: int, target: IPAddress) -> bytes:
    """Return a filter: whose first packet, or whose answers, go to `target`."""
    to = nested(part, nested(1, attribute(2 if target.version == 4 else 4, target.packed)))
    flags = 1 if part == _ORIGINAL else 2  # CTA_FILTER_*_FLAGS
    return to + nested(_FILTER, attribute(flags, struct.pack("=I", _TARGET_ALONE)))


def _head(version: int) -> bytes:
    return struct.pack("!BBH", AF_INET if version == 4 else AF_INET6, 0, 0)


def _entry(version: int, entry: dict[int, bytes]) -> Tracked | None:
    original, reply = _tuple(entry.get(_ORIGINAL, b"")), _tuple(entry.get(_REPLY, b""))
    if original is None or reply is None:
        return None
    protocol, source, target = original
    _, answerer, asker = reply
    (status,) = struct.unpack("!I", entry.get(_STATUS, bytes(4)))
    alive = True
    if protocol == TCP:
        info = dict(attributes(dict(attributes(entry.get(_PROTOCOL_INFO, b""))).get(1, b"")))
        alive = info.get(1, b"\0")[0] in _OPEN
    name = nested(_ORIGINAL, entry[_ORIGINAL])
    if _ID in entry:
        name += attribute(_ID, entry[_ID])
    assured = bool(status & _ASSURED)
    return Tracked(version, protocol, source, target, answerer, asker, assured, alive, name)


def _tuple(data: bytes) -> tuple[int, Place, Place] | None:
    """Return protocol, source and destination of a CTA_TUPLE_*."""
    parts = dict(attributes(data))
    ip, proto = dict(attributes(parts.get(1, b""))), dict(attributes(parts.get(2, b"")))
    source, target = ip.get(1) or ip.get(3), ip.get(2) or ip.get(4)
    if source is None or target is None or not {1, 2, 3} <= proto.keys():
        return None
    return proto[1][0], (source, int.from_bytes(proto[2])), (target, int.from_bytes(proto[3]))

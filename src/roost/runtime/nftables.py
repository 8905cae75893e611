"""nftables by netlink (include/uapi/linux/netfilter/nf_tables.h): the few parts that this product needs.

A batch of changes is one transaction: packets meet all of it or nothing. No tool and no library is needed.
"""

import errno
import math
import socket
import struct
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from roost.runtime.netlink import REQUEST, NetlinkSocket, attribute, message, nested

__all__ = [
    "ACCEPT",
    "DROP",
    "INCOMING",
    "LINK",
    "Chain",
    "Field",
    "NfTables",
    "Set",
    "add_to_set",
    "between",
    "cause",
    "counter",
    "differs",
    "duplicate",
    "equals",
    "in_set",
    "jump",
    "load_meta",
    "load_payload",
    "load_tracked",
    "masked",
    "protocol",
    "value_from",
    "verdict",
]

_NETFILTER: Final = 12  # NETLINK_NETFILTER
_SUBSYSTEM: Final = 10  # NFNL_SUBSYS_NFTABLES
_BEGIN, _END = 0x10, 0x11
_NEW_TABLE, _DELETE_TABLE, _NEW_CHAIN, _NEW_RULE, _NEW_SET = 0, 2, 3, 6, 9
_NEW_ELEMENTS, _DELETE_ELEMENTS = 12, 14
_CREATE, _APPEND = 0x400, 0x800
_OWNER: Final = 2  # NFT_TABLE_F_OWNER
_CHUNK: Final = 400  # elements in a message: attributes hold 64 KiB
_REGISTER: Final = 8  # NFT_REG32_00; registers of 4 bytes follow
ACCEPT, DROP = 1, 0
_JUMP: Final = -3
_EQUAL, _DIFFERENT, _AT_MOST, _AT_LEAST = 0, 1, 3, 5  # NFT_CMP_*
_NUMBER: Final = struct.Struct("!I")
_SIGNED: Final = struct.Struct("!i")
_LONG: Final = struct.Struct("!Q")


@dataclass(frozen=True, slots=True)
class Field:
    """A kind of value in sets: nft's number for it, its size in bytes, and whether it is in host order."""

    kind: int
    size: int
    host_order: bool = False


LINK: Final = Field(20, 4, host_order=True)  # the index of one
INCOMING: Final = 4  # NFT_META_IIF: the link that a packet came in on
_PROTOCOL: Final = 16  # NFT_META_L4PROTO


@dataclass(frozen=True, slots=True)
class Set:
    """A named set whose elements may end by themselves; with `data` a map.

    `dynamic`: rules add to it, `size` elements at most.
    """

    name: str
    key: tuple[Field, ...]
    data: tuple[Field, ...] = ()
    dynamic: bool = False
    size: int = 65536


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain with its rules, each a list of expressions; with a `priority` it hooks in before routing."""

    name: str
    rules: tuple[tuple[bytes, ...], ...]
    priority: int | None = None


class NfTables:
    """One table, `name`, of one family (AF_INET, AF_INET6). Methods raise OSError; a change is whole or not.

    The table belongs to us alone: whatever it held before is replaced.
    """

    def __init__(self, name: str, family: int) -> None:
        self._name = _text(name)
        self._family = {socket.AF_INET: 2, socket.AF_INET6: 10}[socket.AddressFamily(family)]
        self._socket = NetlinkSocket(_NETFILTER)

    def replace(self, sets: Iterable[Set], chains: Sequence[Chain]) -> None:
        """Put the table in force as it is described, in place of what there was.

        It goes with this process, whatever ends it; before Linux 5.12 it stays.
        """
        table = attribute(1, self._name)
        parts: list[tuple[int, int, bytes]] = []
        parts += [(_NEW_SET, _CREATE, self._set(each, number)) for number, each in enumerate(sets, 1)]
        parts += [(_NEW_CHAIN, _CREATE, self._chain(each)) for each in reversed(chains)]
        for chain in chains:
            for rule in chain.rules:
                body = table + attribute(2, _text(chain.name)) + nested(4, *rule)
                parts.append((_NEW_RULE, _CREATE | _APPEND, body))
        anew = [(_NEW_TABLE, _CREATE, table), (_DELETE_TABLE, 0, table)]
        owned = table + attribute(2, _NUMBER.pack(_OWNER))
        try:
            self._commit([*anew, (_NEW_TABLE, _CREATE, owned), *parts])
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
            self._commit([*anew, (_NEW_TABLE, _CREATE, table), *parts])

    def remove(self) -> None:
        """Take the table away, if there is one."""
        table = attribute(1, self._name)
        self._commit([(_NEW_TABLE, _CREATE, table), (_DELETE_TABLE, 0, table)])

    def fill(self, contents: Iterable[tuple[Set, Collection[tuple[bytes, bytes]]]], lasting: float) -> None:
        """Give each set exactly these elements (key, data), for `lasting` seconds; all in one transaction.

        Infinitely many: until they are taken out.
        """
        parts = []
        for to, elements in contents:
            parts.append((_DELETE_ELEMENTS, 0, attribute(1, self._name) + attribute(2, _text(to.name))))
            parts += self._elements(to, elements, lasting)
        self._commit(parts)

    def add(self, to: Set, elements: Collection[tuple[bytes, bytes]], lasting: float) -> None:
        """Add elements to a set; those that it has already stay as they are."""
        self._commit(self._elements(to, elements, lasting))

    def close(self) -> None:
        """Give the socket back; the table stays."""
        self._socket.close()

    def _commit(self, parts: Iterable[tuple[int, int, bytes]]) -> None:
        head = struct.pack("!BBH", self._family, 0, 0)
        edge = struct.pack("!BBH", 0, 0, _SUBSYSTEM)
        changes = [
            message(_SUBSYSTEM << 8 | kind, REQUEST | flags, head + body, number)
            for number, (kind, flags, body) in enumerate(parts, 1)
        ]
        if not changes:
            return
        try:
            self._socket.transact([message(_BEGIN, REQUEST, edge), *changes, message(_END, REQUEST, edge)])
        except OSError as error:
            if error.errno in (errno.ENOBUFS, errno.EMSGSIZE):
                self.close()  # answers may be lost: the next try begins with none pending
            raise

    def _set(self, of: Set, number: int) -> bytes:
        flags = 0x10 | (0x08 if of.data else 0) | (0x20 if of.dynamic else 0)
        fields = [
            attribute(1, self._name),
            attribute(2, _text(of.name)),
            attribute(3, _NUMBER.pack(flags)),
            attribute(4, _NUMBER.pack(_kind(of.key))),
            attribute(5, _NUMBER.pack(_size(of.key))),
            attribute(13, _for_tools(of)),
            attribute(10, _NUMBER.pack(number)),
            nested(9, attribute(1, _NUMBER.pack(of.size))),
        ]
        if of.data:
            fields += [
                attribute(6, _NUMBER.pack(_kind(of.data))),
                attribute(7, _NUMBER.pack(_size(of.data))),
            ]
        return b"".join(fields)

    def _chain(self, chain: Chain) -> bytes:
        fields = attribute(1, self._name) + attribute(3, _text(chain.name))
        if chain.priority is not None:
            hook = nested(4, attribute(1, _NUMBER.pack(0)), attribute(2, _SIGNED.pack(chain.priority)))
            fields += hook + attribute(5, _NUMBER.pack(ACCEPT)) + attribute(7, _text("filter"))
        return fields

    def _elements(
        self, to: Set, elements: Collection[tuple[bytes, bytes]], lasting: float
    ) -> list[tuple[int, int, bytes]]:
        head = attribute(1, self._name) + attribute(2, _text(to.name))
        ends = lasting < math.inf
        timeout = attribute(4, _LONG.pack(max(1, round(lasting * 1000)))) if ends else b""
        packed = [
            nested(1, _value(1, key), *([_value(2, data)] if to.data else []), timeout)
            for key, data in elements
        ]
        return [
            (_NEW_ELEMENTS, _CREATE, head + nested(3, *packed[at : at + _CHUNK]))
            for at in range(0, len(packed), _CHUNK)
        ]


def cause(error: OSError, part: str = "") -> str:
    """Return what a system lacks that refuses a change; `part` names a part of nftables that it needs."""
    lacks = "the kernel lacks a part of nftables" + (f" ({part})" if part else "")
    causes = {
        errno.EPERM: "the process lacks CAP_NET_ADMIN",
        errno.EACCES: "the process lacks CAP_NET_ADMIN",
        errno.EPROTONOSUPPORT: "the kernel has no nftables (CONFIG_NF_TABLES)",
        errno.ENOENT: lacks,
        errno.EOPNOTSUPP: lacks,
    }
    return causes.get(error.errno or 0, str(error))


# -- expressions: registers hold 4 bytes each, and are counted from 0 ---------------------------------------


def load_payload(base: int, offset: int, size: int, register: int = 0) -> bytes:
    """Load bytes of the packet: `base` 0 is the link's header, 1 the network's, 2 the transport's."""
    numbers = (_REGISTER + register, base, offset, size)
    return _expression(
        "payload", *(attribute(at, _NUMBER.pack(number)) for at, number in enumerate(numbers, 1))
    )


def load_meta(key: int, register: int = 0) -> bytes:
    """Load a fact about the packet: NFT_META_*."""
    return _expression("meta", _register(1, register), attribute(2, _NUMBER.pack(key)))


def load_tracked(register: int = 0) -> bytes:
    """Load the state that connection tracking has found: a bit for each, in the host's order."""
    return _expression("ct", _register(1, register), attribute(2, _NUMBER.pack(0)))


def protocol(number: int) -> tuple[bytes, ...]:
    """Go on with this rule only for packets of this protocol."""
    return load_meta(_PROTOCOL), equals(bytes([number]))


def masked(mask: bytes, register: int = 0) -> bytes:
    """Keep only the bits of `mask`."""
    return _expression(
        "bitwise",
        _register(1, register),
        _register(2, register),
        attribute(3, _NUMBER.pack(len(mask))),
        _value(4, mask),
        _value(5, bytes(len(mask))),
    )


def equals(value: bytes, register: int = 0) -> bytes:
    """Go on with this rule only if the register has `value`."""
    return _compare(_EQUAL, value, register)


def differs(value: bytes, register: int = 0) -> bytes:
    """Go on with this rule only if the register has another value."""
    return _compare(_DIFFERENT, value, register)


def between(low: bytes, high: bytes, register: int = 0) -> bytes:
    """Go on with this rule only if the register has a value from `low` to `high`."""
    return _compare(_AT_LEAST, low, register) + _compare(_AT_MOST, high, register)


def in_set(name: Set, register: int = 0, *, inverted: bool = False) -> bytes:
    """Go on with this rule only if the set has the key."""
    flags = attribute(5, _NUMBER.pack(1)) if inverted else b""
    return _expression("lookup", attribute(1, _text(name.name)), _register(2, register), flags)


def value_from(name: Set, register: int = 0) -> bytes:
    """Replace the key by what the map has for it; go on only if it has it."""
    return _expression(
        "lookup", attribute(1, _text(name.name)), _register(2, register), _register(3, register)
    )


def add_to_set(name: Set, lasting: float, register: int = 0, *, update: bool = False) -> bytes:
    """Add the key to a dynamic set for `lasting` seconds, or begin them anew."""
    return _expression(
        "dynset",
        attribute(1, _text(name.name)),
        attribute(3, _NUMBER.pack(1 if update else 0)),
        _register(4, register),
        attribute(6, _LONG.pack(round(lasting * 1000))),
    )


def duplicate(address: int, device: int) -> bytes:
    """Send a copy to the next hop in the register `address`, out of the link in the register `device`."""
    return _expression("dup", _register(1, address), _register(2, device))


def counter() -> bytes:
    """Count the packets that come so far, for whoever lists the rules."""
    return _expression("counter")


def verdict(code: int) -> bytes:
    """End with ACCEPT or DROP."""
    return _immediate(attribute(1, _SIGNED.pack(code)))


def jump(chain: str) -> bytes:
    """Go on in another chain."""
    return _immediate(attribute(1, _SIGNED.pack(_JUMP)) + attribute(2, _text(chain)))


def _immediate(code: bytes) -> bytes:
    return _expression("immediate", attribute(1, _NUMBER.pack(0)), nested(2, nested(2, code)))


def _compare(operator: int, value: bytes, register: int) -> bytes:
    return _expression("cmp", _register(1, register), attribute(2, _NUMBER.pack(operator)), _value(3, value))


def _expression(name: str, *data: bytes) -> bytes:
    return nested(1, attribute(1, _text(name)), nested(2, *data))


def _register(kind: int, register: int) -> bytes:
    return attribute(kind, _NUMBER.pack(_REGISTER + register))


def _value(kind: int, data: bytes) -> bytes:
    return nested(kind, attribute(1, data))


def _text(text: str) -> bytes:
    return text.encode() + b"\0"


def _kind(fields: tuple[Field, ...]) -> int:
    """Return nft's number for fields in a row: six bits for each."""
    number = 0
    for field in fields:
        number = number << 6 | field.kind
    return number


def _for_tools(of: Set) -> bytes:
    """Return what nft itself keeps with a set: the byte orders (libnftnl's NFTNL_UDATA_SET_*)."""
    orders = (1 if fields[0].host_order else 2 for fields in (of.key, of.data) if fields)
    return b"".join(struct.pack("=BBI", what, 4, order) for what, order in enumerate(orders))


def _size(fields: tuple[Field, ...]) -> int:
    return sum((field.size + 3) & ~3 for field in fields) if len(fields) > 1 else fields[0].size

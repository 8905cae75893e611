"""nftables by netlink (include/uapi/linux/netfilter/nf_tables.h): the few parts that this product needs.

A batch of changes is one transaction: packets meet all of it or nothing. No tool and no library is needed.
"""

import errno
import math
import socket
import struct
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from roost.runtime.netlink import DUMP, REQUEST, NetlinkSocket, attribute, attributes, message, nested

__all__ = [
    "LINK",
    "NUMBER",
    "VERDICT",
    "Chain",
    "Contents",
    "Field",
    "NfTables",
    "Part",
    "Set",
    "cause",
    "name_of",
    "value_of",
]

_NETFILTER: Final = 12  # NETLINK_NETFILTER
_SUBSYSTEM: Final = 10  # NFNL_SUBSYS_NFTABLES
_BEGIN, _END = 0x10, 0x11
_NEW_TABLE, _DELETE_TABLE, _NEW_CHAIN, _DELETE_CHAIN = 0, 2, 3, 5
_NEW_RULE, _DELETE_RULE, _NEW_SET, _DELETE_SET = 6, 8, 9, 11
_LIST_RULES, _NEW_ELEMENTS, _LIST_ELEMENTS, _DELETE_ELEMENTS, _GENERATION = 7, 12, 13, 14, 16
_CREATE, _APPEND = 0x400, 0x800
_OWNER: Final = 2  # NFT_TABLE_F_OWNER
_CHUNK: Final = 400  # elements in a message: attributes hold 64 KiB
_ATTRIBUTE: Final = 4  # bytes before the value of an attribute
_ACCEPT: Final = 1
_GOTO: Final = -4
NUMBER: Final = struct.Struct("!I")
_SIGNED: Final = struct.Struct("!i")
_LONG: Final = struct.Struct("!Q")


@dataclass(frozen=True, slots=True)
class Field:
    """A kind of value in sets: nft's number for it, its size in bytes, and whether it is in host order."""

    kind: int
    size: int
    host_order: bool = False


LINK: Final = Field(20, 4, host_order=True)  # the index of one
VERDICT: Final = Field(0xFFFFFF00, 0)  # data that is a chain to go on in: its name


@dataclass(frozen=True, slots=True)
class Set:
    """A named set whose elements may end by themselves if it is `passing`; with `data` a map.

    `dynamic`: rules add to it. It has `size` elements at most, 0: it grows.
    """

    name: str
    key: tuple[Field, ...]
    data: tuple[Field, ...] = ()
    dynamic: bool = False
    size: int = 65536
    passing: bool = True


Contents = Iterable[tuple[Set, Collection[tuple[bytes, bytes]]]]


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain with its rules, each a list of expressions; with a `priority` it hooks in, before routing.

    Another place is said by `hook` (NF_INET_*), another kind than filter by `kind`.
    """

    name: str
    rules: tuple[tuple[bytes, ...], ...]
    priority: int | None = None
    hook: int = 0
    kind: str = "filter"


@dataclass(frozen=True, slots=True)
class Part:
    """Sets and chains that come and go together."""

    sets: tuple[Set, ...] = ()
    chains: tuple[Chain, ...] = ()


EMPTY: Final = Part()


class NfTables:
    """One table, `name`, of one family (AF_INET, AF_INET6). Methods raise OSError; a change is whole or not.

    The table belongs to us alone: whatever it held before is replaced.
    """

    def __init__(self, name: str, family: int) -> None:
        self._name = name_of(name)
        self._family = {socket.AF_INET: 2, socket.AF_INET6: 10}[socket.AddressFamily(family)]
        self._socket = NetlinkSocket(_NETFILTER)

    def replace(
        self,
        sets: Iterable[Set],
        chains: Sequence[Chain],
        contents: Contents = (),
        *,
        owned: bool = True,
    ) -> None:
        """Put the table in force as it is described, in place of what there was.

        If it is `owned` it goes with this process, whatever ends it; before Linux 5.12 it stays. `contents`
        are elements of sets that are not `passing`.
        """
        table = attribute(1, self._name)
        parts = self._structure(sets, chains)
        for of, elements in contents:
            parts += self._elements(of, elements, 0)
        anew = [(_NEW_TABLE, _CREATE, table), (_DELETE_TABLE, 0, table)]
        flags = attribute(2, NUMBER.pack(_OWNER)) if owned else b""
        try:
            self._commit([*anew, (_NEW_TABLE, _CREATE, table + flags), *parts])
        except OSError as error:
            if not owned or error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
            self._commit([*anew, (_NEW_TABLE, _CREATE, table), *parts])

    def remove(self) -> None:
        """Take the table away, if there is one."""
        table = attribute(1, self._name)
        self._commit([(_NEW_TABLE, _CREATE, table), (_DELETE_TABLE, 0, table)])

    def fill(self, contents: Contents, lasting: float) -> None:
        """Give each set exactly these elements (key, data), for `lasting` seconds; all in one transaction.

        Infinitely many: until they are taken out.
        """
        parts = []
        for to, elements in contents:
            parts.append((_DELETE_ELEMENTS, 0, attribute(1, self._name) + attribute(2, name_of(to.name))))
            parts += self._elements(to, elements, lasting)
        self._commit(parts)

    def add(self, to: Set, elements: Collection[tuple[bytes, bytes]], lasting: float) -> None:
        """Add elements to a set; those that it has already stay as they are."""
        self._commit(self._elements(to, elements, lasting))

    def change(self, gone: Contents, new: Contents, old: Part = EMPTY, added: Part = EMPTY) -> None:
        """Take elements (key, data) out of sets and put others in, all in one transaction.

        The sets and chains of `added` come first, those of `old`, which nothing refers to by then, go last.
        """
        parts = [part for of, elements in gone for part in self._elements(of, elements, 0, _DELETE_ELEMENTS)]
        parts += self._structure(added.sets, added.chains)
        parts += [part for of, elements in new for part in self._elements(of, elements, 0)]
        table = attribute(1, self._name)
        names = [name_of(chain.name) for chain in old.chains]
        parts += [(_DELETE_RULE, 0, table + attribute(2, name)) for name in names]
        parts += [(_DELETE_CHAIN, 0, table + attribute(3, name)) for name in names]
        parts += [(_DELETE_SET, 0, table + attribute(2, name_of(each.name))) for each in old.sets]
        self._commit(parts)

    def elements(self, of: Set) -> dict[bytes, bytes]:
        """Return what a set has: data by key."""
        request = attribute(1, self._name) + attribute(2, name_of(of.name))
        found: dict[bytes, bytes] = {}
        for body in self._dump(_LIST_ELEMENTS, request):
            for kind, elements in attributes(body, 4):
                if kind == 3:
                    found.update(_elements_alike(elements, of) or map(_element, _parts(elements)))
        return found

    def rules(self) -> dict[str, int]:
        """Return how many rules each chain has that has any."""
        found: dict[str, int] = {}
        for body in self._dump(_LIST_RULES, attribute(1, self._name)):
            chain = dict(attributes(body, 4)).get(2, b"").rstrip(b"\0").decode()
            found[chain] = found.get(chain, 0) + 1
        return found

    def generation(self) -> bytes:
        """Return what differs after each change that anybody makes to nftables here."""
        asked = message(_SUBSYSTEM << 8 | _GENERATION, REQUEST, struct.pack("!BBH", 0, 0, 0))
        return dict(attributes(self._socket.ask(asked), 4)).get(1, b"")

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

    def _dump(self, kind: int, request: bytes) -> Iterator[bytes]:
        head = struct.pack("!BBH", self._family, 0, 0)
        return self._socket.dump(message(_SUBSYSTEM << 8 | kind, REQUEST | DUMP, head + request))

    def _structure(self, sets: Iterable[Set], chains: Sequence[Chain]) -> list[tuple[int, int, bytes]]:
        table = attribute(1, self._name)
        parts = [(_NEW_SET, _CREATE, self._set(each, number)) for number, each in enumerate(sets, 1)]
        parts += [(_NEW_CHAIN, _CREATE, self._chain(each)) for each in reversed(chains)]
        for chain in chains:
            for rule in chain.rules:
                body = table + attribute(2, name_of(chain.name)) + nested(4, *rule)
                parts.append((_NEW_RULE, _CREATE | _APPEND, body))
        return parts

    def _set(self, of: Set, number: int) -> bytes:
        flags = (0x10 if of.passing else 0) | (0x08 if of.data else 0) | (0x20 if of.dynamic else 0)
        fields = [
            attribute(1, self._name),
            attribute(2, name_of(of.name)),
            attribute(3, NUMBER.pack(flags)),
            attribute(4, NUMBER.pack(_kind(of.key))),
            attribute(5, NUMBER.pack(_size(of.key))),
            attribute(13, _for_tools(of)),
            attribute(10, NUMBER.pack(number)),
        ]
        if of.size:
            fields.append(nested(9, attribute(1, NUMBER.pack(of.size))))
        if of.data == (VERDICT,):
            fields.append(attribute(6, NUMBER.pack(VERDICT.kind)))
        elif of.data:
            fields += [
                attribute(6, NUMBER.pack(_kind(of.data))),
                attribute(7, NUMBER.pack(_size(of.data))),
            ]
        return b"".join(fields)

    def _chain(self, chain: Chain) -> bytes:
        fields = attribute(1, self._name) + attribute(3, name_of(chain.name))
        if chain.priority is not None:
            where = attribute(1, NUMBER.pack(chain.hook)), attribute(2, _SIGNED.pack(chain.priority))
            fields += (
                nested(4, *where) + attribute(5, NUMBER.pack(_ACCEPT)) + attribute(7, name_of(chain.kind))
            )
        return fields

    def _elements(
        self,
        to: Set,
        elements: Collection[tuple[bytes, bytes]],
        lasting: float,
        change: int = _NEW_ELEMENTS,
    ) -> list[tuple[int, int, bytes]]:
        head = attribute(1, self._name) + attribute(2, name_of(to.name))
        ends = to.passing and lasting < math.inf
        timeout = attribute(4, _LONG.pack(max(1, round(lasting * 1000)))) if ends else b""
        deleted = change == _DELETE_ELEMENTS
        with_data = _verdict if to.data == (VERDICT,) else value_of
        packed = [
            nested(1, value_of(1, key), *([with_data(2, data)] if to.data and not deleted else []), timeout)
            for key, data in elements
        ]
        return [
            (change, 0 if deleted else _CREATE, head + nested(3, *packed[at : at + _CHUNK]))
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


def value_of(kind: int, data: bytes) -> bytes:
    """Return the attribute `kind` that holds data."""
    return nested(kind, attribute(1, data))


def _verdict(kind: int, chain: bytes) -> bytes:
    return nested(kind, nested(2, attribute(1, struct.pack("!i", _GOTO)), attribute(2, chain + b"\0")))


def name_of(text: str) -> bytes:
    """Return a text as attributes hold it."""
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


def _elements_alike(data: bytes, of: Set) -> Iterable[tuple[bytes, bytes]]:
    """Return key and data of elements that differ in nothing else; nothing where there is more to them.

    So thousands are taken apart at once. One by one they cost a reload more than all else.
    """
    if not of.data or of.data == (VERDICT,):
        return ()
    key, value = _size(of.key), _size(of.data)
    # An element, its key, the key's value; after it the data, and its value.
    at = 3 * _ATTRIBUTE
    then = at + _padded(key) + 2 * _ATTRIBUTE
    size = then + _padded(value)
    count, rest = divmod(len(data), size)
    first = data[:size]
    if rest or [len(each) for each in _parts(first)] != [size - _ATTRIBUTE]:
        return ()
    if _element(first[_ATTRIBUTE:]) != (first[at : at + key], first[then : then + value]):
        return ()
    fixed = (*range(at), *range(at + key, then), *range(then + value, size))
    if any(data[each::size] != first[each : each + 1] * count for each in fixed):
        return ()
    layout = struct.Struct(f"{at}x{key}s{then - at - key}x{value}s{size - then - value}x")
    pairs: Iterable[tuple[bytes, bytes]] = layout.iter_unpack(data)
    return pairs


def _parts(data: bytes) -> Iterator[bytes]:
    return (each for _, each in attributes(data))


def _padded(size: int) -> int:
    return (size + 3) & ~3


def _element(data: bytes) -> tuple[bytes, bytes]:
    """Return key and data of an element, b"" where it has none."""
    parts = dict(attributes(data))
    key, value = (dict(attributes(parts.get(kind, b""))) for kind in (1, 2))
    if 2 in value:
        return key[1], dict(attributes(value[2])).get(2, b"").rstrip(b"\0")
    return key[1], value.get(1, b"")


def _size(fields: tuple[Field, ...]) -> int:
    return sum(_padded(field.size) for field in fields) if len(fields) > 1 else fields[0].size

"""One address on many nodes: which of them answers which asker. Pure.

The asker's hardware address and the service address give a slot, and each slot has an order of all nodes by
weighted rendezvous (highest random weight): the first one in it that is there answers. So all nodes agree
without a message, and a node that goes gives exactly its own slots to the others.

It is the hardware address that counts and never the IP address: a host has one neighbour entry for an
address, whatever addresses it has itself.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import shake_128
from math import log
from typing import Final, Literal

from roost.model.address import IPAddress

__all__ = [
    "ALL_SLOTS",
    "NO_SLOTS",
    "SLOTS",
    "WEIGHT_LIMIT",
    "Share",
    "Sharing",
    "Table",
    "Weights",
    "finished",
    "lent_slots",
    "mixed",
    "slot_of",
    "table",
]

SLOTS: Final = 4096
WEIGHT_LIMIT: Final = 1000
NO_SLOTS: Final = bytes(SLOTS // 8)
ALL_SLOTS: Final = b"\xff" * (SLOTS // 8)
_UNIFORM: Final = 2.0**52
_LAST: Final = 1e18  # so much later come nodes of weight 0: only where nobody else is
_ORDERS_KEPT: Final = 32  # some 0.4 MB each
_TABLES_KEPT: Final = 128
_MASK: Final = 0xFFFFFFFF

Weights = tuple[tuple[str, int], ...]  # of the nodes that may answer, by name


@dataclass(frozen=True, slots=True)
class Sharing:
    """How the nodes share the addresses of a service: `by` client, or by connection.

    By connection one of them answers, and passes each to its node. `weights` are of nodes by name, each 1
    where it has none; 0: only where no other node is there.
    """

    by: Literal["client", "connection"] = "client"
    weights: tuple[tuple[str, int], ...] = ()

    def weights_of(self, names: Iterable[str]) -> Weights:
        """Return the weights of nodes, by name."""
        given = dict(self.weights)
        return tuple((name, given.get(name, 1)) for name in sorted(names))


@dataclass(frozen=True, slots=True)
class Share:
    """What one node answers of an address: bits of its own slots, and of those `lent` by a mute node.

    Bit `n` is in byte `n // 8`, the lowest first.
    """

    own: bytes
    lent: bytes = NO_SLOTS

    @property
    def slots(self) -> bytes:
        """All slots that are answered."""
        return _joined(self.own, self.lent)

    def answers(self, mac: bytes, address: IPAddress) -> bool:
        """Tell whether the host with hardware address `mac` (6 bytes) is answered when it asks everybody."""
        return _has(self.slots, slot_of(mac, address))

    def exceeds(self, other: "Share") -> bool:
        """Tell whether a slot is answered that `other` does not answer."""
        return any(one & ~another for one, another in zip(self.slots, other.slots, strict=True))

    def is_new(self, mac: bytes, address: IPAddress, before: "Share") -> bool:
        """Tell whether that host has become this node's own since `before`.

        Who had but stood in for all others has its own askers anew: they stay with whom they use.
        """
        slot = slot_of(mac, address)
        return before.lent != ALL_SLOTS and _has(self.own, slot) and not _has(before.own, slot)


class Table:
    """Who answers each slot, given the order of nodes for each and who is `there`; see `table`."""

    def __init__(self, rows: tuple[tuple[str, ...], ...], there: frozenset[str]) -> None:
        self.there = there
        self._rows = rows
        if rows and there.issuperset(rows[0]):
            self.owners = tuple(row[0] for row in rows)
        else:
            self.owners = tuple(next((name for name in row if name in there), "") for row in rows)
        self._bits: dict[str, bytes] = {}

    def answerers(self, slot: int) -> tuple[str, ...]:
        """Return who answers a slot, and then who would if those before went."""
        return tuple(name for name in self._rows[slot] if name in self.there)

    def slots_of(self, node: str) -> bytes:
        """Return the bits of the slots that `node` answers."""
        if node not in self._bits:
            self._bits[node] = _bits(slot for slot, owner in enumerate(self.owners) if owner == node)
        return self._bits[node]

    @cached_property
    def parts(self) -> dict[str, float]:
        """Which part of all slots each node answers that is there."""
        return {name: self.owners.count(name) / SLOTS for name in sorted(self.there)}


@lru_cache(maxsize=_TABLES_KEPT)
def table(weights: Weights, there: frozenset[str]) -> Table:
    """Return who answers which slot; the order of all nodes is worked out once for the same `weights`."""
    return Table(_rows(weights), there & {name for name, _ in weights})


@lru_cache(maxsize=_TABLES_KEPT)
def lent_slots(
    weights: Weights, there: frozenset[str], mute: frozenset[tuple[str, frozenset[str]]], node: str
) -> bytes:
    """Return the bits of the slots that `node` answers for nodes that are there and `mute`.

    Each comes with those who know of it: the first of them in the order stands in.
    """
    full = table(weights, there)
    knowing = dict(mute)
    return _bits(
        slot
        for slot, owner in enumerate(full.owners)
        if owner in knowing
        and node in knowing[owner]
        and next(
            (each for each in full.answerers(slot) if each in knowing[owner] and each not in knowing), ""
        )
        == node
    )


def slot_of(mac: bytes, address: IPAddress) -> int:
    """Return the slot of the host at `mac` (6 bytes) for a service address: MurmurHash3's rounds.

    `announce/bpf/answer.c` does the same, on little-endian words of the address, an IPv4 one IPv4-mapped.
    """
    packed = address.packed
    if len(packed) == 4:
        packed = bytes(10) + b"\xff\xff" + packed
    hash_ = 0
    for word in struct.unpack("<6I", mac + bytes(2) + packed):
        hash_ = mixed(hash_, word)
    return finished(hash_)


def mixed(hash_: int, word: int) -> int:
    """Return a hash with one more word of 32 bits: a round of MurmurHash3."""
    word = word * 0xCC9E2D51 & _MASK
    word = (word << 15 | word >> 17) & _MASK
    hash_ ^= word * 0x1B873593 & _MASK
    hash_ = (hash_ << 13 | hash_ >> 19) & _MASK
    return (hash_ * 5 + 0xE6546B64) & _MASK


def finished(hash_: int) -> int:
    """Return the slot for a hash of all words: the end of MurmurHash3."""
    hash_ ^= hash_ >> 16
    hash_ = hash_ * 0x85EBCA6B & _MASK
    hash_ ^= hash_ >> 13
    hash_ = hash_ * 0xC2B2AE35 & _MASK
    return (hash_ ^ hash_ >> 16) % SLOTS


@lru_cache(maxsize=_ORDERS_KEPT)
def _rows(weights: Weights) -> tuple[tuple[str, ...], ...]:
    """Return the order of all nodes for each slot."""
    names = [name for name, _ in weights]
    races = zip(*(_race(name, weight) for name, weight in weights), strict=True)
    places = range(len(names))
    return tuple(tuple(names[at] for at in sorted(places, key=times.__getitem__)) for times in races)


def _race(name: str, weight: int) -> list[float]:
    """Return for each slot when a node comes in: exponentially distributed, the sooner the more it weighs."""
    drawn = struct.unpack(f"<{SLOTS}Q", shake_128(name.encode()).digest(8 * SLOTS))
    slow = 1 / weight if weight else _LAST
    return [-log(((each >> 12) + 0.5) / _UNIFORM) * slow for each in drawn]


def _bits(slots: Iterable[int]) -> bytes:
    found = bytearray(SLOTS // 8)
    for slot in slots:
        found[slot >> 3] |= 1 << (slot & 7)
    return bytes(found)


def _has(bits: bytes, slot: int) -> bool:
    return bool(bits[slot >> 3] >> (slot & 7) & 1)


def _joined(one: bytes, other: bytes) -> bytes:
    if other == NO_SLOTS:
        return one
    both = int.from_bytes(one, "little") | int.from_bytes(other, "little")
    return both.to_bytes(len(one), "little")

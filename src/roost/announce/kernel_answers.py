"""What the kernel answers: the maps that the programs in `bpf/answer.c` read, and those that they fill.

One set of maps and programs for all links of a speaker. The layouts are those of `answer.c`.
"""

import errno
import struct
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType
from typing import Final, Protocol

from roost.model.address import IPAddress
from roost.model.sharing import SLOTS
from roost.protocols import arp
from roost.protocols.words.sightings import Sighting
from roost.runtime.bpf import Hook, Map, MapKind, Program

__all__ = [
    "LONGEST",
    "LOOPBACK",
    "MAPS",
    "PROGRAMS",
    "Counts",
    "Hooked",
    "How",
    "KernelAnswers",
    "Key",
    "key_of",
]

LONGEST: Final = 128  # bytes of a solicitation's message; the process answers longer ones
_ASKERS: Final = 4096  # remembered between two looks; those seen longest ago give way
_TAKEN: Final = 512  # askers at a time: forged ones must not keep this process from its work
_PEERS: Final = 1024  # hardware addresses
_FEW: Final = 1024  # entries to begin with, a link and an address each
_ANSWER, _ROUTER, _SHARED = 1, 2, 4  # flags
_WORDS: Final = SLOTS // 64  # of a table, 64 slots each
_FEW_TABLES: Final = 16  # to begin with
_NOBODY: Final = IPv4Address(0)
LOOPBACK: Final = 1  # index of lo in every network namespace
_REDIRECTED: Final = 7  # TC_ACT_REDIRECT
_TICK: Final = 0.001  # seconds that the two clocks may seem to differ by

_KEY: Final = struct.Struct("=I16s")
_HOW: Final = struct.Struct("=6s6sI4sI")
_INDEX: Final = struct.Struct("=I")
_WORD: Final = struct.Struct("=Q")
_WORD_LE: Final = struct.Struct("<Q")
_LEASE: Final = struct.Struct("=Q")
_COUNTS: Final = struct.Struct("=4Q")
_ASKER: Final = struct.Struct("=16s16s")
_SEEN: Final = struct.Struct("=Q6s2x")

# In the order of their places in the programs: kind, sizes of key and value, entries (None: any number).
MAPS: Final = MappingProxyType(
    {
        "lease": (MapKind.ARRAY, 4, _LEASE.size, 1),
        "addresses": (MapKind.HASH, _KEY.size, _HOW.size, None),
        "tallies": (MapKind.PER_CPU_HASH, _KEY.size, _COUNTS.size, None),
        "askers": (MapKind.LRU_HASH, _ASKER.size, _SEEN.size, _ASKERS),
        "peers": (MapKind.HASH, 8, 1, _PEERS),
        "scratch": (MapKind.PER_CPU_ARRAY, 4, LONGEST, 1),
        "slots": (MapKind.ARRAY, _INDEX.size, _WORD.size, None),
    }
)
PROGRAMS: Final = MappingProxyType({"answer": Hook.INGRESS, "guard": Hook.EGRESS})

Key = bytes  # a link and an address, as `key_of` gives it


@dataclass(frozen=True, slots=True)
class How:
    """What to do about questions for an address on a link with hardware address `link_mac` (6 bytes).

    `mac` (6 bytes) is what to answer with, None for not answering; `own` is an address of the link. With
    `slots` (`roost.model.sharing.Share`) only their askers are answered, and who asks this station alone.
    """

    link_mac: bytes
    mac: bytes | None = None
    router: bool = False
    own: IPv4Address = _NOBODY
    slots: bytes | None = None

    def packed(self, table: int = 0) -> bytes:
        """Return it as the programs read it; `table` is the number of the one with its slots."""
        flags = _ANSWER * (self.mac is not None) | _ROUTER * self.router | _SHARED * (self.slots is not None)
        return _HOW.pack(self.mac or bytes(6), self.link_mac, flags, self.own.packed, table)


@dataclass(frozen=True, slots=True)
class Counts:
    """Frames counted in the kernel: questions answered, left to others, late (after the lease); packets."""

    answered: int = 0
    left: int = 0
    late: int = 0
    packets: int = 0


class Hooked(Protocol):
    """The programs at the hooks of a link (`roost.runtime.bpf.TcxLinks`, `roost.runtime.clsact`)."""

    def replace(self, programs: Mapping[Hook, Program]) -> None:
        """Put others in their places; each frame is seen by one of both."""

    @property
    def attached(self) -> bool:
        """Whether they are there still."""

    @property
    def first(self) -> bool:
        """Whether they see frames before all other programs there."""

    def close(self) -> None:
        """Take them away."""


class KernelAnswers:
    """The programs, loaded, and what they know. Raises OSError where the kernel refuses them.

    Maps grow: when there are more addresses than they have room for, larger ones and programs that use them
    take their places, in between two frames.
    """

    def __init__(self, room: int = _FEW) -> None:
        self._how: dict[Key, How] = {}
        self._until = 0
        self._hooked: list[Hooked] = []
        self._room = room
        self._tables: dict[bytes, int] = {}  # slots -> their number
        self._table_room = _FEW_TABLES
        self._peers: frozenset[bytes] = frozenset()
        self._past: dict[Key, list[int]] = {}  # counted in maps that were too small
        self.programs: Mapping[Hook, Program] = {}
        self._load()
        self._prove()

    def keep(self, hooked: Hooked) -> None:
        """Keep programs up to date that were put at the hooks of a link."""
        self._hooked.append(hooked)

    def let_go(self, hooked: Hooked) -> None:
        """Forget about them."""
        self._hooked.remove(hooked)

    def renew(self, until: float) -> bool:
        """Answer until then, seconds of CLOCK_MONOTONIC; tells whether that is news."""
        nanoseconds = int(until * 1e9) if until > 0 else 0
        if nanoseconds == self._until:
            return False
        self._until = nanoseconds
        self._maps["lease"].set(bytes(4), _LEASE.pack(nanoseconds))
        return True

    def leave(self, peers: frozenset[bytes]) -> None:
        """Leave questions of exactly these hardware addresses (6 bytes each) to the process."""
        if peers == self._peers:
            return
        for mac in self._peers - peers:
            self._maps["peers"].delete(mac + bytes(2))
        self._peers = frozenset(sorted(peers)[:_PEERS])
        for mac in self._peers:
            self._maps["peers"].set(mac + bytes(2), b"\1")

    def put(self, wanted: Mapping[Key, How]) -> None:
        """Do so about these from now on; what is as it was costs nothing."""
        changed = {key: how for key, how in wanted.items() if self._how.get(key) != how}
        new = [key for key in changed if key not in self._how]
        self._how.update(changed)
        tables = {how.slots for how in changed.values() if how.slots is not None} - self._tables.keys()
        if len(self._how) > self._room or len(self._tables) + len(tables) > self._table_room:
            self._grow()
            return
        self._put_tables(tables)
        for key in new:
            self._maps["tallies"].set(key, b"")
        self._maps["addresses"].set_all({key: self._packed(how) for key, how in changed.items()})
        if tables:
            self._drop_tables()

    def _packed(self, how: How) -> bytes:
        return how.packed(0 if how.slots is None else self._tables[how.slots])

    def _put_tables(self, tables: Iterable[bytes]) -> None:
        """Write tables of slots, before anything refers to them."""
        words: dict[bytes, bytes] = {}
        for slots in tables:
            number = next(each for each in range(self._table_room) if each not in self._tables.values())
            self._tables[slots] = number
            for at, (word,) in enumerate(_WORD_LE.iter_unpack(slots)):
                words[_INDEX.pack(number * _WORDS + at)] = _WORD.pack(word)
        self._maps["slots"].set_all(words)

    def _drop_tables(self) -> None:
        used = {how.slots for how in self._how.values()}
        self._tables = {slots: number for slots, number in self._tables.items() if slots in used}

    def forget(self, keys: Iterable[Key]) -> None:
        """Do nothing about these any more."""
        for key in keys:
            if self._how.pop(key, None) is not None:
                self._maps["addresses"].delete(key)
                self._maps["tallies"].delete(key)
                self._past.pop(key, None)

    def counts(self, keys: Collection[Key]) -> Iterator[tuple[Key, Counts]]:
        """Yield what was counted for those of `keys` that were put."""
        for key in keys:
            if (each_cpu := self._maps["tallies"].get(key)) is None:
                continue
            rows = [_COUNTS.unpack(value) for value in each_cpu]
            past = self._past.get(key, [0] * 4)
            yield key, Counts(*(before + sum(column) for before, *column in zip(past, *rows, strict=True)))

    def askers(self) -> list[tuple[Sighting, float]]:
        """Return who asked since the last call, a bounded number, and when (seconds of CLOCK_MONOTONIC)."""
        found = []
        for key, value in self._maps["askers"].take(_TAKEN):
            vip, client = (_address(each) for each in _ASKER.unpack(key))
            at, mac = _SEEN.unpack(value)
            found.append((Sighting(vip, client, mac), at / 1e9))
        return found

    def close(self) -> None:
        """Give everything back to the kernel."""
        for each in (*self.programs.values(), *self._maps.values()):
            each.close()

    def _load(self) -> None:
        rooms = {"slots": self._table_room * _WORDS}
        maps = {
            name: Map(kind, key, value, rooms.get(name, self._room) if entries is None else entries, name)
            for name, (kind, key, value, entries) in MAPS.items()
        }
        folder = resources.files("roost.announce") / "bpf"
        self.programs = {
            hook: Program((folder / f"{name}.bpf").read_bytes(), list(maps.values()), f"roost_{name}")
            for name, hook in PROGRAMS.items()
        }
        self._maps = maps

    def _prove(self) -> None:
        """Have a question answered, so that what a kernel cannot do is known now; raises OSError.

        In a time namespace the kernel's clock is another than this process's: a lease would end too late.
        """
        address, mac, asker = IPv4Address("192.0.2.1"), b"\2\0\0\0\0\1", b"\2\0\0\0\0\2"
        key = key_of(LOOPBACK, address)
        begin = time.monotonic()
        self.renew(begin + 60.0)
        self.put({key: How(mac, mac)})
        question = arp.question(asker, IPv4Address("192.0.2.2"), address, mac)
        verdict, _ = self.programs[Hook.INGRESS].run(question, LOOPBACK)
        end = time.monotonic()
        in_time = any(begin - _TICK <= at <= end + _TICK for _, at in self.askers())
        self.forget([key])
        self.renew(0.0)
        if verdict != _REDIRECTED or not in_time:
            raise OSError(
                errno.EPROTO, "its programs do not work here, or its clock is another (time namespace)"
            )

    def _grow(self) -> None:
        tables = {how.slots for how in self._how.values() if how.slots is not None}
        while self._room < len(self._how):
            self._room *= 2
        while self._table_room < 2 * len(tables):
            self._table_room *= 2
        for key, counts in self.counts(self._how):
            self._past[key] = [counts.answered, counts.left, counts.late, counts.packets]
        old = (*self.programs.values(), *self._maps.values())
        self._load()
        self._maps["lease"].set(bytes(4), _LEASE.pack(self._until))
        self._tables = {}
        self._put_tables(tables)
        for key in self._how:
            self._maps["tallies"].set(key, b"")
        self._maps["addresses"].set_all({key: self._packed(how) for key, how in self._how.items()})
        for mac in self._peers:
            self._maps["peers"].set(mac + bytes(2), b"\1")
        for hooked in self._hooked:
            try:
                hooked.replace(self.programs)
            except OSError:  # its link is gone; else its responder finds out that nothing is attached
                hooked.close()
        for each in old:
            each.close()


def key_of(link: int, address: IPAddress) -> Key:
    """Return what the programs know `address` on the link with that index by."""
    packed = address.packed
    return _KEY.pack(link, packed if len(packed) == 16 else _mapped(packed))


def _mapped(ipv4: bytes) -> bytes:
    return bytes(10) + b"\xff\xff" + ipv4


def _address(raw: bytes) -> IPAddress:
    address = IPv6Address(raw)
    return address.ipv4_mapped or address

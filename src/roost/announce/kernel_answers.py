"""What the kernel answers: the maps that the programs in `bpf/answer.c` read, and those that they fill.

One set of maps and programs for all links of a speaker. The layouts are those of `answer.c`.
"""

import errno
import struct
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass
from importlib import resources
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType
from typing import Final, Protocol

from roost.announce.kernel_tables import KernelTables
from roost.model.address import IPAddress
from roost.model.sharing import SLOTS
from roost.model.spreading import VISITS, Spread, Station
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
_TAKEN_ASKERS: Final = 512  # at a time: forged ones must not keep this process from its work
_PEERS: Final = 1024  # hardware addresses
_FEW: Final = 1024  # entries to begin with, a link and an address each
_ANSWER, _ROUTER, _SHARED, _SPREAD, _RETURNS, _PASSES_ON = 1, 2, 4, 8, 16, 32  # flags
_WORDS: Final = SLOTS // 64  # of a table of slots, a bit each
_NUMBER_WORDS: Final = SLOTS // 8  # of a table of numbers, a byte each
_FLOWS: Final = 1 << 16  # connections known, some 7 MB; those without a packet for longest give way
_DATAGRAMS: Final = 4096  # in parts
_PLACES: Final = 4096  # nodes by their links
_NOBODY: Final = IPv4Address(0)
LOOPBACK: Final = 1  # index of lo in every network namespace
_REDIRECTED: Final = 7  # TC_ACT_REDIRECT
_TICK: Final = 0.001  # seconds that the two clocks may seem to differ by

_KEY: Final = struct.Struct("=I16s")
_HOW: Final = struct.Struct(f"=6s6sI4sII{VISITS}s")
_INDEX: Final = struct.Struct("=I")
_WORD: Final = struct.Struct("=Q")
_LEASE: Final = struct.Struct("=Q")
_COUNTS: Final = struct.Struct("=5Q")
_ASKER: Final = struct.Struct("=16s16s")
_SEEN: Final = struct.Struct("=Q6s2x")
_FLOW_KEY: Final = 40  # bytes, of a datagram, too
_TAKEN: Final = 16  # bytes
_PLACE: Final = struct.Struct("=II")
_NUMBER: Final = struct.Struct("=I")
_STATION: Final = struct.Struct("=6sH")

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
        "flows": (MapKind.LRU_HASH, _FLOW_KEY, _TAKEN, None),
        "datagrams": (MapKind.LRU_HASH, _FLOW_KEY, _TAKEN, None),
        "spread": (MapKind.ARRAY, _INDEX.size, _WORD.size, None),
        "places": (MapKind.HASH, _PLACE.size, 8, _PLACES),
        "stations": (MapKind.HASH, 8, _NUMBER.size, _PEERS),
    }
)
_LASTING: Final = frozenset({"flows", "datagrams"})  # kept when others grow
PROGRAMS: Final = MappingProxyType({"answer": Hook.INGRESS, "guard": Hook.EGRESS})
SPREADS: Final = "spread"  # a program of its own at ingress, for those whose connections are spread

Key = bytes  # a link and an address, as `key_of` gives it


@dataclass(frozen=True, slots=True)
class How:
    """What to do about questions for an address on a link with hardware address `link_mac` (6 bytes).

    `mac` (6 bytes) is what to answer with, None for not answering; `own` is an address of the link. With
    `slots` (`roost.model.sharing.Share`) only their askers are answered, and who asks this station alone.
    With `spread` what comes in for the address goes to the nodes of its flows.
    """

    link_mac: bytes
    mac: bytes | None = None
    router: bool = False
    own: IPv4Address = _NOBODY
    slots: bytes | None = None
    spread: Spread | None = None

    def packed(self, table: int = 0, numbers: int = 0) -> bytes:
        """Return it as the programs read it; `table` is that of its slots, `numbers` that of its spread."""
        flags = _ANSWER * (self.mac is not None) | _ROUTER * self.router | _SHARED * (self.slots is not None)
        visits = b""
        if self.spread is not None:
            flags |= _SPREAD | _RETURNS * self.spread.returns | _PASSES_ON * self.spread.passes_on
            visits = self.spread.visits
        return _HOW.pack(self.mac or bytes(6), self.link_mac, flags, self.own.packed, table, numbers, visits)


@dataclass(frozen=True, slots=True)
class Counts:
    """Frames counted in the kernel: questions answered, left to others, late (after the lease); packets.

    Of the packets those that were `spread` went on to other nodes.
    """

    answered: int = 0
    left: int = 0
    late: int = 0
    packets: int = 0
    spread: int = 0


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
        self._slots = KernelTables(_WORDS)
        self._numbers = KernelTables(_NUMBER_WORDS)
        self._spreads = False  # whether any address ever was spread: until then there is no room for flows
        self._peers: frozenset[bytes] = frozenset()
        self._places: Mapping[bytes, bytes] = {}
        self._stations: Mapping[bytes, bytes] = {}
        self._past: dict[Key, list[int]] = {}  # counted in maps that were too small
        self._maps: Mapping[str, Map] = {}
        self.spreading: Program | None = None
        self._spread_hooked: list[Hooked] = []
        self.why_not_spread = ""  # why this kernel cannot spread connections
        self.programs: Mapping[Hook, Program] = {}
        self._load()
        self._prove()

    def keep(self, hooked: Hooked) -> None:
        """Keep programs up to date that were put at the hooks of a link."""
        self._hooked.append(hooked)

    def keep_spreading(self, hooked: Hooked) -> None:
        """Keep the program up to date that spreads connections at the hook of a link."""
        self._spread_hooked.append(hooked)

    def let_go(self, hooked: Hooked) -> None:
        """Forget about them."""
        for each in (self._hooked, self._spread_hooked):
            if hooked in each:
                each.remove(hooked)

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
        slots = {how.slots for how in changed.values() if how.slots is not None}
        numbers = {how.spread.numbers for how in changed.values() if how.spread is not None}
        begins = bool(numbers) and not self._spreads
        fit = self._slots.fit(slots) and self._numbers.fit(numbers)
        if begins or not fit or len(self._how) > self._room:
            self._grow()
            return
        self._slots.put(self._maps["slots"], slots)
        self._numbers.put(self._maps["spread"], numbers)
        for key in new:
            self._maps["tallies"].set(key, b"")
        self._maps["addresses"].set_all({key: self._packed(how) for key, how in changed.items()})
        if slots or numbers:
            self._slots.keep(self._used_slots())
            self._numbers.keep(self._used_numbers())

    def place(self, places: Mapping[tuple[int, int], Station]) -> None:
        """Take where nodes are, and that what comes from there is theirs, by (link, number)."""
        wanted = {_PLACE.pack(*key): _STATION.pack(*station) for key, station in places.items()}
        stations = {
            _STATION.pack(*Station(mac)): _NUMBER.pack(node) for (_, node), (mac, _) in places.items()
        }
        _bring("places", self._maps, self._places, wanted)
        _bring("stations", self._maps, self._stations, stations)
        self._places, self._stations = wanted, stations

    def _packed(self, how: How) -> bytes:
        return how.packed(
            0 if how.slots is None else self._slots.number(how.slots),
            0 if how.spread is None else self._numbers.number(how.spread.numbers),
        )

    def _used_slots(self) -> set[bytes]:
        return {how.slots for how in self._how.values() if how.slots is not None}

    def _used_numbers(self) -> set[bytes]:
        return {how.spread.numbers for how in self._how.values() if how.spread is not None}

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
            past = self._past.get(key, [0] * 5)
            yield key, Counts(*(before + sum(column) for before, *column in zip(past, *rows, strict=True)))

    def askers(self) -> list[tuple[Sighting, float]]:
        """Return who asked since the last call, a bounded number, and when (seconds of CLOCK_MONOTONIC)."""
        found = []
        for key, value in self._maps["askers"].take(_TAKEN_ASKERS):
            vip, client = (_address(each) for each in _ASKER.unpack(key))
            at, mac = _SEEN.unpack(value)
            found.append((Sighting(vip, client, mac), at / 1e9))
        return found

    def close(self) -> None:
        """Give everything back to the kernel."""
        for each in (*self._all_programs, *self._maps.values()):
            each.close()

    @property
    def _all_programs(self) -> tuple[Program, ...]:
        return (*self.programs.values(), *((self.spreading,) if self.spreading else ()))

    def _load(self) -> None:
        """Make the maps, and the programs that use them; what is in maps that need not grow is kept."""
        rooms = {
            "slots": self._slots.room * _WORDS,
            "spread": self._numbers.room * _NUMBER_WORDS,
            "flows": _FLOWS if self._spreads else 1,
            "datagrams": _DATAGRAMS if self._spreads else 1,
        }
        maps: dict[str, Map] = {}
        for name, (kind, key, value, entries) in MAPS.items():
            if (
                (known := self._maps.get(name))
                and (entries or name in _LASTING)
                and known.entries == (entries or rooms[name])
            ):
                maps[name] = known
            else:
                room = rooms.get(name, self._room) if entries is None else entries
                maps[name] = Map(kind, key, value, room, name)
        folder = resources.files("roost.announce") / "bpf"
        self.programs = {
            hook: Program((folder / f"{name}.bpf").read_bytes(), list(maps.values()), f"roost_{name}")
            for name, hook in PROGRAMS.items()
        }
        self._maps = maps
        self._load_spreading((folder / f"{SPREADS}.bpf").read_bytes())

    def _load_spreading(self, code: bytes) -> None:
        """Load what spreads connections; a kernel that refuses that alone answers all the same."""
        self.spreading, self.why_not_spread = None, ""
        try:
            self.spreading = Program(code, list(self._maps.values()), f"roost_{SPREADS}")
        except OSError as error:
            self.why_not_spread = error.strerror or str(error)

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
        while self._room < len(self._how):
            self._room *= 2
        slots, numbers = self._used_slots(), self._used_numbers()
        self._slots, self._numbers = self._slots.grown(slots), self._numbers.grown(numbers)
        self._spreads |= bool(numbers)
        for key, counts in self.counts(self._how):
            self._past[key] = list(astuple(counts))
        programs, maps = self._all_programs, self._maps
        self._load()
        self._slots.put(self._maps["slots"], slots)
        self._numbers.put(self._maps["spread"], numbers)
        for key in self._how:
            self._maps["tallies"].set(key, b"")
        self._maps["addresses"].set_all({key: self._packed(how) for key, how in self._how.items()})
        for hooked in self._hooked:
            _replace(hooked, self.programs)
        if self.spreading is not None:
            for hooked in self._spread_hooked:
                _replace(hooked, {Hook.INGRESS: self.spreading})
        for each in (*programs, *(maps[name] for name in maps if maps[name] is not self._maps[name])):
            each.close()


def _replace(hooked: Hooked, programs: Mapping[Hook, Program]) -> None:
    try:
        hooked.replace(programs)
    except OSError:  # its link is gone; else its responder finds out that nothing is attached
        hooked.close()


def _bring(
    name: str, maps: Mapping[str, Map], before: Mapping[bytes, bytes], after: Mapping[bytes, bytes]
) -> None:
    """Make a map hold `after` where it held `before`."""
    for key in before.keys() - after.keys():
        maps[name].delete(key)
    for key, value in after.items():
        if before.get(key) != value:
            maps[name].set(key, value)


def key_of(link: int, address: IPAddress) -> Key:
    """Return what the programs know `address` on the link with that index by."""
    packed = address.packed
    return _KEY.pack(link, packed if len(packed) == 16 else _mapped(packed))


def _mapped(ipv4: bytes) -> bytes:
    return bytes(10) + b"\xff\xff" + ipv4


def _address(raw: bytes) -> IPAddress:
    address = IPv6Address(raw)
    return address.ipv4_mapped or address

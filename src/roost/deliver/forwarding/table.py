"""The kernel's part of `deliver: forward`: one table of ours in nftables for each family.

    client -> VIP : port   -> ports: which pool -> by a hash of the client's address and port: which backend
    backend -> client      a connection that is known here goes back as it came
                           one that is not -> back: it comes from VIP : port, and is known from now on
    else to a VIP          ping -> this host answers; a beginning -> refused; in mid-stream -> dropped

The hash and the slots are the same on all nodes, so whoever gets the next packet of a connection, from either
side, takes it to the same backend: connections survive the node that they went through. The table stays when
the process is killed, and is taken over by its successor.
"""

import itertools
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from roost.decide.forwarding.ruleset import Ruleset, Shared
from roost.model.forwarding import Target, Virtual
from roost.model.slots import SIZES
from roost.runtime import nft_expressions as do
from roost.runtime import nft_translation as translate
from roost.runtime.nftables import VERDICT, Chain, Contents, Field, NfTables, Part, Set

__all__ = ["NAME", "ForwardTable"]

NAME: Final = "roost-forward"
_SEED: Final = 0x726F6F73  # of the hash: all nodes must have the same
_PREROUTING, _FORWARD, _POSTROUTING = 0, 2, 4  # NF_INET_*
_TRANSLATE_TARGET, _TRANSLATE_SOURCE, _FILTER = -100, 100, 0  # priorities
_L4PROTO: Final = 16  # NFT_META_L4PROTO
_INVALID: Final = struct.pack("=I", 1)  # NF_CT_STATE_INVALID_BIT
_TRANSLATED: Final = struct.pack("=I", 1 << 5)  # IPS_DST_NAT
_TCP: Final = bytes([socket.IPPROTO_TCP])
_TCP_FLAGS: Final = 13  # offset
_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16
_PROTOCOL: Final = Field(12, 1)
_PORT: Final = Field(13, 2)
_MARK: Final = Field(19, 4, host_order=True)

_WORDS: Final = tuple(struct.pack("=I", number) for number in range(max(SIZES)))  # keys of slots

_LOOKS: Final = (0.0, 0.01, 0.05, 0.2)  # seconds before each look at a set that seems to differ

_Filled = dict[str, dict[bytes, bytes]]
_Pools = Mapping[int, Shared]  # by number


@dataclass(frozen=True, slots=True)
class _Family:
    """What differs between IPv4 and IPv6; `ping` is an echo request, `refusal` ICMP's code for a port."""

    family: int
    version: int
    protocol: int  # NFPROTO_*
    address: Field
    source: int  # offset in bytes
    target: int
    icmp: int
    ping: int
    refusal: int


_FAMILIES: Final = {
    4: _Family(socket.AF_INET, 4, 2, Field(7, 4), 12, 16, socket.IPPROTO_ICMP, 8, 3),
    6: _Family(socket.AF_INET6, 6, 10, Field(8, 16), 8, 24, socket.IPPROTO_ICMPV6, 128, 4),
}


class ForwardTable:
    """The table of one version of IP. Methods raise OSError; each change is one transaction.

    Methods may be called in any thread, one at a time.
    """

    def __init__(self, version: int) -> None:
        self._of = of = _FAMILIES[version]
        self._table = NfTables(NAME, of.family)
        self._pools: _Pools = {}
        self._filled: _Filled | None = None  # None: what the kernel has is not known
        self._generation = b""
        server = (of.address, _PROTOCOL, _PORT)
        place = (of.address, _PORT)
        self._ports = Set("ports", server, (VERDICT,), size=0, passing=False)
        self._back = Set("back", server, place, size=0, passing=False)
        self._masqueraded = Set("masqueraded", server, size=0, passing=False)
        self._held = Set("held", (of.address,), size=0, passing=False)
        self._place = place
        self._fixed = Part((self._ports, self._back, self._masqueraded, self._held), self._all_chains())

    @property
    def there(self) -> bool:
        """Whether it was put in force, as far as is known."""
        return self._filled is not None

    def follow(self, wanted: Ruleset) -> int:
        """Put what concerns this family in force; returns how many elements have changed."""
        pools = self._numbered(wanted)
        filled = self._contents(wanted, pools)
        if self._filled is None:
            return self._replace(filled, pools)
        gone, new = _difference(self._filled, filled)
        _slots_differ(self._pools, pools, gone, new)
        old = self._part({number: self._pools[number] for number in self._pools.keys() - pools.keys()})
        added = self._part({number: pools[number] for number in pools.keys() - self._pools.keys()})
        if gone or new:
            try:
                self._table.change(self._all(gone), self._all(new), old, added)
            except OSError:  # somebody else was here
                return self._replace(filled, pools)
        self._filled, self._pools = filled, pools
        return sum(map(len, gone.values())) + sum(map(len, new.values()))

    def _replace(self, filled: _Filled, pools: _Pools) -> int:
        contents = {**filled, **{_pool_name(number): _elements(pool) for number, pool in pools.items()}}
        part = self._part(pools)
        self._filled = None
        sets = (*self._fixed.sets, *part.sets)
        self._table.replace(sets, (*self._fixed.chains, *part.chains), self._all(contents), owned=False)
        self._filled, self._pools = filled, pools
        return sum(map(len, contents.values()))

    def _part(self, pools: _Pools) -> Part:
        """Return the map and the chain of each pool."""
        ordered = sorted(pools)
        chains = tuple(self._balance(number, len(pools[number].slots)) for number in ordered)
        return Part(tuple(self._slots(number) for number in ordered), chains)

    def _slots(self, number: int) -> Set:
        return Set(_pool_name(number), (_MARK,), self._place, size=0, passing=False)

    def differs(self) -> str:
        """List what the kernel has: return how that differs from what it was told, "" if it does not."""
        if self._filled is None:
            return ""
        generation = self._table.generation()
        if generation == self._generation:
            return ""
        try:
            if lost := self._list(self._filled):
                return self._lost(lost)
        except OSError:
            return self._lost("table")
        self._generation = generation
        return ""

    def _list(self, filled: _Filled) -> str:
        """List what the kernel has; return what of it is not as it was told."""
        pools = {_pool_name(number): _elements(pool) for number, pool in self._pools.items()}
        rules = {each.name: len(each.rules) for each in self._fixed.chains}
        if self._table.rules() != rules | dict.fromkeys(pools, 1):
            return "rules"
        for name, elements in (filled | pools).items():
            # While the kernel resizes a set, a listing in parts may miss some.
            for pause in _LOOKS:
                time.sleep(pause)
                if self._table.elements(self._set(name)) == elements:
                    break
            else:
                return f"elements of {name}"
        return ""

    def remove(self) -> None:
        """Take the table away, if there is one, and forget it."""
        self._filled = None
        self._table.remove()

    def close(self) -> None:
        """Give the socket back; the table stays."""
        self._table.close()

    def _lost(self, what: str) -> str:
        self._filled = None
        return f"table {NAME} of IPv{self._of.version}: its {what} had been changed by another program"

    # -- contents --------------------------------------------------------------------------------

    def _numbered(self, wanted: Ruleset) -> _Pools:
        """Return the pools of this family by number: each keeps its own, so that little has to be changed."""
        pools = {
            (each.virtuals[0], len(each.slots)): each
            for each in wanted.shared
            if each.virtuals[0].address.version == self._of.version
        }
        known = {(pool.virtuals[0], len(pool.slots)): number for number, pool in self._pools.items()}
        free = (number for number in itertools.count() if number not in self._pools)
        return {known[key] if key in known else next(free): pool for key, pool in pools.items()}

    def _contents(self, wanted: Ruleset, pools: _Pools) -> _Filled:
        """Return what the sets have to hold, but those of the pools."""
        version = self._of.version
        filled: _Filled = {each.name: {} for each in self._fixed.sets}
        for number, pool in pools.items():
            name = _pool_name(number).encode()
            filled["ports"].update((_virtual_key(each), name) for each in pool.virtuals)
        for (target, protocol), end in wanted.back.items():
            if target.address.version == version:
                filled["back"][_server_key(target, protocol)] = _place(end)
        masqueraded = (each for each in wanted.masqueraded if each[0].address.version == version)
        filled["masqueraded"] = {_server_key(*each): b"" for each in masqueraded}
        filled["held"] = {each.packed: b"" for each in wanted.held if each.version == version}
        return filled

    def _set(self, name: str) -> Set:
        fixed = {each.name: each for each in self._fixed.sets}
        return fixed.get(name) or Set(name, (_MARK,), self._place, size=0, passing=False)

    def _all(self, filled: Mapping[str, Mapping[bytes, bytes]]) -> Contents:
        return [(self._set(name), elements.items()) for name, elements in filled.items() if elements]

    # -- rules -----------------------------------------------------------------------------------

    def _all_chains(self) -> tuple[Chain, ...]:
        of = self._of
        drop = do.verdict(do.DROP)
        invalid = (do.load_tracked(), do.masked(_INVALID), do.differs(bytes(4)))
        to_held = (self._address(of.target, 0), do.in_set(self._held))
        ping = (
            do.load_meta(_L4PROTO),
            do.equals(bytes([of.icmp])),
            do.load_payload(2, 0, 1),
            do.equals(bytes([of.ping])),
        )
        tcp = do.load_meta(_L4PROTO), do.equals(_TCP)
        begins = (
            do.load_payload(2, _TCP_FLAGS, 1),
            do.masked(bytes([_FIN | _SYN | _RST | _ACK])),
            do.equals(bytes([_SYN])),
        )
        arriving = Chain(
            "arriving",
            (
                (*self._server(of.target, 2), do.go_to(self._ports)),
                (*to_held, *ping, translate.redirect()),
            ),
            _TRANSLATE_TARGET,
            _PREROUTING,
            "nat",
        )
        through = Chain(
            "through",
            (
                # To refuse what is in mid-stream, or out of its window, would end a connection that lives.
                (*to_held, *invalid, drop),
                (*self._server(of.source, 0), do.in_set(self._back), *invalid, drop),
                (*to_held, *tcp, *begins, translate.reset()),
                (*to_held, *tcp, drop),
                (*to_held, translate.refuse_port(of.refusal)),
            ),
            _FILTER,
            _FORWARD,
        )
        leaving = Chain(
            "leaving",
            (
                (
                    translate.load_status(),
                    do.masked(_TRANSLATED),
                    do.differs(bytes(4)),
                    *self._server(of.target, 2),
                    do.in_set(self._masqueraded),
                    translate.masquerade(),
                ),
                (*self._server(of.source, 0), do.value_from(self._back), self._to_source()),
            ),
            _TRANSLATE_SOURCE,
            _POSTROUTING,
            "nat",
        )
        return arriving, through, leaving

    def _balance(self, number: int, size: int) -> Chain:
        """Find the slot of who asks, and send it to whose that is."""
        of, words = self._of, self._of.address.size // 4
        rule = (
            self._address(of.source, 0),
            do.load_payload(2, 0, 2, words),
            translate.hashed(0, of.address.size + 4, size, _SEED, 0),
            do.value_from(self._slots(number)),
            translate.to_destination(of.protocol, 0, words),
        )
        return Chain(_pool_name(number), (rule,))

    def _server(self, offset: int, port: int) -> tuple[bytes, ...]:
        """Load an address, the protocol, and the port at byte `port` of its header."""
        words = self._of.address.size // 4
        return (
            self._address(offset, 0),
            do.load_meta(_L4PROTO, words),
            do.load_payload(2, port, 2, words + 1),
        )

    def _to_source(self) -> bytes:
        return translate.to_source(self._of.protocol, 0, self._of.address.size // 4)

    def _address(self, offset: int, register: int) -> bytes:
        return do.load_payload(1, offset, self._of.address.size, register)


def _difference(old: _Filled, new: _Filled) -> tuple[_Filled, _Filled]:
    """Return what has to go, and what has to come: an element that changes does both."""
    gone: _Filled = {}
    come: _Filled = {}
    for name in old.keys() | new.keys():
        before, after = old.get(name, {}), new.get(name, {})
        if left := before.items() - after.items():
            gone[name] = dict(left)
        if changed := after.items() - before.items():
            come[name] = dict(changed)
    return gone, come


def _slots_differ(old: _Pools, new: _Pools, gone: _Filled, come: _Filled) -> None:
    """Add what has to go and come in the maps of pools; one that goes takes its elements along."""
    for number, pool in new.items():
        if number not in old:
            come[_pool_name(number)] = _elements(pool)
            continue
        pairs = zip(old[number].slots, pool.slots, strict=True)
        # Equal targets are one object as a rule, which spares thousands of comparisons.
        changed = [at for at, (one, other) in enumerate(pairs) if one is not other and one != other]
        if changed:
            gone[_pool_name(number)] = {_WORDS[at]: b"" for at in changed}
            come[_pool_name(number)] = {_WORDS[at]: _place(pool.slots[at]) for at in changed}


def _elements(pool: Shared) -> dict[bytes, bytes]:
    # By object: equal targets are one, and to look thousands up by value takes longer than all else.
    places = {number: _place(target) for number, target in {id(each): each for each in pool.slots}.items()}
    return dict(zip(_WORDS, map(places.__getitem__, map(id, pool.slots)), strict=False))


def _pool_name(number: int) -> str:
    return f"pool-{number}"


def _virtual_key(virtual: Virtual) -> bytes:
    return _key(virtual.address.packed, virtual.protocol, virtual.port)


def _server_key(target: Target, protocol: int) -> bytes:
    return _key(target.address.packed, protocol, target.port)


def _key(address: bytes, protocol: int, port: int) -> bytes:
    return address + struct.pack("=B3x", protocol) + struct.pack("!H2x", port)


def _place(target: Target) -> bytes:
    return target.address.packed + struct.pack("!H2x", target.port)

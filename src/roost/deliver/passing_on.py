"""Passing packets of others' connections on to the nodes that hold them: a table of ours in nftables.

    to a service address -> a flow that another node has named (UDP)              -> to that node
                         -> begins a connection, or belongs to one of this host   -> as ever
                         -> else: to a node that held the address, which passes it on if it does not know it

It stands before connection tracking (but where that has to say which connections are this host's) and before
translation, so that whatever the host's firewall thinks of packets in mid-stream does not matter. Only
packets for these addresses are looked at, and only while there is anything to pass on. Elements end by
themselves unless they are renewed, and the table goes with the process.
"""

import errno
import logging
import socket
import struct
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from roost.decide.effects import NextHop, Onward, PassOn
from roost.model.address import IPAddress
from roost.model.flow import TCP, UDP, Flow
from roost.runtime import nft_expressions as do
from roost.runtime import nftables as nft
from roost.runtime.flows import flows_of
from roost.runtime.neighbours import FixedNeighbours

__all__ = ["RENEW", "PassingOn"]

_log = logging.getLogger("roost.speaker")

RENEW: Final = 4.0  # seconds between two renewals
_LASTING: Final = 13.0  # seconds that elements last without one
_FIRST_OF_ALL: Final = -310  # before connection tracking (-200) and the `raw` tables (-300)
_AFTER_TRACKING: Final = -150  # and before translation (-100)
_TRACKED_BEFORE: Final = 1 << 1 | 1 << 2  # NF_CT_STATE_BIT of established, related
_HANDSHAKE: Final = 5.0  # seconds from a first SYN to the packet after it
_CONNECTIONS: Final = 1 << 18  # remembered while passing on: a flood of SYNs must not fill it
_TCP_FLAGS: Final = 13  # offset
_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16
_LINK_TYPE: Final = 8  # NFT_META_IIFTYPE
_NEEDS: Final = "nft_dup_ipv4, nft_dup_ipv6"
_ETHERNET: Final = struct.pack("=H", 1)  # ARPHRD_ETHER
_MAC: Final = nft.Field(9, 6)
_PORT: Final = nft.Field(13, 2)


_Contents = list[tuple[nft.Set, Collection[tuple[bytes, bytes]]]]


@dataclass(frozen=True, slots=True)
class _Family:
    """What differs between IPv4 and IPv6: where addresses are, and which ICMP tells of errors."""

    version: int
    family: int
    address: nft.Field
    source: int  # offset in bytes
    target: int
    hops: int  # offset of the time to live, or hop limit
    icmp: int  # protocol
    errors: tuple[int, int]  # types, first and last


_FAMILIES: Final = (
    _Family(4, socket.AF_INET, nft.Field(7, 4), 12, 16, 8, socket.IPPROTO_ICMP, (3, 12)),
    _Family(6, socket.AF_INET6, nft.Field(8, 16), 8, 24, 7, socket.IPPROTO_ICMPV6, (1, 4)),
)


class PassingOn:
    """The tables of the speaker of node `node`; `problem` is why it cannot pass anything on, or "".

    `tracked`: the kernel tracks all connections to these addresses, as it does where a proxy translates them,
    and knows its own ones by that. The kernel takes the tables away with the process (Linux 5.12; on older
    ones they stay, empty after seconds).
    """

    def __init__(self, node: str, *, tracked: bool = False) -> None:
        self.problem = ""
        self._tracked = tracked
        self._wanted = PassOn({}, frozenset())
        self._tables = [_Table(f"roost-{node}", family, tracked=tracked) for family in _FAMILIES]
        self._neighbours = FixedNeighbours()

    def start(self, remember: float) -> None:
        """Put the tables in place, empty: making them takes tens of milliseconds, filling them does not."""
        self._wanted = PassOn({}, remember=remember)
        self._apply(renew=True)

    def follow(self, wanted: PassOn) -> None:
        """Pass on exactly this from now on: when it returns it is so, or `problem` says why not."""
        self._wanted = wanted
        self._apply(renew=False)

    def renew(self) -> None:
        """Let what is in force last, and put right what somebody has taken away."""
        if self._wanted.onward or self.problem:
            self._apply(renew=True)

    def close(self) -> None:
        """Pass nothing on any more, and leave nothing behind."""
        for table in self._tables:
            table.close()
        self._neighbours.close()

    def _apply(self, *, renew: bool) -> None:
        try:
            self._teach()
            for table in self._tables:
                table.follow(self._wanted, renew=renew)
        except OSError as error:
            problem = f"connections cannot be passed on when an address moves: {nft.cause(error, _NEEDS)}"
            if problem != self.problem:
                # Where a proxy delivers, the right to do this is an option.
                _log.log(logging.INFO if self._tracked else logging.WARNING, "%s", problem)
            self.problem = problem
        else:
            self.problem = ""

    def _teach(self) -> None:
        hops = {
            hop
            for onward in self._wanted.onward.values()
            for hop in (onward.first, onward.upward, onward.led, *onward.flows.values())
            if hop is not None and hop.address.version == 6
        }
        for hop in hops:
            try:
                self._neighbours.set(hop.link, hop.address, hop.mac)
            except OSError as error:
                if error.errno != errno.ENODEV:  # else the link has just gone: the others are needed the more
                    raise


class _Table:
    """The table of one family."""

    def __init__(self, name: str, family: _Family, *, tracked: bool) -> None:
        self._family = family
        self._tracked = tracked
        self._table = nft.NfTables(name, family.family)
        self._there = False
        flow = (family.address, _PORT, family.address, _PORT)
        self._addresses = nft.Set("addresses", (family.address,))
        self._own = nft.Set("own", flow, dynamic=True, size=_CONNECTIONS)
        self._named = _Hops("named", flow, family.address)
        self._first = _Hops("first", (family.address,), family.address)
        self._upward = _Hops("upward", (family.address,), family.address)
        self._led = _Hops("led", (family.address,), family.address)
        self._peers = nft.Set("peers", (_MAC,))
        self._before = nft.Set("before", (_MAC,))
        self._leaders = nft.Set("leaders", (_MAC, family.address))
        self._returned = nft.Set("returned", (_MAC, family.address))
        self._moved = nft.Set("moved", (family.address,))
        self._unreached = nft.Set("unreached", (family.address,))
        self._sets = (
            self._addresses,
            self._own,
            *self._named.sets,
            *self._first.sets,
            *self._upward.sets,
            *self._led.sets,
            self._peers,
            self._before,
            self._leaders,
            self._returned,
            self._moved,
            self._unreached,
        )
        self._filled: _Contents = []
        self._onward: Mapping[IPAddress, Onward] = {}

    def close(self) -> None:
        """Take the table away."""
        if self._there:
            with suppress(OSError):
                self._table.remove()
        self._there, self._filled = False, []
        self._table.close()

    def follow(self, wanted: PassOn, *, renew: bool) -> None:
        """Pass on what concerns this family."""
        onward = {a: each for a, each in wanted.onward.items() if a.version == self._family.version}
        contents = self._contents(onward, wanted)
        if contents == self._filled and not renew:
            return
        try:
            self._fill(onward, contents, wanted.remember)
        except OSError as error:
            if error.errno != errno.ENOENT or not self._there:
                raise
            # Somebody has taken all tables away, as `nft flush ruleset` did before Linux 5.12.
            _log.warning("nftables: the table of this speaker is gone; putting it back")
            self._there = False
            self._fill(onward, contents, wanted.remember)
        self._onward = onward

    def _fill(self, onward: Mapping[IPAddress, Onward], contents: _Contents, remember: float) -> None:
        """Put `contents` in force; before anything is passed on, what this host itself holds is known."""
        if not self._there:
            self._table.replace(self._sets, self._chains(remember))
            self._there, self._filled = True, []
        known = {key for of, elements in self._filled if of is self._addresses for key, _ in elements}
        new = [address for address in onward if address.packed not in known]
        if new:
            self._table.add(self._addresses, [(address.packed, b"") for address in new], _LASTING)
        end = [address for address, each in onward.items() if each.ends(self._onward.get(address))]
        if moved := {*new, *end}:
            self._table.add(self._moved, [(address.packed, b"") for address in moved], Onward.UNCERTAIN)
        if new and not self._tracked:
            own = dict.fromkeys(_flow_key(flow) for flow in flows_of(new) if flow.protocol == TCP)
            self._table.add(self._own, [(key, b"") for key in own], remember)
        self._table.fill(contents, _LASTING)
        self._filled = contents

    def _contents(self, onward: Mapping[IPAddress, Onward], wanted: PassOn) -> _Contents:
        peers, before = (wanted.peers, wanted.before) if onward else ((), ())
        first = {address.packed: each.first for address, each in onward.items() if each.first}
        upward = {address.packed: each.upward for address, each in onward.items() if each.upward}
        led = {address.packed: each.led for address, each in onward.items() if each.led}
        leaders = _pairs({address: each.leader for address, each in onward.items()})
        returned = _pairs({address: each.returned for address, each in onward.items()})
        named = {_flow_key(flow): hop for each in onward.values() for flow, hop in each.flows.items()}
        return [
            (self._addresses, [(address.packed, b"") for address in onward]),
            (self._peers, [(mac, b"") for mac in sorted(peers)]),
            (self._before, [(mac, b"") for mac in sorted(before)]),
            (self._leaders, leaders),
            (self._returned, returned),
            (self._unreached, [(address.packed, b"") for address, each in onward.items() if each.unreached]),
            *self._first.filled(first),
            *self._upward.filled(upward),
            *self._led.filled(led),
            *self._named.filled(named),
        ]

    def _chains(self, remember: float) -> tuple[nft.Chain, ...]:
        family = self._family
        priority = _AFTER_TRACKING if self._tracked else _FIRST_OF_ALL
        to, to_from = self._to(), self._to(2)  # the sender's hardware address takes two registers
        tcp, udp, icmp = (do.protocol(each) for each in (TCP, UDP, family.icmp))
        flow = self._flow()
        accept = do.verdict(do.ACCEPT)
        send = self._first.send(self._to)
        ethernet = (do.load_meta(_LINK_TYPE), do.equals(_ETHERNET), do.load_payload(0, 6, 6))
        from_peer = (*ethernet, do.in_set(self._peers))
        from_elsewhere = (*ethernet, do.in_set(self._peers, inverted=True))
        drop = do.verdict(do.DROP)
        begins = (
            do.load_payload(2, _TCP_FLAGS, 1),
            do.masked(bytes([_FIN | _SYN | _RST | _ACK])),
            do.equals(bytes([_SYN])),
        )
        error = (
            do.load_payload(2, 0, 1),
            do.between(bytes([family.errors[0]]), bytes([family.errors[1]])),
        )
        arrives = nft.Chain("arrives", ((*to, do.in_set(self._addresses), do.jump("known")),), priority)
        tracked = (
            do.load_tracked(),
            do.masked(struct.pack("=I", _TRACKED_BEFORE)),
            do.differs(bytes(4)),
        )
        known = nft.Chain(
            "known",
            (
                # First: until it was named, the flow may have been taken for one of this host.
                (*udp, *from_elsewhere, *self._named.send(self._flow), drop),
                *([(*tracked, accept)] if self._tracked else []),
                (*tcp, *begins, *flow, do.add_to_set(self._own, _HANDSHAKE), accept),
                (
                    *tcp,
                    *flow,
                    do.in_set(self._own),
                    do.add_to_set(self._own, remember, update=True),
                    accept,
                ),
                (*from_peer, do.jump("passed")),
                (*tcp, *send, do.counter(), drop),
                (*tcp, *to, do.in_set(self._unreached), drop),
                (*icmp, *error, *send),  # a copy: it may be about a connection of either
            ),
        )
        uncertain = (*tcp, *to, do.in_set(self._moved), drop)  # perhaps not all nodes know yet who holds it
        # A copy has one hop less, and none less than 0 is 255: without this a circle would have no end.
        spent = (do.load_payload(1, family.hops, 1), do.between(b"\0", b"\1"), drop)
        passed = nft.Chain(
            "passed",
            (
                spent,
                (*tcp, *ethernet, *to_from, do.in_set(self._returned), drop),
                (*ethernet, do.in_set(self._before), do.jump("upward")),
                (*ethernet, *to_from, do.in_set(self._leaders), do.jump("led")),
                (*tcp, drop),  # two do not agree on who leads
                (accept,),
            ),
        )
        upward, led = (
            nft.Chain(name, ((*icmp, *error, *hops), (*tcp, *hops, drop), uncertain, (accept,)))
            for name, hops in (("upward", self._upward.send(self._to)), ("led", self._led.send(self._to)))
        )
        return arrives, known, passed, upward, led

    def _to(self, at: int = 0) -> tuple[bytes, ...]:
        """Load the address into the registers from `at` on."""
        return (do.load_payload(1, self._family.target, self._family.address.size, at),)

    def _flow(self, at: int = 0) -> tuple[bytes, ...]:
        """Load client, its port, address, port into the registers from `at` on."""
        family, size = self._family, self._family.address.size // 4
        return (
            do.load_payload(1, family.source, family.address.size, at),
            do.load_payload(2, 0, 2, at + size),
            do.load_payload(1, family.target, family.address.size, at + size + 1),
            do.load_payload(2, 2, 2, at + 2 * size + 1),
        )


class _Hops:
    """Next hops by key: two maps with the same keys, one to the address and one to the link."""

    def __init__(self, name: str, key: tuple[nft.Field, ...], address: nft.Field) -> None:
        self._to = nft.Set(name, key, (address,))
        self._link = nft.Set(f"{name}_link", key, (nft.LINK,))
        self._behind = address.size // 4
        self.sets = (self._to, self._link)

    def filled(self, hops: Mapping[bytes, NextHop]) -> _Contents:
        """Return what the maps have to hold."""
        return [
            (self._to, [(key, hop.address.packed) for key, hop in hops.items()]),
            (self._link, [(key, struct.pack("=I", hop.link)) for key, hop in hops.items()]),
        ]

    def send(self, load: Callable[[int], tuple[bytes, ...]]) -> tuple[bytes, ...]:
        """Send a copy to the next hop of the key that `load` loads; without one the rule ends here."""
        to = (*load(0), do.value_from(self._to))
        link = (*load(self._behind), do.value_from(self._link, self._behind))
        return (*to, *link, do.duplicate(0, self._behind))


def _pairs(macs: Mapping[IPAddress, frozenset[bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the elements of a set of hardware addresses, each with the service address it is of."""
    return [(_mac_key(mac, address), b"") for address, found in macs.items() for mac in sorted(found)]


def _mac_key(mac: bytes, address: IPAddress) -> bytes:
    return mac + bytes(2) + address.packed


def _flow_key(flow: Flow) -> bytes:
    ports = (struct.pack("!Hxx", port) for port in (flow.client_port, flow.port))
    return b"".join((flow.client.packed, next(ports), flow.address.packed, next(ports)))

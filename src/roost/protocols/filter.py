"""The classic BPF program that lets the kernel wake us only for frames about our addresses.

Passes untagged ARP whose sender or target address is one of ours, and untagged ICMPv6 Neighbor
Solicitations and Advertisements whose target ends in the same 32 bits as one of ours; where the kernel
answers, only claims (`build_claims`). What peers send this station alone has a program of its own: it can
wait (`build_patient`). On demand untagged ICMP and ICMPv6 echo replies with one identifier,
without IPv4 options or IPv6 extension headers. The 32-bit keys become intervals in a binary decision tree.
When there are too many for the kernel's limit, the closest ones are merged: some foreign frames pass then,
which the responder drops itself.
"""

from collections.abc import Collection, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple

from roost.protocols.machine import Endpoint

__all__ = [
    "MAX_INSTRUCTIONS",
    "Instruction",
    "build",
    "build_claims",
    "build_echo_requests",
    "build_gossip",
    "build_patient",
    "build_traffic",
    "build_vrrp",
]

MAX_INSTRUCTIONS: Final = 4096  # BPF_MAXINSNS
_MAX_INTERVALS: Final = 180  # 7 instructions each, ARP's tree twice: 3,850 at most
_FEWER_INTERVALS: Final = 90  # for six trees

_LOAD4, _LOAD2, _LOAD1 = 0x20, 0x28, 0x30  # BPF_LD | BPF_ABS with BPF_W, BPF_H, BPF_B
_JA, _JEQ, _JGT, _JGE, _JSET, _RET = 0x05, 0x15, 0x25, 0x35, 0x45, 0x06
_VLAN_TAG_PRESENT: Final = 0xFFFFF030  # SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT: the kernel strips tags
_PACKET_TYPE: Final = 0xFFFFF004  # SKF_AD_OFF + SKF_AD_PKTTYPE
_WHOLE: Final = 0xFFFF  # bytes to keep of a frame that passes
_HEADERS: Final = 64  # bytes: Ethernet and IPv6

Interval = tuple[int, int]


class Instruction(NamedTuple):
    """One `struct sock_filter` of the kernel."""

    code: int
    jt: int
    jf: int
    k: int


def build(
    addresses: Collection[IPv4Address | IPv6Address],
    *,
    echo: int | None = None,
    without: Collection[bytes] = (),
) -> list[Instruction]:
    """Return the program for `addresses`, and for echo replies whose identifier (16 bits) is `echo`.

    It passes nothing when there is neither, nor what `build_patient` passes for the peers `without`.
    """
    ipv4, ipv6 = _keys(addresses, _FEWER_INTERVALS if without else _MAX_INTERVALS)
    program = _Program()
    program.only_if_zero(_VLAN_TAG_PRESENT)
    if without:
        _patient(program, _stations(without, _FEWER_INTERVALS), "drop", "drop", "others")
        program.label("others")
    program.load(_LOAD2, 12)  # EtherType
    program.jump_if(_JEQ, 0x0806, "arp")
    if echo is not None:
        program.jump_if(_JEQ, 0x0800, "ipv4")
    _to_icmp6(program, "drop")
    if echo is not None:
        program.jump_if(_JEQ, 129, "echo6")
    program.jump_if(_JEQ, 135, "target")
    program.jump_unless(_JEQ, 136, "drop")
    _pass_about(program, ipv4, ipv6)
    if echo is not None:
        _pass_echo(program, echo)
    return program.ended(_WHOLE)


def build_claims(
    addresses: Collection[IPv4Address | IPv6Address], longer_than: int, peers: Collection[bytes] = ()
) -> list[Instruction]:
    """Return the program that passes claims for `addresses`, questions of `peers`, and very long ones.

    It leaves out what `build_patient` passes. `peers` are hardware addresses of 6 bytes, told by the last
    four. Long are solicitations whose ICMPv6 message has more than `longer_than` bytes. IPv6 addresses are
    told by their low 32 bits.
    """
    ipv4, ipv6 = _keys(addresses, _FEWER_INTERVALS)
    stations = _stations(peers, _FEWER_INTERVALS)
    program = _Program()
    program.only_if_zero(_VLAN_TAG_PRESENT)
    _patient(program, stations, "drop", "drop", "others")
    program.label("others")
    program.load(_LOAD2, 12)  # EtherType
    program.jump_if(_JEQ, 0x0806, "arp")
    _to_icmp6(program, "drop")
    program.jump_if(_JEQ, 136, "target")
    program.jump_unless(_JEQ, 135, "drop")
    program.load(_LOAD2, 18)  # IPv6 payload length
    program.jump_if(_JGT, longer_than, "target")
    program.load(_LOAD4, 8)  # the end of the source's hardware address
    program.tree(stations, "target", "drop")
    program.label("target")
    program.load(_LOAD4, 74)  # the low 32 bits of the target
    program.tree(ipv6, "pass", "drop")
    program.label("arp")
    program.load(_LOAD4, 28)  # sender protocol address
    program.tree(ipv4, "pass", "question")
    program.label("question")
    program.load(_LOAD4, 8)
    program.tree(stations, "asked", "drop")
    program.label("asked")
    program.load(_LOAD4, 38)  # target protocol address
    program.tree(ipv4, "pass", "drop")
    return program.ended(_WHOLE)


def build_patient(
    addresses: Collection[IPv4Address | IPv6Address], peers: Collection[bytes]
) -> list[Instruction]:
    """Return the program for what can wait: what `peers` send this station alone about `addresses`.

    That is probes, solicitations and answers; an ARP request that says who asks is none. Hardware addresses
    (6 bytes) are told by the last four, IPv6 addresses by their low 32 bits.
    """
    ipv4, ipv6 = _keys(addresses, _FEWER_INTERVALS)
    program = _Program()
    program.only_if_zero(_VLAN_TAG_PRESENT)
    _patient(program, _stations(peers, _FEWER_INTERVALS), "arp", "target", "drop")
    _pass_about(program, ipv4, ipv6)
    return program.ended(_WHOLE)


def _pass_about(program: "_Program", ipv4: Sequence[Interval], ipv6: Sequence[Interval]) -> None:
    """Pass what is about these: at "target" Neighbor Discovery, at "arp" what ARP asks for, or is sent by."""
    program.label("target")
    program.load(_LOAD4, 74)  # the low 32 bits of the target
    program.tree(ipv6, "pass", "drop")
    program.label("arp")
    program.load(_LOAD4, 38)  # target protocol address
    program.tree(ipv4, "pass", "sender")
    program.label("sender")
    program.load(_LOAD4, 28)  # sender protocol address
    program.tree(ipv4, "pass", "drop")


def _patient(program: "_Program", peers: Sequence[Interval], arp: str, discovery: str, other: str) -> None:
    """Branch to `arp` or `discovery` with what peers send this station alone and can wait, else `other`."""
    program.load(_LOAD4, _PACKET_TYPE)
    program.jump_unless(_JEQ, 0, other)  # PACKET_HOST
    program.load(_LOAD4, 8)  # the end of the source's hardware address
    program.tree(peers, "of_peer", other)
    program.label("of_peer")
    program.load(_LOAD2, 12)  # EtherType
    program.jump_if(_JEQ, 0x0806, "arp_of_peer")
    _to_icmp6(program, other)
    program.jump_if(_JEQ, 135, discovery)
    program.jump_if(_JEQ, 136, discovery)
    program.jump(other)
    program.label("arp_of_peer")
    program.load(_LOAD2, 20)  # operation
    program.jump_unless(_JEQ, 1, arp)
    program.load(_LOAD4, 28)  # sender protocol address
    program.jump_if(_JEQ, 0, arp)
    program.jump(other)


def _pass_echo(program: "_Program", identifier: int) -> None:
    """Branch from "ipv4" and "echo6", where the headers before ICMPv6 were read already."""
    program.label("ipv4")
    _to_whole_icmp(program)
    program.jump_unless(_JEQ, 0, "drop")
    program.load(_LOAD2, 38)  # identifier
    program.jump_if(_JEQ, identifier, "pass")
    program.jump("drop")
    program.label("echo6")
    program.load(_LOAD2, 58)  # identifier
    program.jump_unless(_JEQ, identifier, "drop")


def build_traffic(
    addresses: Collection[IPv4Address | IPv6Address], beside: Collection[bytes] = ()
) -> list[Instruction]:
    """Return the program that passes the headers of IP packets for `addresses` sent to this station alone.

    Neighbor Discovery is no traffic, nor is what comes from the hardware addresses `beside`. IPv6 addresses,
    and hardware addresses, are told by their low 32 bits.
    """
    ipv4, ipv6 = _keys(addresses)
    program = _Program()
    program.only_if_zero(_PACKET_TYPE)  # PACKET_HOST
    program.load(_LOAD4, 8)  # the low 32 bits of the source
    program.tree(_stations(beside), "drop", "others")
    program.label("others")
    program.load(_LOAD2, 12)  # EtherType
    program.jump_if(_JEQ, 0x0800, "ipv4")
    _to_icmp6(program, "ipv6")
    program.jump_unless(_JGE, 133, "ipv6")
    program.jump_unless(_JGT, 137, "drop")
    program.label("ipv6")
    program.load(_LOAD4, 50)  # the low 32 bits of the destination
    program.tree(ipv6, "pass", "drop")
    program.label("ipv4")
    program.load(_LOAD4, 30)  # destination
    program.tree(ipv4, "pass", "drop")
    return program.ended(_HEADERS)


def build_echo_requests(addresses: Collection[IPv4Address | IPv6Address]) -> list[Instruction]:
    """Return the program that passes untagged echo requests for `addresses` sent to this station alone.

    In one piece, without IPv4 options or IPv6 extension headers; IPv6 addresses by their low 32 bits.
    """
    ipv4, ipv6 = _keys(addresses)
    program = _Program()
    program.only_if_zero(_PACKET_TYPE)  # PACKET_HOST
    program.only_if_zero(_VLAN_TAG_PRESENT)
    program.load(_LOAD2, 12)  # EtherType
    program.jump_if(_JEQ, 0x0800, "ipv4")
    _to_icmp6(program, "drop")
    program.jump_unless(_JEQ, 128, "drop")
    program.load(_LOAD4, 50)  # the low 32 bits of the destination
    program.tree(ipv6, "pass", "drop")
    program.label("ipv4")
    _to_whole_icmp(program)
    program.jump_unless(_JEQ, 8, "drop")
    program.load(_LOAD4, 30)  # destination
    program.tree(ipv4, "pass", "drop")
    return program.ended(_WHOLE)


def build_vrrp() -> list[Instruction]:
    """Return the program that passes the headers of VRRP packets (IP protocol 112)."""
    program = _Program()
    program.only_if_zero(_VLAN_TAG_PRESENT)
    program.load(_LOAD2, 12)  # EtherType
    program.jump_if(_JEQ, 0x0800, "ipv4")
    program.jump_unless(_JEQ, 0x86DD, "drop")
    program.load(_LOAD1, 20)  # IPv6 next header
    program.jump_if(_JEQ, 112, "pass")
    program.jump("drop")
    program.label("ipv4")
    program.load(_LOAD1, 23)  # protocol
    program.jump_unless(_JEQ, 112, "drop")
    return program.ended(_HEADERS)


def build_gossip(ethertype: int, magic: bytes, target: Endpoint) -> list[Instruction]:
    """Return the program that passes frames of gossip (see `memberlist.frames`) for `target`.

    Its address is told by the low 32 bits; `magic` is 4 bytes.
    """
    program = _Program()
    program.only_if_zero(_VLAN_TAG_PRESENT)
    program.load(_LOAD2, 12)  # EtherType
    program.jump_unless(_JEQ, ethertype, "drop")
    program.load(_LOAD4, 14)
    program.jump_unless(_JEQ, int.from_bytes(magic, "big"), "drop")
    program.load(_LOAD2, 48)  # the target's port
    program.jump_unless(_JEQ, target.port, "drop")
    program.load(_LOAD4, 62)  # the end of the target's address
    program.jump_unless(_JEQ, int(ip_address(target.host)) & 0xFFFFFFFF, "drop")
    return program.ended(_WHOLE)


def _to_icmp6(program: "_Program", other: str) -> None:
    """With the EtherType loaded, load the type of an ICMPv6 message; `other` is for other IPv6 packets."""
    program.jump_unless(_JEQ, 0x86DD, "drop")
    program.load(_LOAD1, 20)  # IPv6 next header
    program.jump_unless(_JEQ, 58, other)
    program.load(_LOAD1, 54)  # ICMPv6 type


def _to_whole_icmp(program: "_Program") -> None:
    """Load the type of an ICMP packet in one piece and without IPv4 options; all else is dropped."""
    program.load(_LOAD1, 14)  # version and length of the header
    program.jump_unless(_JEQ, 0x45, "drop")
    program.load(_LOAD1, 23)  # protocol
    program.jump_unless(_JEQ, 1, "drop")
    program.load(_LOAD2, 20)  # fragment
    program.jump_if(_JSET, 0x3FFF, "drop")
    program.load(_LOAD1, 34)  # ICMP type


def _keys(
    addresses: Collection[IPv4Address | IPv6Address], most: int = _MAX_INTERVALS
) -> tuple[list[Interval], list[Interval]]:
    """Return the intervals of IPv4 addresses, and those of the low 32 bits of IPv6 ones."""
    ipv4 = (int(each) for each in addresses if isinstance(each, IPv4Address))
    ipv6 = (int(each) & 0xFFFFFFFF for each in addresses if isinstance(each, IPv6Address))
    return _intervals(ipv4, most), _intervals(ipv6, most)


def _stations(macs: Collection[bytes], most: int = _MAX_INTERVALS) -> list[Interval]:
    """Return the intervals of the low 32 bits of hardware addresses (6 bytes)."""
    return _intervals((int.from_bytes(mac[2:], "big") for mac in macs), most)


def _intervals(keys: Iterable[int], most: int) -> list[Interval]:
    """Return `most` sorted intervals at most that cover `keys` and as few others as possible."""
    found: list[Interval] = []
    for key in sorted(set(keys)):
        if found and key == found[-1][1] + 1:
            found[-1] = (found[-1][0], key)
        else:
            found.append((key, key))
    excess = len(found) - most
    if excess <= 0:
        return found
    gaps = sorted(range(1, len(found)), key=lambda at: found[at][0] - found[at - 1][1])
    closed = set(gaps[:excess])
    merged = [found[0]]
    for at in range(1, len(found)):
        if at in closed:
            merged[-1] = (merged[-1][0], found[at][1])
        else:
            merged.append(found[at])
    return merged


class _Program:
    """Instructions with named targets. Conditional jumps reach 255 instructions, plain ones any distance."""

    def __init__(self) -> None:
        self._code: list[tuple[int, int, int, int | str]] = []
        self._labels: dict[str, int] = {}
        self._serial = 0

    def load(self, code: int, offset: int) -> None:
        self._code.append((code, 0, 0, offset))

    def give(self, size: int) -> None:
        self._code.append((_RET, 0, 0, size))

    def only_if_zero(self, fact: int) -> None:
        """Drop the frame unless the kernel's `fact` about it is 0."""
        self.load(_LOAD4, fact)
        self.jump_unless(_JEQ, 0, "drop")

    def label(self, name: str) -> None:
        self._labels[name] = len(self._code)

    def jump(self, target: str) -> None:
        self._code.append((_JA, 0, 0, target))

    def jump_if(self, code: int, value: int, target: str) -> None:
        self._code.append((code, 0, 1, value))
        self.jump(target)

    def jump_unless(self, code: int, value: int, target: str) -> None:
        self._code.append((code, 1, 0, value))
        self.jump(target)

    def tree(self, intervals: Sequence[Interval], match: str, miss: str) -> None:
        """Branch to `match` when the loaded value lies in an interval, else to `miss`."""
        if not intervals:
            self.jump(miss)
        elif len(intervals) == 1:
            ((low, high),) = intervals
            self.jump_unless(_JGE, low, miss)
            self.jump_if(_JGT, high, miss)
            self.jump(match)
        else:
            middle = len(intervals) // 2
            self._serial += 1
            right = f"right{self._serial}"
            self.jump_if(_JGE, intervals[middle][0], right)
            self.tree(intervals[:middle], match, miss)
            self.label(right)
            self.tree(intervals[middle:], match, miss)

    def ended(self, size: int) -> list[Instruction]:
        """Add what "pass", with `size` bytes of the frame, and "drop" do, and return the whole."""
        self.label("pass")
        self.give(size)
        self.label("drop")
        self.give(0)
        return [
            Instruction(code, jt, jf, k if isinstance(k, int) else self._labels[k] - at - 1)
            for at, (code, jt, jf, k) in enumerate(self._code)
        ]

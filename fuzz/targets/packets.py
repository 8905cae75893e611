"""Frames and packets that anybody on the LAN can send.

Most bytes would die at a checksum. So the first byte of an input says whether checksums are put right.
"""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from fuzz.target import Target
from roost.announce.answering import Answer, respond
from roost.model.address import IPAddress
from roost.protocols import arp, ethernet, icmp, icmp_clock, ndp, pcapng
from roost.protocols.errors import PacketError
from roost.protocols.icmp import internet_checksum
from roost.protocols.memberlist.frames import MAGIC, Framed, Gathering
from roost.protocols.vrrp import frame as vrrp_frame
from roost.protocols.vrrp import packet as vrrp

__all__ = ["TARGETS"]

_MAC: Final = bytes.fromhex("020000000001")
_OTHER: Final = bytes.fromhex("020000000002")
_VIPS: Final[frozenset[IPAddress]] = frozenset({IPv4Address("192.0.2.100"), IPv6Address("2001:db8::64")})
_PEERS: Final[dict[int, IPAddress]] = {4: IPv4Address("192.0.2.11"), 6: IPv6Address("fe80::11")}


def _arp(data: bytes) -> None:
    packet = arp.parse(data)
    assert arp.parse(packet.encode()) == packet


def _ndp(data: bytes) -> None:
    ndp.parse(_with_checksum(data))


def _icmp(data: bytes) -> None:
    frame = ethernet.parse(data[1:])
    payload = frame.payload
    if data[0] & 1:
        payload = _icmp_put_right(payload, frame.ethertype)
    read = icmp.parse_reply if data[0] & 2 else icmp.parse_request
    echo = read(ethernet.Frame(frame.destination, frame.source, frame.ethertype, payload))
    make = icmp.reply_frame if data[0] & 2 else icmp.request_frame
    assert read(ethernet.parse(make(echo, _MAC, _OTHER))) == echo


def _icmp_put_right(payload: bytes, ethertype: int) -> bytes:
    if ethertype == ethernet.IPV6:
        return _with_checksum(b"\1" + payload)
    length = int.from_bytes(payload[2:4], "big")
    head = payload[:10] + bytes(2) + payload[12:20]
    head = head[:10] + internet_checksum(head).to_bytes(2, "big") + head[12:]
    message = payload[20:length]
    if len(message) >= 4:
        message = message[:2] + bytes(2) + message[4:]
        message = message[:2] + internet_checksum(message).to_bytes(2, "big") + message[4:]
    return head + message + payload[max(length, 20) :]


def _frames(data: bytes) -> None:
    """One frame, and the same again as the other half of its message."""
    framed = Framed.parse(MAGIC + data)
    assert Framed.parse(framed.pack()) == framed
    gathering = Gathering()
    whole = gathering.add(framed)
    assert (whole == framed.payload) == (framed.parts == 1)
    if framed.parts == 2:
        assert gathering.add(replace(framed, part=1 - framed.part)) == framed.payload * 2


def _clock(data: bytes) -> None:
    start = 4 * (data[0] & 15) if data else 0
    message = data[start : start + 20]
    if len(message) == 20:
        message = message[:2] + bytes(2) + message[4:]
        message = message[:2] + internet_checksum(message).to_bytes(2, "big") + message[4:]
        data = data[:start] + message + data[start + 20 :]
    assert abs(icmp_clock.ahead(data, 7, 1, 5000)) <= icmp_clock.DAY / 1000


def _vrrp(data: bytes) -> None:
    """The first byte: whether the checksum is put right, the IP version, and for version 3 its form."""
    how, payload = (data[0], data[1:]) if data else (0, b"")
    source = _PEERS[6 if how & 2 else 4]
    group = vrrp.GROUPS[source.version]
    if how & 1 and len(payload) >= 8:
        covered = payload[:6] + bytes(2) + payload[8:]
        if payload[0] >> 4 == 3 and (how & 2 or how & 4):
            covered = vrrp._pseudo_header(source, group, len(covered)) + covered
        payload = payload[:6] + internet_checksum(covered).to_bytes(2, "big") + payload[8:]
    advert = vrrp.parse(payload, source, group)
    assert vrrp.parse(vrrp.encode(advert, source, group), source, group) == advert


def _answer(data: bytes) -> None:
    """What is answered is one of ours, and goes out with a hardware address of ours."""
    ipv6 = data[13:15] == b"\x86\xdd"
    frame = data[1:15] + _with_checksum(b"\1" + data[15:]) if ipv6 else data[1:]
    outcome = respond(frame, _MAC, dict.fromkeys(_VIPS, _MAC).get, _VIPS, router=bool(data[:1] == b"\1"))
    if isinstance(outcome, Answer):
        assert outcome.address in _VIPS
        assert outcome.frame[6:12] == _MAC


def _with_checksum(data: bytes) -> bytes:
    """Return the IPv6 packet behind the first byte, its ICMPv6 checksum put right if that byte says so."""
    packet = data[1:]
    if not data or not data[0] & 1 or len(packet) < 44:
        return packet
    length = int.from_bytes(packet[4:6], "big")
    message = packet[40:42] + bytes(2) + packet[44 : 40 + length]
    pseudo = packet[8:40] + len(message).to_bytes(4, "big") + (58).to_bytes(4, "big")
    return packet[:42] + internet_checksum(pseudo + message).to_bytes(2, "big") + packet[44:]


TARGETS: Final = (
    Target("arp", "protocols.arp.parse", _arp, (PacketError,), 256),
    Target("ndp", "protocols.ndp.parse", _ndp, (PacketError,), 1600),
    Target("icmp", "protocols.icmp.parse_reply, parse_request", _icmp, (PacketError,), 1600),
    Target("icmp-clock", "protocols.icmp_clock.ahead", _clock, (PacketError,), 256),
    Target("vrrp", "protocols.vrrp.packet.parse", _vrrp, (PacketError,), 1600),
    Target("vrrp-frame", "protocols.vrrp.frame.sender", vrrp_frame.sender, (PacketError,), 256),
    Target("frames", "protocols.memberlist.frames.Framed.parse, Gathering", _frames, (PacketError,), 1600),
    Target("answer", "announce.answering.respond", _answer, (), 1600),
    Target("pcapng", "protocols.pcapng.whole_blocks", pcapng.whole_blocks, (ValueError,)),
)

"""Adverts as bytes: made from the RFCs alone, and what real daemons sent."""

import contextlib
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.protocols.vrrp.frame import multicast_frame, sender
from roost.protocols.vrrp.packet import (
    GROUPS,
    Advert,
    AdvertError,
    Checksum,
    Flaw,
    encode,
    parse,
    password,
    peek,
    same_auth,
    virtual_mac,
)

SOURCE, GROUP = IPv4Address("192.0.2.12"), GROUPS[4]
SOURCE6, GROUP6 = IPv6Address("fe80::12"), GROUPS[6]
VIP, VIP6 = IPv4Address("192.0.2.200"), IPv6Address("2001:db8::200")


def ones_complement(data: bytes) -> int:
    """RFC 1071, written anew."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(~total & 0xFFFF)


def by_hand(head: str, rest: bytes, pseudo: bytes = b"") -> bytes:
    """Six bytes, the checksum over `pseudo` and all of it, and the rest."""
    first = bytes.fromhex(head)
    return first + struct.pack("!H", ones_complement(pseudo + first + bytes(2) + rest)) + rest


PSEUDO = SOURCE.packed + GROUP.packed + struct.pack("!HH", 112, 12)
PSEUDO6 = SOURCE6.packed + GROUP6.packed + struct.pack("!II", 24, 112)
SECRET = b"secret\0\0"

KNOWN = {
    "version 3": (by_hand("313364010064", VIP.packed, PSEUDO), Advert(3, 51, 100, 100, (VIP,))),
    "version 3, RFC 9568": (
        by_hand("313364010064", VIP.packed),
        Advert(3, 51, 100, 100, (VIP,), checksum=Checksum.RFC9568),
    ),
    "version 2": (
        by_hand("213364010001", VIP.packed + bytes(8)),
        Advert(2, 51, 100, 100, (VIP,), checksum=Checksum.RFC9568),
    ),
    "version 2 with a password": (
        by_hand("213364010101", VIP.packed + SECRET),
        Advert(2, 51, 100, 100, (VIP,), SECRET, Checksum.RFC9568),
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_adverts_over_ipv4(name: str) -> None:
    data, advert = KNOWN[name]
    assert parse(data, SOURCE, GROUP) == advert
    assert encode(advert, SOURCE, GROUP) == data


def test_a_known_advert_over_ipv6() -> None:
    data = by_hand("31330001000a", VIP6.packed, PSEUDO6)
    assert parse(data, SOURCE6, GROUP6) == Advert(3, 51, 0, 10, (VIP6,))
    assert encode(Advert(3, 51, 0, 10, (VIP6,)), SOURCE6, GROUP6) == data


def test_the_four_reserved_bits_of_version_3_say_nothing() -> None:
    data = by_hand("31336401f064", VIP.packed, PSEUDO)
    assert parse(data, SOURCE, GROUP).interval == 100


FLAWS = {
    "nothing": (b"", Flaw.LENGTH),
    "a head alone": (by_hand("313364010064", b""), Flaw.LENGTH),
    "one address too many": (by_hand("313364010064", VIP.packed * 2), Flaw.LENGTH),
    "no address": (by_hand("313364000064", b""), Flaw.LENGTH),
    "no password field": (by_hand("213364010001", VIP.packed), Flaw.LENGTH),
    "version 4": (by_hand("413364010064", VIP.packed), Flaw.VERSION),
    "type 2": (by_hand("323364010064", VIP.packed), Flaw.TYPE),
    "a flipped bit": (KNOWN["version 3"][0][:-1] + b"\xc9", Flaw.CHECKSUM),
    "version 2 with a pseudo-header": (
        by_hand(
            "213364010001",
            VIP.packed + bytes(8),
            SOURCE.packed + GROUP.packed + struct.pack("!HH", 112, 20),
        ),
        Flaw.CHECKSUM,
    ),
    "an authentication header": (by_hand("213364010201", VIP.packed + bytes(8)), Flaw.AUTH),
    "an interval of 0": (by_hand("313364010000", VIP.packed, PSEUDO), Flaw.INTERVAL),
}


@pytest.mark.parametrize("name", FLAWS)
def test_what_is_wrong_is_named(name: str) -> None:
    data, flaw = FLAWS[name]
    with pytest.raises(AdvertError) as caught:
        parse(data, SOURCE, GROUP)
    assert caught.value.flaw is flaw


def test_version_2_is_not_spoken_over_ipv6() -> None:
    with pytest.raises(AdvertError) as caught:
        parse(by_hand("213300010001", VIP6.packed + bytes(8)), SOURCE6, GROUP6)
    assert caught.value.flaw is Flaw.VERSION


def test_ipv6_needs_the_pseudo_header() -> None:
    with pytest.raises(AdvertError) as caught:
        parse(by_hand("31330001000a", VIP6.packed), SOURCE6, GROUP6)
    assert caught.value.flaw is Flaw.CHECKSUM


@given(st.binary(max_size=64), st.booleans())
def test_no_bytes_raise_anything_else(data: bytes, ipv6: bool) -> None:
    peek(data)
    with contextlib.suppress(AdvertError):
        parse(data, SOURCE6 if ipv6 else SOURCE, GROUP6 if ipv6 else GROUP)


@given(
    st.integers(0, 255),
    st.integers(1, 255),
    st.integers(1, 4095),
    st.lists(st.ip_addresses(v=6), min_size=1, max_size=255),
)
def test_what_is_encoded_is_read_again(
    priority: int, vrid: int, interval: int, addresses: list[IPv6Address]
) -> None:
    advert = Advert(3, vrid, priority, interval, tuple(addresses))
    assert parse(encode(advert, SOURCE6, GROUP6), SOURCE6, GROUP6) == advert


def test_passwords_are_cut_and_compared_as_bytes() -> None:
    assert password("secret") == SECRET
    assert password("longer than eight") == b"longer t"
    assert same_auth(SECRET, b"secret\0\0")
    assert same_auth(None, None)
    assert not same_auth(SECRET, b"secreT\0\0")
    assert not same_auth(SECRET, None)


def test_hardware_addresses_of_virtual_routers() -> None:
    assert virtual_mac(51, 4).hex(":") == "00:00:5e:00:01:33"
    assert virtual_mac(255, 6).hex(":") == "00:00:5e:00:02:ff"


def test_a_whole_frame_says_who_sent_it() -> None:
    mac = virtual_mac(51, 4)
    frame = multicast_frame(SOURCE, GROUP, b"\0" * 12, mac)
    assert frame[:14].hex() == "01005e000012" + mac.hex() + "0800"
    assert frame[22:24] == bytes((255, 112))
    assert not ones_complement(frame[14:34])
    assert sender(frame) == (SOURCE, mac)
    frame = multicast_frame(SOURCE6, GROUP6, b"\0" * 24, mac)
    assert frame[:14].hex() == "333300000012" + mac.hex() + "86dd"
    assert frame[20:22] == bytes((112, 255))
    assert sender(frame) == (ip_address("fe80::12"), mac)

"""Who still sends to the old node: read from the first bytes of a packet."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.deliver.meters import sender
from roost.protocols.errors import PacketError
from roost.protocols.words.sightings import Sighting

MAC, OURS = bytes.fromhex("020000000002"), bytes.fromhex("020000000001")


def packet4() -> bytes:
    header = bytes.fromhex("4500001c000000004011 0000") + IPv4Address("192.0.2.101").packed
    return OURS + MAC + b"\x08\x00" + header + IPv4Address("192.0.2.200").packed


def packet6() -> bytes:
    header = bytes.fromhex("6000000000001140") + IPv6Address("2001:db8::101").packed
    return OURS + MAC + b"\x86\xdd" + header + IPv6Address("2001:db8::200").packed


def test_the_sender_of_a_packet_is_read_from_its_first_bytes() -> None:
    v4 = Sighting(IPv4Address("192.0.2.200"), IPv4Address("192.0.2.101"), MAC)
    v6 = Sighting(IPv6Address("2001:db8::200"), IPv6Address("2001:db8::101"), MAC)
    assert sender(packet4() + b"more") == v4
    assert sender(packet6() + b"more") == v6


@pytest.mark.parametrize("packet", [packet4(), packet6()])
def test_less_than_a_header_tells_nothing(packet: bytes) -> None:
    for length in range(len(packet)):
        with pytest.raises(PacketError):
            sender(packet[:length])


@given(st.binary(max_size=100))
def test_hostile_bytes_raise_nothing_but_the_parsers_own_error(data: bytes) -> None:
    try:
        sender(data)
    except PacketError:
        return

"""ARP (RFC 826, RFC 5227), against bytes written down by hand."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.protocols import arp
from roost.protocols.arp import REPLY, REQUEST, Arp
from roost.protocols.errors import PacketError

MAC, OTHER = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
VIP, HOST = IPv4Address("192.0.2.200"), IPv4Address("192.0.2.1")

macs = st.binary(min_size=6, max_size=6)
addresses = st.builds(IPv4Address, st.integers(0, 2**32 - 1))
packets = st.builds(Arp, st.sampled_from((REQUEST, REPLY)), macs, addresses, macs, addresses)


def frame(text: str) -> bytes:
    return bytes.fromhex(text).ljust(60, b"\0")


def test_a_packet_is_28_bytes_in_network_order() -> None:
    packet = Arp(REPLY, MAC, VIP, OTHER, HOST)
    assert packet.encode() == bytes.fromhex(
        "0001 0800 06 04 0002  020000000001 c00002c8  020000000002 c0000201"
    )


def test_gratuitous_is_a_request_and_a_reply_that_both_name_the_address_twice() -> None:
    header = "ffffffffffff 020000000001 0806 0001 0800 06 04"
    body = "020000000001 c00002c8 ffffffffffff c00002c8"
    assert arp.gratuitous(MAC, VIP) == (frame(f"{header} 0001 {body}"), frame(f"{header} 0002 {body}"))


def test_a_probe_has_no_sender_address() -> None:
    asked = "020000000001 00000000 000000000000 c00002c8"
    header = "020000000001 0806 0001 0800 06 04 0001"
    assert arp.probe(MAC, VIP) == frame(f"ffffffffffff {header} {asked}")
    assert arp.probe(MAC, VIP, OTHER) == frame(f"020000000002 {header} {asked}")


@given(packets, st.binary(max_size=18))
def test_what_was_encoded_is_read_again_whatever_pads_it(packet: Arp, padding: bytes) -> None:
    assert arp.parse(packet.encode() + padding) == packet


@pytest.mark.parametrize(
    ("at", "value", "why"),
    [
        (0, b"\0\6", "hardware"),
        (2, b"\x86\xdd", "protocol"),
        (4, b"\x08", "hardware length"),
        (5, b"\x10", "protocol length"),
        (6, b"\0\3", "operation"),
        (6, b"\0\0", "operation"),
    ],
)
def test_other_hardware_protocols_and_operations_are_refused(at: int, value: bytes, why: str) -> None:
    data = bytearray(Arp(REQUEST, MAC, HOST, bytes(6), VIP).encode())
    data[at : at + len(value)] = value
    with pytest.raises(PacketError):
        arp.parse(bytes(data))


@given(st.binary(max_size=64))
def test_hostile_bytes_raise_nothing_but_the_parsers_own_error(data: bytes) -> None:
    try:
        packet = arp.parse(data)
    except PacketError:
        return
    assert data.startswith(packet.encode())


def test_a_question_names_the_asker_and_goes_to_one_host() -> None:
    asked = arp.question(MAC, HOST, VIP, OTHER)
    assert asked == frame(
        "020000000002 020000000001 0806 0001 0800 06 04 0001 020000000001 c0000201 000000000000 c00002c8"
    )

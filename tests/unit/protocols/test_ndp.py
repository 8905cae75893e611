"""Neighbor Solicitation and Advertisement (RFC 4861), against frames checked with tcpdump."""

from dataclasses import replace
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.protocols import ethernet, ndp
from roost.protocols.errors import PacketError
from roost.protocols.ndp import Advertisement, Solicitation

MAC, OTHER = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
VIP, HOST = IPv6Address("2001:db8::200"), IPv6Address("2001:db8::101")
ALL_NODES, NOBODY = IPv6Address("ff02::1"), IPv6Address("::")

addresses = st.builds(IPv6Address, st.integers(0, 2**128 - 1))
unicast = addresses.filter(lambda address: not address.is_multicast)


def payload(frame: bytes) -> bytes:
    return ethernet.parse(frame).payload


def question() -> bytearray:
    """The payload of a solicitation with the source's hardware address: 40 + 24 + 8 bytes."""
    return bytearray(payload(ndp.question(MAC, HOST, VIP, OTHER)))


def with_right_checksum(packet: bytearray) -> bytes:
    """Give the ICMPv6 message of `packet` its checksum, computed another way than the code does."""
    end = 40 + int.from_bytes(packet[4:6], "big")
    packet[42:44] = b"\0\0"
    message = bytes(packet[40:end])
    summed = bytes(packet[8:40]) + len(message).to_bytes(4, "big") + b"\0\0\0\x3a" + message
    words = (int.from_bytes(summed[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(summed), 2))
    packet[42:44] = (0xFFFF - (sum(words) - 1) % 0xFFFF - 1).to_bytes(2, "big")
    return bytes(packet)


def test_an_unsolicited_advertisement_byte_for_byte() -> None:
    assert ndp.unsolicited(MAC, VIP, router=True) == bytes.fromhex(
        "333300000001 020000000001 86dd"
        "60000000 0020 3a ff 20010db8000000000000000000000200 ff020000000000000000000000000001"
        "88 00 752c a0000000 20010db8000000000000000000000200 0201 020000000001"
    )


def test_a_duplicate_address_probe_byte_for_byte() -> None:
    assert ndp.solicitation_frame(MAC, VIP) == bytes.fromhex(
        "3333ff000200 020000000001 86dd"
        "60000000 0018 3a ff 00000000000000000000000000000000 ff0200000000000000000001ff000200"
        "87 00 48ef 00000000 20010db8000000000000000000000200"
    )


def test_groups_follow_the_last_24_bits() -> None:
    address = IPv6Address("2001:db8::12:3456")
    assert ndp.solicited_node(address) == IPv6Address("ff02::1:ff12:3456")
    assert ndp.solicited_node_mac(address) == bytes.fromhex("3333ff123456")


@given(unicast, unicast, st.booleans(), st.booleans(), st.booleans())
def test_what_was_advertised_is_read_again(
    target: IPv6Address, to: IPv6Address, router: bool, solicited: bool, override: bool
) -> None:
    sent = Advertisement(target, to, target, MAC, router=router, solicited=solicited, override=override)
    assert ndp.parse(payload(ndp.advertisement_frame(sent, MAC, OTHER))) == sent


@given(unicast, unicast.filter(int))
def test_what_was_asked_is_read_again(target: IPv6Address, source: IPv6Address) -> None:
    assert ndp.parse(payload(ndp.question(MAC, source, target, OTHER))) == Solicitation(
        source, target, target, MAC
    )
    assert ndp.parse(payload(ndp.solicitation_frame(MAC, target))) == Solicitation(
        NOBODY, ndp.solicited_node(target), target
    )


def test_the_helper_of_these_tests_agrees_on_checksums() -> None:
    assert with_right_checksum(question()) == bytes(question())


@pytest.mark.parametrize(
    ("at", "value", "rule"),
    [
        (0, b"\x40", "IP version 6"),
        (6, b"\x11", "next header ICMPv6"),
        (7, b"\xfe", "hop limit 255"),
        (40, b"\x80", "type 135 or 136"),
        (41, b"\x01", "code 0"),
        (48, b"\xff\x02", "the target is no multicast address"),
        (8, b"\xff\x02", "the source is no multicast address"),
        (65, b"\x00", "no option of length 0"),
        (65, b"\x02", "no option beyond the end"),
        (8, bytes(16), "a probe from :: goes to the solicited-node group, without a link-layer option"),
    ],
)
def test_what_rfc_4861_discards_is_refused(at: int, value: bytes, rule: str) -> None:
    packet = question()
    packet[at : at + len(value)] = value
    with pytest.raises(PacketError):
        ndp.parse(with_right_checksum(packet))


def test_a_wrong_checksum_is_refused() -> None:
    packet = question()
    packet[43] ^= 1
    with pytest.raises(PacketError, match="checksum"):
        ndp.parse(bytes(packet))


def test_a_message_cut_short_is_refused() -> None:
    packet = bytes(question())
    for length in range(len(packet)):
        with pytest.raises(PacketError):
            ndp.parse(packet[:length])


def test_a_solicited_advertisement_to_a_group_is_refused() -> None:
    news = Advertisement(VIP, ALL_NODES, VIP, MAC)
    assert ndp.parse(payload(ndp.advertisement_frame(news, MAC, OTHER))) == news
    wrong = replace(news, solicited=True)
    with pytest.raises(PacketError):
        ndp.parse(payload(ndp.advertisement_frame(wrong, MAC, OTHER)))


def test_unknown_options_are_stepped_over_and_padding_is_no_option() -> None:
    packet = question()
    packet[4:6] = (24 + 8 + 8).to_bytes(2, "big")
    unknown = bytes((14, 1)) + bytes(6)
    packet[64:64] = unknown
    read = ndp.parse(with_right_checksum(packet) + b"\xff" * 6)
    assert isinstance(read, Solicitation)
    assert read.link_layer == MAC


@given(st.binary(max_size=120))
def test_hostile_bytes_raise_nothing_but_the_parsers_own_error(data: bytes) -> None:
    with pytest.raises(PacketError):  # the checksum alone keeps random bytes from passing
        ndp.parse(data)


@given(st.integers(0, 71), st.integers(0, 255), st.booleans())
def test_damaged_messages_are_read_or_refused(at: int, value: int, repaired: bool) -> None:
    packet = question()
    packet[at] = value
    data = with_right_checksum(packet) if repaired and at not in (4, 5) else bytes(packet)
    try:
        ndp.parse(data)
    except PacketError:
        return

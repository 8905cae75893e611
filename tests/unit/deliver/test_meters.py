"""Who still sends to the old node, and how often that is told."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.announce.stragglers import Backoff, sender
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


def test_a_client_that_sends_on_is_told_less_and_less_often() -> None:
    backoff, client = Backoff(), sender(packet4())
    told = [step for step in range(3000) if backoff.due(client, step * 0.01)]
    gaps = [later - earlier for earlier, later in zip(told, told[1:], strict=False)]  # noqa: RUF007 - clearer
    assert told[0] == 0
    assert gaps == sorted(gaps)
    assert gaps[:3] == [4, 8, 16]
    assert max(gaps) == 500


def test_the_memory_is_bounded_and_forgets_the_oldest() -> None:
    backoff = Backoff()
    clients = [Sighting(IPv4Address(1), IPv4Address(number), MAC) for number in range(2000)]
    for client in clients:
        assert backoff.due(client, 0.0)
    assert backoff.due(clients[0], 0.0), "forgotten"
    assert not backoff.due(clients[-1], 0.0)

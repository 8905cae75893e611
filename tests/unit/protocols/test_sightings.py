"""What speakers tell each other about clients."""

from ipaddress import IPv4Address, IPv6Address

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.protocols.errors import PacketError
from roost.protocols.sightings import News, Sighting, decode, encode

macs = st.binary(min_size=6, max_size=6).filter(lambda mac: not mac[0] & 1)
ipv4 = st.builds(IPv4Address, st.integers(0, 2**32 - 1))
ipv6 = st.builds(IPv6Address, st.integers(0, 2**128 - 1))
sightings = st.builds(Sighting, ipv4, ipv4, macs) | st.builds(Sighting, ipv6, ipv6, macs)


@given(st.sampled_from(News), st.lists(sightings, max_size=80))
def test_what_was_told_is_heard_in_packets_that_fit(news: News, told: list[Sighting]) -> None:
    payloads = encode(news, told)
    assert all(len(payload) <= 1300 for payload in payloads)
    heard = [decode(payload) for payload in payloads]
    assert [each for _, batch in heard for each in batch] == told
    assert {kind for kind, _ in heard} <= {news}


@given(st.binary(max_size=200))
def test_hostile_bytes_raise_nothing_but_the_parsers_own_error(data: bytes) -> None:
    with pytest.raises(PacketError):
        decode(data)


@pytest.mark.parametrize(
    "message",
    [
        ["roost", "clients"],
        ["roost", "unheard of", []],
        ["other", "clients", []],
        ["roost", "clients", [["192.0.2.1", b"\x01\x02\x03\x04", bytes(6)]]],
        ["roost", "clients", [[bytes(4), bytes(16), bytes(6)]]],
        ["roost", "clients", [[bytes(5), bytes(5), bytes(6)]]],
        ["roost", "clients", [[bytes(4), bytes(4), bytes(5)]]],
        ["roost", "clients", [[bytes(4), bytes(4), b"\xff" * 6]]],
        ["roost", "clients", [1]],
        ["roost", "clients", 1],
        {"roost": 1},
        ["roost", "clients", [[bytes(4), bytes(4), bytes(6)]] * 200],
    ],
)
def test_messages_of_another_shape_are_refused(message: object) -> None:
    with pytest.raises(PacketError):
        decode(msgpack.packb(message))

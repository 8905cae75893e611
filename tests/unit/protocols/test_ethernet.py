"""Ethernet II frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.protocols import ethernet
from roost.protocols.errors import PacketError

macs = st.binary(min_size=6, max_size=6)


@given(macs, macs, st.integers(0, 0xFFFF), st.binary(max_size=1500))
def test_what_was_built_is_read_again(to: bytes, source: bytes, kind: int, payload: bytes) -> None:
    frame = ethernet.build(to, source, kind, payload)
    read = ethernet.parse(frame)
    assert (read.destination, read.source, read.ethertype) == (to, source, kind)
    assert read.payload.startswith(payload)


def test_a_short_frame_is_padded_to_the_minimum_with_zeros() -> None:
    frame = ethernet.build(ethernet.BROADCAST, bytes(6), ethernet.ARP, b"\xaa" * 28)
    assert len(frame) == 60
    assert frame[42:] == bytes(18)


@given(st.binary(max_size=13))
def test_less_than_a_header_is_no_frame(data: bytes) -> None:
    with pytest.raises(PacketError):
        ethernet.parse(data)


@pytest.mark.parametrize(
    ("mac", "unicast"),
    [
        ("020000000001", True),
        ("ffffffffffff", False),
        ("3333ff000001", False),
        ("01005e000001", False),
        ("000000000000", False),
    ],
)
def test_which_addresses_are_one_station(mac: str, unicast: bool) -> None:
    assert ethernet.is_unicast(bytes.fromhex(mac)) is unicast

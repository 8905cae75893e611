"""Frames of gossip: what is packed comes back, hostile bytes cost an error, parts make a whole."""

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.protocols.errors import PacketError
from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.frames import HEADER, PARTS_LIMIT, Framed, FrameKind, Gathering, split

ONE, OTHER = Endpoint("192.0.2.11", 7946), Endpoint("2001:db8::12", 17946)

hosts = (
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str).filter(lambda each: "::ffff:" not in each)
)
endpoints = st.builds(Endpoint, hosts, st.integers(0, 65535))


@st.composite
def framed(draw: st.DrawFn) -> Framed:
    parts = draw(st.integers(1, PARTS_LIMIT))
    return Framed(
        draw(st.sampled_from(FrameKind)),
        draw(endpoints),
        draw(endpoints),
        draw(st.binary(max_size=1400)),
        draw(st.integers(0, 2**64 - 1)),
        draw(st.integers(0, parts - 1)),
        parts,
    )


@given(framed(), st.integers(0, 46))
def test_what_is_packed_is_read_whatever_pads_it(each: Framed, padding: int) -> None:
    assert Framed.parse(each.pack() + bytes(padding)) == each


def test_the_bytes_on_the_wire() -> None:
    packed = Framed(FrameKind.REPLY, ONE, OTHER, b"\x0a", 0x1122334455667788, 1, 3).pack()
    assert packed.hex() == (
        "52535401" "04" "03" "01" "00" "1122334455667788"
        "1f0a" "00000000000000000000ffffc000020b" "461a" "20010db8000000000000000000000012" "0001" "0a"
    )  # fmt: skip


@given(st.binary(max_size=120))
def test_what_anybody_may_send_costs_an_error_of_its_own(data: bytes) -> None:
    for each in (data, b"RST\x01" + data):
        with contextlib.suppress(PacketError):
            Framed.parse(each)


@pytest.mark.parametrize(
    ("at", "value", "why"),
    [
        (3, 2, "another version"),
        (4, 9, "unknown kind 9"),
        (5, 0, "part 0 of 0"),
        (5, PARTS_LIMIT + 1, "part 0 of 65"),
        (6, 1, "part 1 of 1"),
        (53, 3, "cut off: 2 of 3 bytes"),
    ],
)
def test_what_cannot_be_is_named(at: int, value: int, why: str) -> None:
    packed = bytearray(Framed(FrameKind.PACKET, ONE, OTHER, b"ab").pack())
    packed[at] = value
    with pytest.raises(PacketError, match=why):
        Framed.parse(bytes(packed))
    with pytest.raises(PacketError, match=f"at least, not {HEADER - 1}"):
        Framed.parse(bytes(packed[: HEADER - 1]))


def parts_of(data: bytes, exchange: int = 7, source: Endpoint = ONE) -> list[Framed]:
    parts = split(data, 100)
    return [
        Framed(FrameKind.REQUEST, source, OTHER, part, exchange, number, len(parts))
        for number, part in enumerate(parts)
    ]


@given(st.binary(min_size=1, max_size=100 * PARTS_LIMIT), st.randoms(use_true_random=False))
def test_parts_make_the_message_in_any_order_and_twice_as_well(data: bytes, chance: random.Random) -> None:
    parts = parts_of(data)
    shuffled = parts[1:] * 2
    chance.shuffle(shuffled)
    gathering = Gathering()
    assert [gathering.add(part) for part in shuffled] == [None] * len(shuffled)
    assert gathering.add(parts[0]) == data


def test_parts_of_different_messages_are_not_mixed() -> None:
    gathering = Gathering()
    mine, again, theirs = parts_of(b"a" * 150), parts_of(b"b" * 150, 8), parts_of(b"c" * 150, source=OTHER)
    assert [gathering.add(each[0]) for each in (mine, again, theirs)] == [None] * 3
    assert gathering.add(mine[1]) == b"a" * 150
    assert gathering.add(again[1]) == b"b" * 150
    assert gathering.add(theirs[1]) == b"c" * 150


def test_messages_that_are_never_whole_take_a_bounded_room() -> None:
    gathering = Gathering()
    first = parts_of(b"a" * 150, 0)
    for number in range(17):
        gathering.add(parts_of(b"a" * 150, number)[0])
    assert gathering.add(first[1]) is None, "the oldest gave way"
    assert gathering.add(parts_of(b"a" * 150, 16)[1]) == b"a" * 150


def test_what_takes_too_many_frames_is_refused() -> None:
    assert len(split(bytes(100 * PARTS_LIMIT), 100)) == PARTS_LIMIT
    with pytest.raises(ValueError, match="6401 bytes are more than 64 frames hold"):
        split(bytes(100 * PARTS_LIMIT + 1), 100)

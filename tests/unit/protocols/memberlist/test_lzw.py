"""LZW: the same bytes as Go, and nothing that hostile data can do to us."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.protocols.memberlist import vectors
from tests.unit.protocols.memberlist.strategies import mutated

from roost.protocols.errors import PacketError
from roost.protocols.memberlist import lzw

repetitive = st.lists(st.sampled_from((b"a", b"ab", b"abc", b"\x00", b"Incarnation")), max_size=400).map(
    b"".join
)


@pytest.mark.parametrize(("plain", "compressed"), vectors.LZW)
def test_writes_what_go_writes(plain: bytes, compressed: str) -> None:
    assert lzw.compress(plain).hex() == compressed
    assert lzw.decompress(bytes.fromhex(compressed), len(plain)) == plain


@pytest.mark.parametrize(("count", "mask", "digest"), vectors.LZW_DIGESTS)
def test_codes_grow_and_clear_where_go_does(count: int, mask: int, digest: str) -> None:
    plain = vectors.noise(count, mask)
    compressed = lzw.compress(plain)
    assert hashlib.sha256(compressed).hexdigest() == digest
    assert lzw.decompress(compressed, count) == plain


@given(st.binary(max_size=3000) | repetitive)
def test_round_trip(plain: bytes) -> None:
    assert lzw.decompress(lzw.compress(plain), len(plain)) == plain


@given(st.binary(max_size=300) | mutated(repetitive.map(lzw.compress)))
def test_hostile_data_stays_within_the_limit(data: bytes) -> None:
    try:
        plain = lzw.decompress(data, 500)
    except PacketError:
        return
    assert len(plain) <= 500


def test_limit_is_exact() -> None:
    compressed = lzw.compress(bytes(1000))
    assert lzw.decompress(compressed, 1000) == bytes(1000)
    with pytest.raises(PacketError, match="more than 999 bytes"):
        lzw.decompress(compressed, 999)


def _codes(*codes: int, width: int = 9) -> bytes:
    bits = sum(code << index * width for index, code in enumerate(codes))
    return bits.to_bytes((len(codes) * width + 7) // 8, "little")


def test_a_reader_without_a_leading_clear_code_is_served() -> None:
    assert lzw.decompress(_codes(97, 258, 257), 10) == b"aaa"


@pytest.mark.parametrize("codes", [(256, 258, 257), (256, 97, 300, 257), (256, 97, 98, 260, 257)])
def test_codes_from_nowhere_are_refused(codes: tuple[int, ...]) -> None:
    with pytest.raises(PacketError, match="invalid code"):
        lzw.decompress(_codes(*codes), 100)


def test_missing_end_code_is_refused() -> None:
    with pytest.raises(PacketError, match="no end code"):
        lzw.decompress(_codes(256, 97), 100)


def test_a_full_table_is_kept_until_it_is_cleared() -> None:
    """Go's encoder never fills the table, others may: phrases stay, codes stay 12 bits wide."""
    plain = vectors.noise(3839, 0xFF)  # one literal per code, as many as fill the table
    bits = held = 0
    width, known = 9, 257
    for code in (256, *plain, 4095, 257):
        bits |= code << held
        held += width
        if code != 256:
            known += 1
            if known == 1 << width and width < 12:
                width += 1
    compressed = bits.to_bytes((held + 7) // 8, "little")
    assert lzw.decompress(compressed, 10_000) == plain + plain[-2:]

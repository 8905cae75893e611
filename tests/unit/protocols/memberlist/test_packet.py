"""Packets: Go's envelopes, every combination of them, faults and floods."""

import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.protocols.memberlist import vectors
from tests.unit.protocols.memberlist.strategies import KEY, OTHER_KEY, labels, mutated, packet_messages

from roost.protocols.memberlist import lzw
from roost.protocols.memberlist.codec import encode_message
from roost.protocols.memberlist.compression import ENVELOPE, Compressed, compress
from roost.protocols.memberlist.keyring import Keyring
from roost.protocols.memberlist.messages import ErrorResponse, Message, Nack, UserMessage
from roost.protocols.memberlist.packet import PacketCodec

PING = encode_message(vectors.PING)
ALIVE = encode_message(vectors.ALIVE)
COMPOUND: list[Message] = [vectors.PING, *[vectors.ALIVE, vectors.ALIVE_N3] * 2]
NACK = encode_message(Nack(1))


def _codec(label: bytes = b"", key: bytes | None = None, *, compress: bool = True) -> PacketCodec:
    keyring = Keyring([key]) if key else None
    return PacketCodec(label, keyring, compress=compress, random=random.Random(1))


def _faults(codec: PacketCodec, packet: bytes) -> str:
    opened = codec.open(packet)
    assert not opened.messages
    return "; ".join(map(str, opened.faults))


@pytest.mark.parametrize(
    ("packet", "codec", "messages"),
    [
        (PING.hex(), _codec(), [vectors.PING]),
        ("07020011003b" + PING.hex() + ALIVE.hex(), _codec(), [vectors.PING, vectors.ALIVE]),
        (vectors.COMPRESSED_PING, _codec(), [vectors.PING]),
        (vectors.CRC_PING, _codec(), [vectors.PING]),
        (vectors.LABELLED_PING, _codec(b"roost"), [vectors.PING]),
        ("f405726f6f7374" + vectors.ENCRYPTED_PING_V0, _codec(b"roost", KEY), [vectors.PING]),
        ("f405726f6f7374" + vectors.ENCRYPTED_PING_V1, _codec(b"roost", KEY), [vectors.PING]),
        (vectors.COMPOUND, _codec(), COMPOUND),
        (vectors.COMPRESSED_COMPOUND, _codec(), COMPOUND),
        (vectors.FULL_PACKET, _codec(b"roost", KEY), COMPOUND),
    ],
)
def test_go_packets_are_opened(packet: str, codec: PacketCodec, messages: list[Message]) -> None:
    opened = codec.open(bytes.fromhex(packet))
    assert list(opened.messages) == messages
    assert opened.faults == ()


def test_packets_are_sealed_as_go_seals_them() -> None:
    parts = [encode_message(message) for message in COMPOUND]
    assert _codec(compress=False).seal(parts).hex() == vectors.COMPOUND
    assert _codec().seal(parts).hex() == vectors.COMPRESSED_COMPOUND
    assert _codec().seal([PING]) == PING  # compressed it would be longer
    assert _codec().seal([PING], crc=True).hex() == vectors.CRC_PING
    assert _codec(b"roost").seal([PING]).hex() == vectors.LABELLED_PING
    assert compress(b"abcabcabd" * 20).hex() == vectors.COMPRESSED_TEXT


def test_envelopes_stand_in_gos_order() -> None:
    """Label outermost, then encryption, checksum, compression: peeled by hand from our own packet."""
    packet = _codec(b"roost", KEY).seal([encode_message(message) for message in COMPOUND], crc=True)
    assert packet.startswith(b"\xf4\x05roost\x01")
    plain = Keyring([KEY]).decrypt(packet[7:], b"roost")
    assert plain[0] == 12
    assert plain[5:].hex() == vectors.COMPRESSED_COMPOUND


@given(
    st.lists(packet_messages, min_size=1, max_size=6),
    labels,
    st.sampled_from((None, KEY, OTHER_KEY)),
    st.booleans(),
    st.booleans(),
)
def test_round_trip(
    messages: list[Message], label: bytes, key: bytes | None, compress: bool, crc: bool
) -> None:
    codec = _codec(label, key, compress=compress)
    parts = [encode_message(message) for message in messages]
    packet = codec.seal(parts, crc=crc)
    assert len(packet) <= sum(map(len, parts)) + codec.overhead(len(parts))
    opened = codec.open(packet)
    assert opened.messages == tuple(messages)
    assert opened.faults == ()


@pytest.mark.parametrize(("label", "key", "count"), [*product((b"", b"roost"), (None, KEY), (1, 2, 255))])
def test_overhead_is_what_a_checksummed_packet_adds(label: bytes, key: bytes | None, count: int) -> None:
    codec = _codec(label, key, compress=False)
    assert len(codec.seal([NACK] * count, crc=True)) == codec.overhead(count) + count * len(NACK)


@pytest.mark.parametrize("parts", [[], [b""], [NACK, b""], [NACK] * 256, [bytes(65_536)]])
def test_parts_that_do_not_fit_are_refused(parts: list[bytes]) -> None:
    with pytest.raises(ValueError, match="part"):
        _codec().seal(parts)


def test_label_is_bounded() -> None:
    with pytest.raises(ValueError, match="255"):
        _codec(bytes(256))


@pytest.mark.parametrize("key", [None, KEY])
def test_only_our_label_is_opened(key: bytes | None) -> None:
    plain, ours, theirs = _codec(b"", key), _codec(b"roost", key), _codec(b"rooster", key)
    assert "no label" in _faults(ours, plain.seal([PING]))
    assert "another" in _faults(ours, theirs.seal([PING]))
    assert "another" in _faults(plain, ours.seal([PING]))
    for cut in (b"\xf4", b"\xf4\x00", b"\xf4\x05roos"):
        assert "cut short" in _faults(ours, cut)
    assert _faults(ours, ours.seal([PING])[:7] + ours.seal([PING]))  # the label twice


def test_only_our_keys_are_opened() -> None:
    clear, ours, theirs = _codec(), _codec(b"", KEY), _codec(b"", OTHER_KEY)
    assert "encrypt" in _faults(ours, clear.seal([PING]))
    assert _faults(ours, clear.seal([ALIVE]))
    assert "no key" in _faults(ours, theirs.seal([PING]))
    assert _faults(clear, ours.seal([PING]))
    relabelled = b"\xf4\x05roost" + ours.seal([PING])
    assert "no key" in _faults(_codec(b"roost", KEY), relabelled)


def test_keyring_may_be_replaced_while_running() -> None:
    codec = _codec(b"", KEY)
    codec.keyring = Keyring([KEY]).with_primary(OTHER_KEY)
    assert codec.open(_codec(b"", KEY).seal([PING])).messages == (vectors.PING,)
    assert _codec(b"", OTHER_KEY).open(codec.seal([PING])).messages == (vectors.PING,)


def test_nonces_come_from_the_randomness() -> None:
    codec = _codec(b"", KEY)
    first, second = codec.seal([PING]), codec.seal([PING])
    assert first[1:13] == random.Random(1).randbytes(12)
    assert first[1:13] != second[1:13]


def test_damage_under_a_checksum_is_seen() -> None:
    packet = bytearray(_codec().seal([PING], crc=True))
    packet[-1] ^= 1
    assert "checksum" in _faults(_codec(), bytes(packet))


def test_a_bad_part_costs_only_itself() -> None:
    opened = _codec().open(_codec().seal([NACK, b"\x00junk", b"\x63", PING]))
    assert opened.messages == (Nack(1), vectors.PING)
    assert len(opened.faults) == 2


def test_a_compound_cut_short_keeps_its_whole_parts() -> None:
    packet = _codec(compress=False).seal([NACK, NACK, PING])
    opened = _codec().open(packet[:-1])
    assert opened.messages == (Nack(1), Nack(1))
    assert [str(fault) for fault in opened.faults] == ["compound is cut short: 1 of 3 parts are lost"]
    assert "header" in _faults(_codec(), packet[:5])


def test_stream_messages_do_not_belong_in_packets() -> None:
    assert "stream" in _faults(_codec(), encode_message(ErrorResponse("boom")))
    assert "stream" in _faults(_codec(), encode_message(vectors.PUSH_PULL))


def test_bombs_inflate_to_64_kib_and_no_more() -> None:
    fits = encode_message(UserMessage(bytes(65_535)))
    assert len(_codec().open(compress(fits)).messages) == 1
    assert "65536" in _faults(_codec(), compress(fits + b"\x00"))
    assert "unknown compression algorithm 1" in _faults(_codec(), b"\x09\x82\xa4Algo\x01\xa3Buf\xa0")


def test_many_bombs_share_one_budget() -> None:
    bomb = compress(encode_message(UserMessage(bytes(40_000))))
    opened = _codec().open(_codec(compress=False).seal([bomb] * 100))
    assert len(opened.messages) == 1
    assert len(opened.faults) == 99


def test_compressed_bytes_that_bring_nothing_are_bounded() -> None:
    """Codes that clear the table inflate to nothing, and each costs some time all the same."""
    writer = lzw._BitWriter()
    for code in (*[256] * 40_000, 257):
        writer.write(code)
    writer.flush()
    envelope = b"\x09" + ENVELOPE.pack(Compressed(0, bytes(writer.output)))
    assert "32768 compressed bytes" in _faults(_codec(), envelope)
    half = b"\x09" + ENVELOPE.pack(Compressed(0, bytes(writer.output[:20_000])))
    opened = _codec().open(_codec(compress=False).seal([half, half, half]))
    assert ["32768" in str(each) for each in opened.faults] == [False, True, True]


def test_nesting_is_bounded() -> None:
    nested = PING
    for _ in range(4):
        nested = compress(nested)
    assert _codec().open(nested).messages == (vectors.PING,)
    assert "too deeply" in _faults(_codec(), compress(nested))
    deep = b"".join(b"\x07\x01" + (60_000 - 4 * level).to_bytes(2, "big") for level in range(1, 5000))
    assert len(_codec().open(deep + bytes(60_000)).faults) == 1


def test_nested_compounds_share_one_budget_of_parts() -> None:
    inner = _codec(compress=False).seal([NACK] * 100)
    opened = _codec().open(_codec(compress=False).seal([inner] * 20))
    assert len(opened.messages) + len(opened.faults) <= 255 + 20
    assert 200 < len(opened.messages) <= 255


sealed = st.builds(
    lambda messages, label, key, crc: _codec(label, key).seal([encode_message(m) for m in messages], crc=crc),
    st.lists(packet_messages, min_size=1, max_size=4),
    st.sampled_from((b"", b"roost")),
    st.sampled_from((None, KEY)),
    st.booleans(),
)


@given(
    st.binary(max_size=200) | mutated(sealed), st.sampled_from((b"", b"roost")), st.sampled_from((None, KEY))
)
def test_open_never_raises(packet: bytes, label: bytes, key: bytes | None) -> None:
    opened = _codec(label, key).open(packet)
    assert len(opened.messages) + len(opened.faults) <= 512

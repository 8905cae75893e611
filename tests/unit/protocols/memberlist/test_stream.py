"""Streams: Go's bytes, every combination of envelopes, any chunking, hostile peers."""

import random
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.protocols.memberlist import vectors
from tests.unit.protocols.memberlist.strategies import KEY, OTHER_KEY, labels, mutated, stream_messages

from roost.protocols.errors import PacketError
from roost.protocols.memberlist.codec import encode_message
from roost.protocols.memberlist.compression import compress
from roost.protocols.memberlist.keyring import Keyring
from roost.protocols.memberlist.messages import ErrorResponse, Message, PushPull, Suspect, UserMessage
from roost.protocols.memberlist.stream import StreamCodec, StreamDecoder


def _codec(
    label: bytes = b"", key: bytes | None = None, *, compress: bool = True, limit: int = 1 << 20
) -> StreamCodec:
    keyring = Keyring([key]) if key else None
    return StreamCodec(label, keyring, compress=compress, random=random.Random(1), limit=limit)


def _feed_slowly(decoder: StreamDecoder, data: bytes, cuts: list[int]) -> Message | None:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    results = [decoder.feed(data[start:end]) for start, end in pairwise(edges)]
    found = [message for message in results if message is not None]
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize(
    ("stream", "codec", "reply"),
    [
        (vectors.PUSH_PULL_GO, _codec(), False),
        (vectors.PUSH_PULL_COMPRESSED, _codec(), False),
        ("f405726f6f7374" + vectors.PUSH_PULL_COMPRESSED, _codec(b"roost"), False),
        ("f405726f6f7374" + vectors.PUSH_PULL_SEALED, _codec(b"roost", KEY), False),
        (vectors.PUSH_PULL_COMPRESSED, _codec(b"roost"), True),
        (vectors.PUSH_PULL_SEALED, _codec(b"roost", KEY), True),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_go_streams_are_read_in_any_pieces(stream: str, codec: StreamCodec, reply: bool, step: int) -> None:
    data = bytes.fromhex(stream)
    decoder = codec.decoder(reply=reply)
    *early, last = [decoder.feed(data[start : start + step]) for start in range(0, len(data), step)]
    assert last == vectors.PUSH_PULL
    assert not any(early)


def test_user_messages_have_a_header_on_streams() -> None:
    assert _codec(compress=False).encode(UserMessage(b"abc")).hex() == vectors.USER_HEADER + "616263"
    data = bytes.fromhex(vectors.USER_HEADER_130) + bytes(130)
    assert _codec().decoder().feed(data) == UserMessage(bytes(130))
    assert _codec().decoder().feed(data[:-1]) is None


def test_compression_does_not_ask_whether_it_pays() -> None:
    """Go compresses every stream when compression is on."""
    assert _codec().encode(vectors.PING).hex() == vectors.COMPRESSED_PING


def test_only_the_initiator_shows_the_label() -> None:
    codec = _codec(b"roost", KEY)
    request, reply = codec.encode(vectors.PING), codec.encode(vectors.PING, reply=True)
    assert request.startswith(b"\xf4\x05roost\x0a")
    assert reply.startswith(b"\x0a")
    assert codec.decoder().feed(request) == codec.decoder(reply=True).feed(reply) == vectors.PING
    for data, is_reply in ((request, True), (reply, False)):
        with pytest.raises(PacketError):
            codec.decoder(reply=is_reply).feed(data)
    with pytest.raises(PacketError, match="no key opens"):  # without the label it would open elsewhere
        _codec(b"", KEY).decoder().feed(reply)


@given(
    stream_messages,
    labels,
    st.sampled_from((None, KEY, OTHER_KEY)),
    st.booleans(),
    st.booleans(),
    st.lists(st.integers(0, 1 << 16), max_size=6),
)
def test_round_trip(
    message: Message, label: bytes, key: bytes | None, compress: bool, reply: bool, cuts: list[int]
) -> None:
    codec = _codec(label, key, compress=compress)
    data = codec.encode(message, reply=reply)
    assert _feed_slowly(codec.decoder(reply=reply), data, cuts) == message


@pytest.mark.parametrize(("label", "key", "zip_it"), [*product((b"", b"roost"), (None, KEY), (True, False))])
def test_bytes_after_the_message_are_refused(label: bytes, key: bytes | None, zip_it: bool) -> None:
    codec = _codec(label, key, compress=zip_it)
    for message in (vectors.PUSH_PULL, vectors.PING, UserMessage(b"abc"), ErrorResponse("boom")):
        data = codec.encode(message)
        with pytest.raises(PacketError, match="after"):
            codec.decoder().feed(data + b"\x00")
        decoder = codec.decoder()
        assert decoder.feed(data) == message
        assert decoder.feed(b"") is None
        with pytest.raises(PacketError, match="after"):
            decoder.feed(b"\x00")


def test_a_decoder_stays_failed() -> None:
    decoder = _codec().decoder()
    for chunk in (b"\xff", b"", _codec().encode(vectors.PING)):
        with pytest.raises(PacketError, match="unsupported message type 255"):
            decoder.feed(chunk)


def test_clear_and_encrypted_do_not_mix() -> None:
    clear, sealed = _codec().encode(vectors.PING), _codec(b"", KEY).encode(vectors.PING)
    with pytest.raises(PacketError, match="not encrypted"):
        _codec(b"", KEY).decoder().feed(clear[:1])
    with pytest.raises(PacketError, match="no key is set"):
        _codec().decoder().feed(sealed[:1])
    with pytest.raises(PacketError, match="no key opens"):
        _codec(b"", OTHER_KEY).decoder().feed(sealed)


@pytest.mark.parametrize("wrong", [b"\x06", b"\xf4\x06", b"\xf4\x05roosT", b"\xf4\x00"])
def test_another_label_is_refused_at_its_first_wrong_byte(wrong: bytes) -> None:
    decoder = _codec(b"roost").decoder()
    for byte in wrong[:-1]:
        assert decoder.feed(bytes((byte,))) is None
    with pytest.raises(PacketError, match="label"):
        decoder.feed(wrong[-1:])


def test_unexpected_label_is_refused() -> None:
    for key in (None, KEY):
        with pytest.raises(PacketError):
            _codec(b"", key).decoder().feed(_codec(b"roost", key).encode(vectors.PING))


def test_packet_messages_do_not_belong_on_streams() -> None:
    for part in (encode_message(Suspect(1, "n1", "n2")), b"\x07\x00", b"\x0c0000"):
        for body in (part, compress(part)):
            with pytest.raises(PacketError, match="unsupported"):
                _codec().decoder().feed(body)
    with pytest.raises(PacketError, match="unsupported"):
        _codec().decoder().feed(compress(compress(encode_message(vectors.PING))))


def test_announced_sizes_over_the_limit_are_refused_before_they_come() -> None:
    with pytest.raises(PacketError, match="larger"):
        _codec(b"", KEY, limit=1000).decoder().feed(b"\x0a" + (1001).to_bytes(4, "big"))
    default = StreamCodec(random=random.Random(1)).decoder()
    with pytest.raises(PacketError, match="UserMsgLen"):
        default.feed(b"\x08\x81\xaaUserMsgLen\xce" + (20 * 1024 * 1024 + 1).to_bytes(4, "big"))


def _flood(decoder: StreamDecoder) -> None:
    for _ in range(20):
        decoder.feed(bytes(100))


def test_endless_streams_are_cut_at_the_limit() -> None:
    starts = {
        "a compressed value": (b"\x09\x82\xa4Algo\x00\xa3Buf\xc6\x00\x00\x03\xe0", None),
        "user state": (b"\x08\x81\xaaUserMsgLen\xce\x00\x0f\xff\xff", None),
        "a sealed body": (b"\x0a\x00\x00\x03\xe8", KEY),
    }
    for start, key in starts.values():
        decoder = _codec(b"", key, limit=1000).decoder()
        decoder.feed(start)
        with pytest.raises(PacketError, match=r"larger|no key opens"):
            _flood(decoder)


def test_one_chunk_over_the_limit_is_not_kept() -> None:
    decoder = _codec(limit=1000).decoder()
    with pytest.raises(PacketError, match="larger than 1000"):
        decoder.feed(bytes(5000))


def test_bombs_inflate_to_the_limit_and_no_more() -> None:
    codec = _codec(limit=10_000)
    message = UserMessage(bytes(9_900))
    assert codec.decoder().feed(codec.encode(message)) == message
    bomb = _codec().encode(UserMessage(bytes(100_000)))
    assert len(bomb) < 2_000
    with pytest.raises(PacketError, match="expands to more than 10000"):
        codec.decoder().feed(bomb)


def test_bodies_over_the_limit_are_not_sent() -> None:
    with pytest.raises(ValueError, match="over the limit"):
        _codec(limit=1000).encode(UserMessage(bytes(1000)))


def test_a_large_cluster_is_exchanged() -> None:
    message = PushPull(vectors.PUSH_PULL.nodes[:1] * 6000, b"", join=False)
    codec = _codec(b"roost", KEY)
    decoder = codec.decoder()
    assert decoder.feed(codec.encode(message)) is None, "so much is not done at once"
    found, parts = None, 0
    while decoder.busy:
        found, parts = decoder.feed(b""), parts + 1
    assert found == message
    assert parts >= 2
    with pytest.raises(PacketError, match="after its message"):
        decoder.feed(b"x")


@pytest.mark.parametrize("key", [None, KEY])
def test_bytes_after_a_message_that_is_still_worked_on(key: bytes | None) -> None:
    message = PushPull(vectors.PUSH_PULL.nodes[:1] * 2000, b"", join=False)
    decoder = _codec(b"", key).decoder()
    decoder.feed(_codec(b"", key).encode(message))
    assert decoder.busy
    with pytest.raises(PacketError, match="after its"):  # noqa: PT012 - which call fails is all the same
        decoder.feed(b"x")
        while decoder.busy:
            decoder.feed(b"")
    assert not decoder.busy


def test_body_inside_an_envelope_must_be_whole() -> None:
    body = encode_message(vectors.PUSH_PULL)
    with pytest.raises(PacketError, match="cut short"):
        _codec().decoder().feed(compress(body[:-1]))
    with pytest.raises(PacketError, match="cut short"):
        _codec().decoder().feed(compress(b""))


encoded = st.builds(
    lambda message, label, key, zip_it: _codec(label, key, compress=zip_it).encode(message),
    stream_messages,
    st.sampled_from((b"", b"roost")),
    st.sampled_from((None, KEY)),
    st.booleans(),
)


@given(
    st.binary(max_size=200) | mutated(encoded),
    st.sampled_from((b"", b"roost")),
    st.sampled_from((None, KEY)),
    st.lists(st.integers(0, 1 << 16), max_size=4),
)
def test_hostile_streams_raise_nothing_else(
    data: bytes, label: bytes, key: bytes | None, cuts: list[int]
) -> None:
    try:
        _feed_slowly(_codec(label, key, limit=5000).decoder(), data, cuts)
    except PacketError:
        return

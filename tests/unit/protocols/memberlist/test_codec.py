"""Messages and their bytes: Go's, the bounds, and hostile ones."""

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.protocols.memberlist import vectors
from tests.unit.protocols.memberlist.strategies import errors, mutated, packet_messages, push_pulls

from roost.protocols.errors import PacketError
from roost.protocols.memberlist.codec import decode_message, encode_message
from roost.protocols.memberlist.layouts import (
    MESSAGES,
    NODE_STATE,
    NODES_LIMIT,
    PUSH_PULL_HEADER,
    USER_HEADER,
)
from roost.protocols.memberlist.messages import (
    CURRENT_VERSIONS,
    Ack,
    Alive,
    IndirectPing,
    Message,
    MessageType,
    Nack,
    Ping,
    PushPull,
    Suspect,
    UserMessage,
    Versions,
)

ALIVE_MAP: dict[str, Any] = {
    "Addr": bytes((192, 0, 2, 11)),
    "Incarnation": 1,
    "Meta": b"m",
    "Node": "n1",
    "Port": 7946,
    "Vsn": bytes((1, 5, 2, 0, 0, 0)),
}


def _alive(**changes: Any) -> bytes:
    body: bytes = msgpack.packb(ALIVE_MAP | changes, use_bin_type=False)
    return b"\x04" + body


@pytest.mark.parametrize(("message", "encoded"), vectors.MESSAGES)
def test_go_vectors(message: Message, encoded: str) -> None:
    assert encode_message(message).hex() == encoded
    assert decode_message(bytes.fromhex(encoded)) == message


def test_push_pull_of_go() -> None:
    header = PushPull(vectors.PUSH_PULL.nodes[:1] * 2, b"", join=True)
    assert encode_message(header).hex() == vectors.PUSH_PULL_HEADER + vectors.NODE_STATE * 2
    assert decode_message(bytes.fromhex(vectors.PUSH_PULL_GO)) == vectors.PUSH_PULL


def test_fields_stand_in_the_order_of_their_keys() -> None:
    for layout in (*MESSAGES.values(), NODE_STATE, PUSH_PULL_HEADER, USER_HEADER):
        keys = [field.key for field in layout.fields]
        assert keys == sorted(keys)


@given(packet_messages | push_pulls | errors)
def test_round_trip(message: Message) -> None:
    assert decode_message(encode_message(message)) == message


@pytest.mark.parametrize("use_bin_type", [True, False])
def test_old_and_new_msgpack_are_read(use_bin_type: bool) -> None:
    body = ALIVE_MAP | {"Node": "n" * 40}  # str 8 in the new specification
    data = b"\x04" + msgpack.packb(body, use_bin_type=use_bin_type)
    assert decode_message(data) == Alive(1, "n" * 40, ALIVE_MAP["Addr"], 7946, b"m", CURRENT_VERSIONS)


def test_order_of_keys_and_unknown_ones_do_not_matter() -> None:
    data = b"\x0b" + msgpack.packb({"Later": [1, {"x": None}], "SeqNo": 43})
    assert decode_message(data) == Nack(43)


def test_what_go_may_leave_out() -> None:
    assert decode_message(b"\x02" + msgpack.packb({"SeqNo": 1})) == Ack(1)
    assert decode_message(_alive(Meta=None)) == decode_message(_alive(Meta=b""))
    target = {"Node": "n2", "Port": 1, "SeqNo": 2, "Target": bytes(4)}
    assert decode_message(b"\x01" + msgpack.packb(target)) == IndirectPing(2, bytes(4), 1, "n2", nack=False)
    assert decode_message(b"\x00" + msgpack.packb({"Node": "", "SeqNo": 1, "SourceAddr": b""})) == Ping(1, "")


def test_versions_beyond_the_six_are_ignored() -> None:
    message = decode_message(_alive(Vsn=bytes((1, 5, 2, 2, 5, 4, 9, 9))))
    assert isinstance(message, Alive)
    assert message.versions == Versions(1, 5, 2, 2, 5, 4)


@pytest.mark.parametrize("key", [key for key in ALIVE_MAP if key != "Meta"])
def test_missing_key(key: str) -> None:
    body = {name: value for name, value in ALIVE_MAP.items() if name != key}
    with pytest.raises(PacketError, match=f"{key} is missing"):
        decode_message(b"\x04" + msgpack.packb(body))


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("Addr", (None, b"", bytes(5), "name!", 3, [1, 2, 3, 4])),
        ("Incarnation", (None, -1, 1 << 32, 1.0, True, b"1", "1")),
        ("Meta", (bytes(513), 1, [], {})),
        ("Node", (None, "", "n" * 257, b"\xff", 1, ["n1"])),
        ("Port", (None, -1, 1 << 16, False, "7946")),
        ("Vsn", (None, b"", bytes(5), bytes(33), [1, 5, 2, 0, 0, 0], 1)),
    ],
)
def test_wrong_values_are_refused(key: str, values: tuple[object, ...]) -> None:
    for value in values:
        with pytest.raises(PacketError, match=key):
            decode_message(_alive(**{key: value}))


@pytest.mark.parametrize("status", [-1, 4, 1 << 40])
def test_unknown_status_is_refused(status: int) -> None:
    node = {key: value for key, value in ALIVE_MAP.items() if key != "Node"} | {"Name": "n1", "State": status}
    header = msgpack.packb({"Join": False, "Nodes": 1, "UserStateLen": 0})
    with pytest.raises(PacketError, match="State"):
        decode_message(b"\x06" + header + msgpack.packb(node, use_bin_type=False))


@pytest.mark.parametrize(
    "header",
    [
        {"Join": False, "Nodes": -1, "UserStateLen": 0},
        {"Join": False, "Nodes": NODES_LIMIT + 1, "UserStateLen": 0},
        {"Join": False, "Nodes": 0, "UserStateLen": 20 * 1024 * 1024 + 1},
        {"Join": 1, "Nodes": 0, "UserStateLen": 0},
        {"Join": False, "Nodes": 1, "UserStateLen": 0},  # announced, but not there
        {"Join": False, "Nodes": 0, "UserStateLen": 1},
    ],
)
def test_push_pull_header_is_held_to_its_word(header: dict[str, object]) -> None:
    with pytest.raises(PacketError):
        decode_message(b"\x06" + msgpack.packb(header))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x00\xc0",
        b"\x00\x90",
        b"\x00\xc1",  # never used by msgpack
        b"\x0b" + b"\x91" * 10_000,  # deeper than any stack
        b"\x0b" + b"\x81" * 10_000,
        b"\x0b\xdf\xff\xff\xff\xff",  # a map of four billion entries
        b"\x0b\xdd\xff\xff\xff\xff",
        b"\x0b\xc6\xff\xff\xff\xff",
        b"\x0b" + msgpack.packb({str(number): 0 for number in range(40)} | {"SeqNo": 1}),
        b"\x0b" + msgpack.packb({1: 2, "SeqNo": 1}),
        b"\x0b" + msgpack.packb({"SeqNo": 1}) + b"\x00",  # left over
        b"\x0b" + msgpack.packb({"SeqNo": 1, "X": msgpack.Timestamp(1)})[:-1],
        bytes((MessageType.COMPOUND, 0)),
        bytes((MessageType.HAS_CRC, 0)),
        b"\xff",
    ],
)
def test_malformed_messages_are_refused(data: bytes) -> None:
    with pytest.raises(PacketError):
        decode_message(data)


@given(
    st.binary(max_size=100)
    | st.builds(
        bytes.__add__, st.sampled_from([bytes((kind,)) for kind in MessageType]), st.binary(max_size=60)
    )
    | mutated((packet_messages | push_pulls).map(encode_message))
)
def test_hostile_bytes_raise_nothing_else(data: bytes) -> None:
    try:
        message = decode_message(data)
    except PacketError:
        return
    assert decode_message(encode_message(message)) == message


scalars = (
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.binary(max_size=40)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=3)
)


@given(st.sampled_from(sorted(MESSAGES)), st.data())
def test_any_value_under_any_key_raises_nothing_else(kind: MessageType, data: st.DataObject) -> None:
    body = {field.key: data.draw(values) for field in MESSAGES[kind].fields}
    try:
        decode_message(bytes((kind,)) + msgpack.packb(body))
    except PacketError:
        return


@pytest.mark.parametrize(
    "message",
    [
        Nack(-1),
        Nack(1 << 32),
        Suspect(1, "", "n1"),
        Suspect(1, "n" * 257, "n1"),
        Suspect(1, "\ud800", "n1"),
        Alive(1, "n1", bytes(5), 7946, b"", CURRENT_VERSIONS),
        Alive(1, "n1", bytes(4), 7946, bytes(513), CURRENT_VERSIONS),
        Alive(1, "n1", bytes(4), 7946, b"", Versions(1, 256, 2)),
        PushPull(vectors.PUSH_PULL.nodes[:1] * (NODES_LIMIT + 1), b"", join=False),
    ],
)
def test_messages_out_of_bounds_are_not_encoded(message: Message) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011  each field has words of its own
        encode_message(message)
    assert not isinstance(raised.value, PacketError)


def test_user_message_in_a_packet_is_raw() -> None:
    assert encode_message(UserMessage(b"abc")) == b"\x08abc"
    assert decode_message(b"\x08") == UserMessage(b"")

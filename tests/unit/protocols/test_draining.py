"""Messages about draining."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.protocols.draining import Ask, Progress, decode, encode
from roost.protocols.errors import PacketError

names = st.text(min_size=1, max_size=63)
asks = st.builds(Ask, names, names, st.none() | st.booleans())
counts = st.integers(0, 2**63)
progresses = st.builds(Progress, names, st.booleans(), counts, counts, st.floats(0, 1e9))


@given(asks | progresses)
def test_what_was_told_is_heard(message: Ask | Progress) -> None:
    assert decode(encode(message)) == message


@given(st.binary(max_size=100))
def test_hostile_bytes_raise_nothing_but_the_parsers_own_error(data: bytes) -> None:
    with pytest.raises(PacketError):
        decode(data)


@pytest.mark.parametrize(
    "message",
    [
        ["roost", "drain", "n1", "n2"],
        ["roost", "drain", "n1", "n2", 1],
        ["roost", "drain", b"n1", "n2", True],
        ["roost", "drained", "n1", True, "1", 2, 3.0],
        ["roost", "look", "n1", "n2"],
        ["roost", "drain", "n" * 2000, "n2", True],
    ],
)
def test_messages_of_another_shape_are_refused(message: object) -> None:
    with pytest.raises(PacketError):
        decode(msgpack.packb(message))

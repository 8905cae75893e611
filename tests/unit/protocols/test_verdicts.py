"""Verdicts with their grounds."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.model.node import Verdict
from roost.protocols.errors import PacketError
from roost.protocols.verdicts import Ground, decode, encode

ended = st.sampled_from([verdict for verdict in Verdict if not verdict.active])


@given(st.builds(Ground, st.text(max_size=63), ended, st.text(max_size=100)))
def test_what_was_told_is_heard(ground: Ground) -> None:
    assert decode(encode(ground)) == ground


def test_long_evidence_is_cut_to_fit() -> None:
    assert len(decode(encode(Ground("n1", Verdict.DEAD, "x" * 5000))).evidence) == 400


@given(st.binary(max_size=100))
def test_hostile_bytes_raise_nothing_but_the_parsers_own_error(data: bytes) -> None:
    with pytest.raises(PacketError):
        decode(data)


@pytest.mark.parametrize(
    "message",
    [
        ["roost", "verdict", "n1", "alive", ""],
        ["roost", "verdict", "n1", "unheard of", ""],
        ["roost", "verdict", 1, "dead", ""],
        ["roost", "verdict", "n1", ["dead"], ""],
        ["roost", "other", "n1", "dead", ""],
        ["roost", "verdict", "n1", "dead"],
        7,
    ],
)
def test_messages_of_another_shape_are_refused(message: object) -> None:
    with pytest.raises(PacketError):
        decode(msgpack.packb(message))

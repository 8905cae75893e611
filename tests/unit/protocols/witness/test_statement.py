"""Words between witnesses on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.protocols.errors import PacketError
from roost.protocols.witness.statement import Kind, Statement, decode, encode

NAMES = st.text(max_size=100)


@given(st.sampled_from(Kind), NAMES, NAMES)
def test_what_is_encoded_is_decoded(kind: Kind, sender: str, subject: str) -> None:
    try:
        payload = encode(Statement(kind, sender, subject))
    except UnicodeEncodeError:
        return  # lone surrogates, which no name has
    assert decode(payload) == Statement(kind, sender, subject)


@given(st.binary(max_size=2000))
def test_anything_else_is_refused_with_one_kind_of_error(payload: bytes) -> None:
    try:
        decode(payload)
    except PacketError:
        return
    assert payload.startswith(b"\x94\xa5roost")


@pytest.mark.parametrize("cut", range(1, 10))
def test_truncated_words_are_refused(cut: int) -> None:
    payload = encode(Statement(Kind.SILENT, "n1", "n2"))
    with pytest.raises(PacketError):
        decode(payload[:-cut])

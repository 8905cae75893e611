"""The keyring: Go's envelopes, rotation, and nothing given away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.protocols.memberlist import vectors
from tests.unit.protocols.memberlist.strategies import KEY, OTHER_KEY

from roost.protocols.errors import PacketError
from roost.protocols.memberlist.keyring import OVERHEAD, Keyring

PING = bytes.fromhex("0082a44e6f6465a26e32a55365714e6f2a")
NONCE = bytes(range(12))


@pytest.mark.parametrize("envelope", [vectors.ENCRYPTED_PING_V0, vectors.ENCRYPTED_PING_V1])
def test_go_envelopes_are_opened_and_rebuilt(envelope: str) -> None:
    data = bytes.fromhex(envelope)
    keyring = Keyring([KEY])
    assert keyring.decrypt(data, b"roost") == PING
    assert keyring.encrypt(PING, b"roost", data[1:13], version=data[0]) == data


@given(
    st.binary(max_size=200),
    st.binary(max_size=20),
    st.sampled_from((16, 24, 32)),
    st.sampled_from((0, 1)),
)
def test_round_trip(plaintext: bytes, aad: bytes, key_size: int, version: int) -> None:
    keyring = Keyring([bytes(key_size)])
    data = keyring.encrypt(plaintext, aad, NONCE, version)
    assert keyring.decrypt(data, aad) == plaintext
    assert version == 0 or len(data) == len(plaintext) + OVERHEAD


def test_every_key_decrypts_and_only_the_primary_encrypts() -> None:
    old, new = Keyring([KEY]), Keyring([OTHER_KEY])
    both = Keyring([KEY, OTHER_KEY])
    assert both.decrypt(new.encrypt(PING, b"", NONCE), b"") == PING
    assert old.decrypt(both.encrypt(PING, b"", NONCE), b"") == PING
    with pytest.raises(PacketError, match="no key"):
        new.decrypt(both.encrypt(PING, b"", NONCE), b"")


def test_rotation_makes_new_keyrings() -> None:
    first = Keyring([KEY])
    second = first.adding(OTHER_KEY)
    third = second.with_primary(OTHER_KEY)
    assert (first.keys, second.keys, third.keys) == ((KEY,), (KEY, OTHER_KEY), (OTHER_KEY, KEY))
    assert (second.primary, third.primary) == (KEY, OTHER_KEY)
    assert third.adding(KEY).keys == third.keys


@pytest.mark.parametrize("keys", [[], [b""], [KEY, b"short"], [KEY + b"x"]])
def test_keys_of_other_sizes_are_refused(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="key"):
        Keyring(keys)


def test_another_aad_opens_nothing() -> None:
    keyring = Keyring([KEY])
    with pytest.raises(PacketError):
        keyring.decrypt(keyring.encrypt(PING, b"roost", NONCE), b"rooster")


def test_padding_is_checked_although_it_is_authentic() -> None:
    keyring = Keyring([KEY])
    for plaintext in (b"", b"\x00", b"x\x11", b"x\x03\x02\x03"):
        as_version_0 = b"\x00" + keyring.encrypt(plaintext, b"", NONCE, version=1)[1:]
        with pytest.raises(PacketError, match="padding"):
            keyring.decrypt(as_version_0, b"")


@given(st.binary(max_size=80))
def test_hostile_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(PacketError):
        Keyring([KEY]).decrypt(data, b"")


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="nonce"):
        Keyring([KEY]).encrypt(b"", b"", b"short")
    with pytest.raises(ValueError, match="version"):
        Keyring([KEY]).encrypt(b"", b"", NONCE, version=2)


def test_keys_do_not_show() -> None:
    assert repr(Keyring([KEY])) == "<Keyring of 1>"

"""Gossip keys and memberlist's AES-GCM envelope (memberlist `security.go`).

    version (1 byte: 0 or 1) | nonce (12) | ciphertext | tag (16)

Version 0 pads the plaintext as PKCS#7 does, version 1 does not. AES-GCM fails badly when a nonce
repeats under one key: production must draw nonces from a cryptographically strong source
(`random.SystemRandom`), never from a seeded generator. Keys never reach a log or a `repr`.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

from roost.protocols.errors import PacketError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["NONCE_SIZE", "OVERHEAD", "Keyring"]

NONCE_SIZE: Final = 12  # bytes
_TAG_SIZE: Final = 16
_BLOCK_SIZE: Final = 16
_KEY_SIZES: Final = (16, 24, 32)
OVERHEAD: Final = 1 + NONCE_SIZE + _TAG_SIZE  # bytes that version 1 adds


class Keyring:
    """Keys of 16, 24 or 32 bytes, in order: the first encrypts, all decrypt. Immutable.

    Raises ValueError when there is no key or one has another size; a repeated key counts once.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        unique = tuple(dict.fromkeys(bytes(key) for key in keys))
        if not unique:
            raise ValueError("a keyring needs at least one key")
        for key in unique:
            if len(key) not in _KEY_SIZES:
                raise ValueError(f"a gossip key has 16, 24 or 32 bytes, not {len(key)}")
        self._keys = unique

    @property
    def keys(self) -> tuple[bytes, ...]:
        """All keys, the primary first."""
        return self._keys

    @property
    def primary(self) -> bytes:
        """The key that encrypts."""
        return self._keys[0]

    def adding(self, key: bytes) -> "Keyring":
        """Return a keyring that also decrypts with `key`: the first step of a rotation."""
        return Keyring((*self._keys, key))

    def with_primary(self, key: bytes) -> "Keyring":
        """Return a keyring that encrypts with `key` and still decrypts with the others."""
        return Keyring((key, *self._keys))

    def encrypt(self, plaintext: bytes, aad: bytes, nonce: bytes, version: int = 1) -> bytes:
        """Return the envelope of `plaintext`, sealed with the primary key and bound to `aad`.

        Raises ValueError for a nonce that is not 12 bytes or a version other than 0 and 1.
        """
        if len(nonce) != NONCE_SIZE:
            raise ValueError(f"a nonce has {NONCE_SIZE} bytes, not {len(nonce)}")
        if version not in (0, 1):
            raise ValueError(f"no such encryption version: {version}")
        padded = _pad(plaintext) if version == 0 else plaintext
        return bytes((version,)) + nonce + self._ciphers[0].encrypt(nonce, padded, aad)

    def decrypt(self, data: bytes, aad: bytes) -> bytes:
        """Return the plaintext of the envelope `data`, trying every key.

        Raises PacketError when it is malformed or no key opens it.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415  loaded only where keys are used

        if len(data) < OVERHEAD:
            raise PacketError("packet is too short to be encrypted")
        version = data[0]
        if version > 1:
            raise PacketError(f"unsupported encryption version {version}")
        nonce, sealed = data[1 : 1 + NONCE_SIZE], data[1 + NONCE_SIZE :]
        for cipher in self._ciphers:
            try:
                plaintext = cipher.decrypt(nonce, sealed, aad)
            except InvalidTag:
                continue
            return _unpad(plaintext) if version == 0 else plaintext
        raise PacketError("no key opens the packet")

    @cached_property
    def _ciphers(self) -> "tuple[AESGCM, ...]":
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  see decrypt

        return tuple(AESGCM(key) for key in self._keys)

    def __repr__(self) -> str:
        return f"<Keyring of {len(self._keys)}>"


def _pad(plaintext: bytes) -> bytes:
    count = _BLOCK_SIZE - len(plaintext) % _BLOCK_SIZE
    return plaintext + bytes((count,)) * count


def _unpad(padded: bytes) -> bytes:
    count = padded[-1] if padded else 0
    if not 1 <= count <= _BLOCK_SIZE or not padded.endswith(bytes((count,)) * count):
        raise PacketError("padding of the decrypted packet is malformed")
    return padded[:-count]

"""Expressions of nftables' rules (nf_tables.h): what a rule loads, compares, changes and ends with.

Registers hold 4 bytes each, and are counted from 0.
"""

import struct
from typing import Final

from roost.runtime.netlink import attribute, nested
from roost.runtime.nftables import NUMBER, Set, name_of, value_of

__all__ = [
    "ACCEPT",
    "DROP",
    "INCOMING",
    "add_to_set",
    "between",
    "counter",
    "differs",
    "duplicate",
    "equals",
    "expression",
    "go_to",
    "in_register",
    "in_set",
    "jump",
    "load_meta",
    "load_payload",
    "load_tracked",
    "masked",
    "protocol",
    "value_from",
    "verdict",
]

_REGISTER: Final = 8  # NFT_REG32_00; registers of 4 bytes follow
ACCEPT, DROP = 1, 0
_JUMP: Final = -3
INCOMING: Final = 4  # NFT_META_IIF: the link that a packet came in on
_PROTOCOL: Final = 16  # NFT_META_L4PROTO
_EQUAL, _DIFFERENT, _AT_MOST, _AT_LEAST = 0, 1, 3, 5  # NFT_CMP_*
_SIGNED: Final = struct.Struct("!i")
_LONG: Final = struct.Struct("!Q")


def load_payload(base: int, offset: int, size: int, register: int = 0) -> bytes:
    """Load bytes of the packet: `base` 0 is the link's header, 1 the network's, 2 the transport's."""
    numbers = (_REGISTER + register, base, offset, size)
    return expression(
        "payload", *(attribute(at, NUMBER.pack(number)) for at, number in enumerate(numbers, 1))
    )


def load_meta(key: int, register: int = 0) -> bytes:
    """Load a fact about the packet: NFT_META_*."""
    return expression("meta", in_register(1, register), attribute(2, NUMBER.pack(key)))


def load_tracked(register: int = 0) -> bytes:
    """Load the state that connection tracking has found: a bit for each, in the host's order."""
    return expression("ct", in_register(1, register), attribute(2, NUMBER.pack(0)))


def protocol(number: int) -> tuple[bytes, ...]:
    """Go on with this rule only for packets of this protocol."""
    return load_meta(_PROTOCOL), equals(bytes([number]))


def masked(mask: bytes, register: int = 0) -> bytes:
    """Keep only the bits of `mask`."""
    return expression(
        "bitwise",
        in_register(1, register),
        in_register(2, register),
        attribute(3, NUMBER.pack(len(mask))),
        value_of(4, mask),
        value_of(5, bytes(len(mask))),
    )


def equals(value: bytes, register: int = 0) -> bytes:
    """Go on with this rule only if the register has `value`."""
    return _compare(_EQUAL, value, register)


def differs(value: bytes, register: int = 0) -> bytes:
    """Go on with this rule only if the register has another value."""
    return _compare(_DIFFERENT, value, register)


def between(low: bytes, high: bytes, register: int = 0) -> bytes:
    """Go on with this rule only if the register has a value from `low` to `high`."""
    return _compare(_AT_LEAST, low, register) + _compare(_AT_MOST, high, register)


def in_set(name: Set, register: int = 0, *, inverted: bool = False) -> bytes:
    """Go on with this rule only if the set has the key."""
    flags = attribute(5, NUMBER.pack(1)) if inverted else b""
    return expression("lookup", attribute(1, name_of(name.name)), in_register(2, register), flags)


def go_to(name: Set, register: int = 0) -> bytes:
    """Go on in the chain that the map has for the key, if it has it."""
    fields = attribute(1, name_of(name.name)), in_register(2, register), attribute(3, NUMBER.pack(0))
    return expression("lookup", *fields)


def value_from(name: Set, register: int = 0) -> bytes:
    """Replace the key by what the map has for it; go on only if it has it."""
    return expression(
        "lookup", attribute(1, name_of(name.name)), in_register(2, register), in_register(3, register)
    )


def add_to_set(name: Set, lasting: float, register: int = 0, *, update: bool = False) -> bytes:
    """Add the key to a dynamic set for `lasting` seconds, or begin them anew."""
    return expression(
        "dynset",
        attribute(1, name_of(name.name)),
        attribute(3, NUMBER.pack(1 if update else 0)),
        in_register(4, register),
        attribute(6, _LONG.pack(round(lasting * 1000))),
    )


def duplicate(address: int, device: int) -> bytes:
    """Send a copy to the next hop in the register `address`, out of the link in the register `device`."""
    return expression("dup", in_register(1, address), in_register(2, device))


def counter() -> bytes:
    """Count the packets that come so far, for whoever lists the rules."""
    return expression("counter")


def verdict(code: int) -> bytes:
    """End with ACCEPT or DROP."""
    return _immediate(attribute(1, _SIGNED.pack(code)))


def jump(chain: str) -> bytes:
    """Go on in another chain."""
    return _immediate(attribute(1, _SIGNED.pack(_JUMP)) + attribute(2, name_of(chain)))


def _immediate(code: bytes) -> bytes:
    return expression("immediate", attribute(1, NUMBER.pack(0)), nested(2, nested(2, code)))


def _compare(operator: int, value: bytes, register: int) -> bytes:
    return expression(
        "cmp", in_register(1, register), attribute(2, NUMBER.pack(operator)), value_of(3, value)
    )


def expression(name: str, *data: bytes) -> bytes:
    """Return an expression from its attributes: `name` is what the kernel calls it."""
    return nested(1, attribute(1, name_of(name)), nested(2, *data))


def in_register(kind: int, register: int) -> bytes:
    """Return the attribute `kind` that names a register."""
    return attribute(kind, NUMBER.pack(_REGISTER + register))

"""How message fields look in msgpack: kinds of values with their bounds, and layouts made of them.

Written as the Go library writes: maps with keys in alphabetical order, old msgpack specification
(text and bytes both as raw). Read from any encoding: raw, bin and str8. What a layout does not name
is ignored, as Go does.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgpack

from roost.protocols.errors import PacketError
from roost.protocols.memberlist.messages import META_LIMIT, Status, Versions

__all__ = [
    "ADDRESS",
    "FLAG",
    "META",
    "NAME",
    "NAME_OR_EMPTY",
    "OPTIONAL_ADDRESS",
    "PAYLOAD",
    "REQUIRED",
    "STATUS",
    "TEXT",
    "U16",
    "U32",
    "VERSIONS",
    "Field",
    "Kind",
    "Layout",
    "limits",
    "raw",
    "unsigned",
]

T = TypeVar("T")

REQUIRED: Final = object()
NAME_LIMIT: Final = 256  # bytes; a Kubernetes node name has at most 253
TEXT_LIMIT: Final = 4096  # bytes of a peer's error text
PAYLOAD_LIMIT: Final = 1400  # bytes of an ack's payload; memberlist's whole UDP packet
_KEYS_LIMIT: Final = 32  # entries of a map; the largest message has eight
_VERSIONS_LIMIT: Final = 32  # bytes; six are defined


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value; both directions check the same bounds and raise ValueError."""

    to_wire: Callable[[Any], object]
    from_wire: Callable[[object], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One map entry: its key, the attribute it fills, the attribute's value without it, Go's omitempty."""

    key: str
    attribute: str
    kind: Kind
    default: object = REQUIRED
    omit_empty: bool = False
    raw_key: bytes = dataclasses.field(init=False)  # as msgpack reads it

    def __post_init__(self) -> None:
        object.__setattr__(self, "raw_key", self.key.encode())


@dataclass(frozen=True, slots=True)
class Layout(Generic[T]):
    """A msgpack map and the value it stands for; `fields` are sorted by key."""

    factory: Callable[..., T]
    fields: tuple[Field, ...]

    def pack(self, value: T) -> bytes:
        """Return the map for `value`; raises ValueError when a field is out of bounds."""
        entries: dict[str, object] = {}
        for field in self.fields:
            content = getattr(value, field.attribute)
            if content or not field.omit_empty:
                entries[field.key] = field.kind.to_wire(content)
        packed: bytes = msgpack.packb(entries, use_bin_type=False)
        return packed

    def read(self, entries: object) -> T:
        """Return the value of a map that msgpack has decoded with raw=True; raises PacketError."""
        if not isinstance(entries, dict):
            raise PacketError("message body is not a map")
        return self.factory(**{field.attribute: _read_field(field, entries) for field in self.fields})

    def unpack(self, data: bytes) -> T:
        """Return the value of one whole msgpack map; raises PacketError."""
        try:
            entries = msgpack.unpackb(data, **limits(len(data)))
        except (ValueError, msgpack.UnpackException) as reason:
            raise PacketError(f"malformed msgpack: {reason}") from None
        return self.read(entries)


def limits(longest: int) -> dict[str, Any]:
    """Return msgpack's decoding options that admit raw values of up to `longest` bytes."""
    return {
        "raw": True,
        "strict_map_key": True,
        "max_str_len": longest,
        "max_bin_len": longest,
        "max_map_len": _KEYS_LIMIT,
        "max_array_len": _KEYS_LIMIT,
        "max_ext_len": _KEYS_LIMIT,
    }


def _read_field(field: Field, entries: dict[object, object]) -> object:
    content = entries.get(field.raw_key, REQUIRED)
    if content is REQUIRED:
        if field.default is REQUIRED:
            raise PacketError(f"{field.key} is missing")
        return field.default
    try:
        return field.kind.from_wire(content)
    except ValueError as reason:
        raise PacketError(f"{field.key}: {reason}") from None


def unsigned(limit: int) -> Kind:
    """Return the kind of integers from 0 to `limit`."""

    def check(content: object) -> int:
        if type(content) is not int or not 0 <= content <= limit:
            raise ValueError(f"not an integer from 0 to {limit}")
        return content

    return Kind(check, check)


def raw(limit: int) -> Kind:
    """Return the kind of byte strings of up to `limit` bytes."""

    def check(content: object) -> bytes:
        return _bytes(content, 0, limit)

    return Kind(check, check)


def _text(shortest: int, longest: int, errors: str = "strict") -> Kind:
    """Return the kind of UTF-8 text of `shortest` to `longest` bytes."""
    return Kind(
        lambda text: _bytes(text.encode(), shortest, longest),
        lambda content: _bytes(content, shortest, longest).decode(errors=errors),
    )


def _bytes(content: object, shortest: int, longest: int) -> bytes:
    if not isinstance(content, bytes):
        raise ValueError("not a byte string")  # noqa: TRY004  one error type for every bad value
    if not shortest <= len(content) <= longest:
        raise ValueError(f"{len(content)} bytes, not {shortest} to {longest}")
    return content


def _nullable(kind: Kind) -> Kind:
    """Return `kind` with nil, a Go slice that was never filled, as None."""
    return Kind(
        lambda value: None if value is None else kind.to_wire(value),
        lambda content: None if content is None else kind.from_wire(content),
    )


def _address(content: object) -> bytes:
    if not isinstance(content, bytes) or len(content) not in (4, 16):
        raise ValueError("not an IP address of 4 or 16 bytes")
    return content


def _flag(content: object) -> bool:
    if not isinstance(content, bool):
        raise ValueError("not a boolean")  # noqa: TRY004  one error type for every bad value
    return content


def _read_versions(content: object) -> Versions:
    return Versions(*_bytes(content, 6, _VERSIONS_LIMIT)[:6])


def _write_versions(versions: Versions) -> bytes:
    numbers = (versions.pmin, versions.pmax, versions.pcur, versions.dmin, versions.dmax, versions.dcur)
    return bytes(numbers)  # ValueError above 255


U16: Final = unsigned(0xFFFF)
U32: Final = unsigned(0xFFFF_FFFF)
NAME: Final = _text(1, NAME_LIMIT)
NAME_OR_EMPTY: Final = _text(0, NAME_LIMIT)
TEXT: Final = _text(0, TEXT_LIMIT, errors="replace")
ADDRESS: Final = Kind(_address, _address)
OPTIONAL_ADDRESS: Final = Kind(_address, lambda content: _address(content) if content else None)
META: Final = Kind(
    lambda meta: raw(META_LIMIT).to_wire(meta) or None,  # Go writes a node without metadata as nil
    lambda content: b"" if content is None else raw(META_LIMIT).from_wire(content),
)
PAYLOAD: Final = _nullable(raw(PAYLOAD_LIMIT))
FLAG: Final = Kind(_flag, _flag)
STATUS: Final = Kind(int, lambda content: Status(U32.from_wire(content)))
VERSIONS: Final = Kind(_write_versions, _read_versions)

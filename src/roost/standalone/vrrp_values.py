"""Single values of `election: {vrrp: ...}`; the functions raise as those of `roost.standalone.values`."""

from typing import Any, Final

from roost.standalone import values
from roost.standalone.shape import choices, reads, widens

__all__ = ["boolean", "election", "password", "preempt"]

_PASSWORD_BYTES: Final = 8
_LONGEST_DELAY: Final = 1000.0  # seconds


@widens(lambda mapping: choices({"const": "hash"}, mapping))
def election(value: Any) -> Any:
    """Bring the short form into the long one."""
    if value == "vrrp":
        raise values.wrong("vrrp needs a vrid", "write election: {vrrp: {vrid: 51}}")
    if isinstance(value, dict):
        return value
    values.choice("hash", "{vrrp: ...}")(value)
    return {}


@reads(choices({"type": "boolean"}, values.duration(0, _LONGEST_DELAY).shape({})))
def preempt(value: Any) -> bool | float:
    """Return true, false, or the seconds to wait before taking over from who leads."""
    return value if isinstance(value, bool) else values.duration(0, _LONGEST_DELAY)(value)


@reads({"type": "string", "minLength": 1, "maxLength": _PASSWORD_BYTES})
def password(value: Any) -> str:
    """Return version 2's password; no error holds any part of it."""
    if not isinstance(value, str) or not value:
        raise values.wrong("is not a text", "quote it")
    if len(value.encode()) > _PASSWORD_BYTES:
        cure = "cut it: keepalived, too, sends the first 8 bytes"
        raise values.wrong(f"has more than {_PASSWORD_BYTES} bytes, which the wire has room for", cure)
    return value


@reads({"type": "boolean"})
def boolean(value: Any) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise values.wrong("is neither true nor false", "write true or false, unquoted")
    return value

"""Lengths of time as people write them: 500ms, 10s, 1m, 1h."""

import re
from types import MappingProxyType
from typing import Final

__all__ = ["PATTERN", "seconds_of"]

PATTERN: Final = r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(ms|s|m|h)"
_DURATION: Final = re.compile(PATTERN)
_UNITS: Final = MappingProxyType({"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0})


def seconds_of(text: str) -> float | None:
    """Return the seconds that a text such as 500ms stands for, None if it is no duration."""
    match = _DURATION.fullmatch(text)
    return float(match[1]) * _UNITS[match[2]] if match else None

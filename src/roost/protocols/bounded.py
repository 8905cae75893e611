"""Tables that the network can fill: each has a bound, and what was noted longest ago gives way. Pure."""

from collections.abc import Hashable
from typing import TypeVar

__all__ = ["remember"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def remember(table: dict[K, V], key: K, value: V, most: int) -> None:
    """Note `value` for `key` as the latest entry of `table`, which keeps the `most` latest ones."""
    table.pop(key, None)
    table[key] = value
    if len(table) > most:
        del table[next(iter(table))]

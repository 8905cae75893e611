"""Cutting what has to be said into words that fit into a packet each."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

__all__ = ["by_number", "by_room"]

R = TypeVar("R")

_ROOM: Final = 1300  # bytes of rows in a message


def by_number(rows: Iterable[R], most: int) -> Iterator[tuple[R, ...]]:
    """Yield all rows in order, `most` at a time."""
    left = iter(rows)
    while batch := tuple(islice(left, most)):
        yield batch


def by_room(
    rows: Iterable[R], most: int, size: Callable[[R], int], taken: int = 0
) -> Iterator[tuple[R, ...]]:
    """Yield all rows in order, as many at a time as a message has room for by their `size` (bytes).

    `taken` are bytes of each message that something else needs.
    """
    batch: list[R] = []
    room = _ROOM - taken
    for row in rows:
        needed = size(row)
        if batch and (needed > room or len(batch) == most):
            yield tuple(batch)
            batch, room = [], _ROOM - taken
        batch.append(row)
        room -= needed
    if batch:
        yield tuple(batch)

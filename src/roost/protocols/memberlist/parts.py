"""Long work in parts, between which others have their turn: a generator that yields after each part."""

from collections.abc import Generator
from typing import TypeVar

__all__ = ["run"]

T = TypeVar("T")


def run(work: Generator[None, None, T]) -> T:
    """Do all of it at once."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result

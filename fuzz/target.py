"""What is fuzzed, and when an input is a finding."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

__all__ = ["LIMIT", "MEMORY", "FoundError", "Target", "cost", "judge"]

LIMIT: Final = 0.010  # seconds of processor for one input
MEMORY: Final = 32 << 20  # bytes that one input may make a parser allocate
_TRIES: Final = 4  # of which the quickest counts: other processes slow one down, nothing makes one faster


class FoundError(Exception):
    """An input that a parser does not take as it has to: why, and the `seconds` that it took if too many."""

    def __init__(self, text: str, seconds: float = 0.0) -> None:
        super().__init__(text)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Target:
    """A parser, as `call`, that may raise `errors` and nothing else.

    `parser` is where it lives. `longest` is the size in bytes of the longest input that is tried, `limit` the
    seconds of processor that one may take. `call` raises AssertionError where an answer is wrong.
    """

    name: str
    parser: str
    call: Callable[[bytes], object]
    errors: tuple[type[Exception], ...] = ()
    longest: int = 4096
    limit: float = LIMIT


def judge(target: Target, data: bytes) -> float:
    """Return the seconds of processor that an input takes; an error that may not escape is a FoundError."""
    begin = time.thread_time()
    try:
        target.call(data)
    except target.errors:
        pass
    except Exception as error:
        raise FoundError(f"{target.name}: {type(error).__name__}: {error}"[:400]) from error
    return time.thread_time() - begin


def cost(target: Target, data: bytes) -> float:
    """Return the least of a few measurements. Raises FoundError, also for an input that takes too long."""
    seconds = judge(target, data)
    for _ in range(_TRIES - 1):
        if seconds <= target.limit / 4:  # near the limit it is measured with care
            break
        seconds = min(seconds, judge(target, data))
    if seconds > target.limit:
        raise FoundError(f"{target.name}: {len(data)} bytes take {seconds * 1000:.1f} ms", seconds)
    return seconds

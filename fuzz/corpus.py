"""Corpora: inputs that reach different lines of a parser, one Python bytes literal a line."""

import ast
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

from fuzz.target import FoundError, Target, judge

__all__ = ["FOLDER", "least", "read", "write"]

FOLDER: Final = Path(__file__).parent / "corpus"
_LONGEST: Final = 600  # bytes of an input worth keeping in the tree
_MOST: Final = 100  # inputs of one target
_OURS: Final = "/roost/"

Arc = tuple[CodeType, int, int]


def read(name: str) -> tuple[bytes, ...]:
    """Return the inputs that are kept for the target `name`; none for a new one."""
    file = FOLDER / f"{name}.txt"
    return tuple(map(ast.literal_eval, file.read_text().splitlines())) if file.exists() else ()


def write(name: str, inputs: Iterable[bytes]) -> None:
    """Keep these inputs, sorted by size."""
    ordered = sorted(set(inputs), key=lambda each: (len(each), each))
    (FOLDER / f"{name}.txt").write_text("".join(f"{each!r}\n" for each in ordered))


def least(target: Target, inputs: Sequence[bytes]) -> list[bytes]:
    """Return few and short inputs that go all the ways through our code that `inputs` go.

    What cannot be kept in the tree is left out: long ones, and those beyond a number.
    """
    seen: set[Arc] = set()
    kept: list[bytes] = []
    for data in sorted(set(inputs), key=lambda each: (len(each), each)):
        if len(data) > _LONGEST or len(kept) == _MOST:
            break
        ways = set(_ways(target, data))
        if not ways <= seen:
            seen |= ways
            kept.append(data)
    return kept


def _ways(target: Target, data: bytes) -> Iterator[Arc]:
    """Return the steps from line to line that an input takes in our code."""
    found: set[Arc] = set()
    last: dict[FrameType, int] = {}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if _OURS not in frame.f_code.co_filename:
            return None
        if event in ("call", "line"):
            found.add((frame.f_code, last.get(frame, 0), frame.f_lineno))
            last[frame] = frame.f_lineno
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        judge(target, data)
    except FoundError:
        return iter(())  # findings are kept as findings
    finally:
        sys.settrace(before)
    return iter(found)

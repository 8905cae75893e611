"""`~SEQ(...)` and `~LST(...)`: the rest of a line, once for each value."""

import re
from dataclasses import dataclass
from typing import Final

from roost.keepalived.places import Place, UnreadableError

__all__ = ["MAX_VALUES", "Repetition", "repetition", "split"]

MAX_VALUES: Final = 65_536
_START: Final = re.compile(r"~(SEQx?|LST)\(")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_Rounds = tuple[tuple[tuple[str, str], ...], ...]
_SET: Final = re.compile(r"\{([^{}]*)\}|([^,{}]+)")


@dataclass(frozen=True, slots=True)
class Repetition:
    """What to set, once for each time, and the text to read then."""

    rounds: _Rounds
    text: str


def split(text: str) -> tuple[str, str, str] | None:
    """Return kind, what stands in the parentheses, and the rest of a line; None if it is no repetition."""
    found = _START.match(text)
    end = text.find(")")
    return (found[1], text[found.end() : end], text[end + 1 :].strip()) if found and end >= 0 else None


def repetition(kind: str, inside: str, rest: str, place: Place) -> Repetition | None:
    """Return the values in order, None where they cannot be read; raises UnreadableError for too many."""
    rounds = _listed(inside) if kind == "LST" else _counted(kind, inside, place)
    return None if rounds is None else Repetition(rounds, rest)


def _counted(kind: str, inside: str, place: Place) -> _Rounds | None:
    name, *texts = (part.strip() for part in inside.split(","))
    try:
        numbers = [int(text, 0) for text in texts]
    except ValueError:
        return None
    if not _NAME.fullmatch(name) or not 1 <= len(numbers) <= 3:
        return None
    end = numbers[-1]
    start = numbers[0] if len(numbers) > 1 else (1 if end > 0 else -1)
    step = numbers[1] if len(numbers) == 3 else (1 if end >= start else -1)
    if step == 0 or abs(end - start) // abs(step) >= MAX_VALUES:
        raise UnreadableError(f"~{kind}({inside[:60]}) makes more than {MAX_VALUES} lines", place)
    values = range(start, end + (1 if step > 0 else -1), step)
    return tuple(((name, f"{value:x}" if kind == "SEQx" else str(value)),) for value in values)


def _listed(inside: str) -> _Rounds | None:
    sets = [
        [each.strip() for each in found[1].split(",")] if found[1] is not None else [found[2].strip()]
        for found in _SET.finditer(inside)
        if found[0].strip()
    ]
    names, values = (sets[0], sets[1:]) if sets else ([], [])
    if not values or not all(map(_NAME.fullmatch, names)) or any(len(each) != len(names) for each in values):
        return None
    return tuple(tuple(zip(names, each, strict=True)) for each in values)

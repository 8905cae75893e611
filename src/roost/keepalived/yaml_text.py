"""YAML as people write it: blocks, one line for what is small, and a comment that says where it came from."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from roost.keepalived.places import Place

__all__ = ["Block", "Blocks", "Field", "Plain", "flow", "from_lines", "printed"]

Plain = str | int | float | bool | Sequence["Plain"] | dict[str, "Plain"]

_SAFE: Final = re.compile(
    r"[A-Za-z_/][A-Za-z0-9_./@+-]*|[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9]{1,9}(?:\.[0-9]{1,6})?(?:ms|s|m|h)"
)
_WORDS: Final = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n"])
_COLUMN: Final = 56  # where comments start, unless a line is longer


@dataclass(frozen=True, slots=True)
class Field:
    """A key with its value: a small one for its line, a block, or a list of blocks and small ones."""

    key: str
    value: "Plain | Block | Blocks"
    places: tuple[Place, ...] = ()
    note: str = ""  # that stands before the places


@dataclass(frozen=True, slots=True)
class Block:
    """Fields below each other; with `small`, this one value on one line."""

    fields: tuple[Field, ...] = ()
    small: Plain | None = None
    places: tuple[Place, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Blocks:
    """A list of blocks, each below the other."""

    listed: tuple[Block, ...]


def printed(fields: Iterable[Field], main: str) -> Iterator[str]:
    """Yield the lines of a file with these keys; places in the file `main` are named by line alone."""
    yield from _fields(fields, "", main)


def from_lines(places: Sequence[Place], main: str) -> str:
    """Return how a comment names these places."""
    lines = [str(each.line) for each in places if each.file == main]
    others = [_one_line(str(each)) for each in places if each.file != main]
    named = f"line{'s' if len(lines) > 1 else ''} {', '.join(lines)}" if lines else ""
    return ", ".join([*([named] if named else []), *others])


def flow(value: Plain) -> str:
    """Return a value for one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return f"{value:g}"
        case str():
            return _text(value)
        case dict():
            return "{" + ", ".join(f"{key}: {flow(each)}" for key, each in value.items()) + "}"
        case _:
            return "[" + ", ".join(map(flow, value)) + "]"


def _fields(fields: Iterable[Field], indent: str, main: str) -> Iterator[str]:
    for each in fields:
        match each.value:
            case Block():
                yield _commented(f"{indent}{each.key}:", each.note, each.places, main)
                yield from _fields(each.value.fields, indent + "  ", main)
            case Blocks(()):
                yield _commented(f"{indent}{each.key}: []", each.note, each.places, main)
            case Blocks():
                yield _commented(f"{indent}{each.key}:", each.note, each.places, main)
                for block in each.value.listed:
                    yield from _entry(block, indent + "  ", main)
            case _:
                yield _commented(f"{indent}{each.key}: {flow(each.value)}", each.note, each.places, main)


def _entry(block: Block, indent: str, main: str) -> Iterator[str]:
    if block.small is not None:
        yield _commented(f"{indent}- {flow(block.small)}", block.note, block.places, main)
        return
    for at, line in enumerate(_fields(block.fields, indent + "  ", main)):
        yield f"{indent}- {line[len(indent) + 2 :]}" if at == 0 else line


def _commented(line: str, note: str, places: Sequence[Place], main: str) -> str:
    comment = ": ".join(filter(None, (from_lines(places, main), _one_line(note))))
    return f"{line.ljust(_COLUMN)}  # {comment}" if comment else line


def _text(text: str) -> str:
    if _SAFE.fullmatch(text) and text.lower() not in _WORDS:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else f"\\U{ord(letter):08x}" for letter in quoted)


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)

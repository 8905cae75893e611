"""`$NAME=value` and what takes its place: `$NAME`, `${NAME}`, `${_ENV NAME}`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from roost.keepalived.places import Place, Remarks, UnreadableError

__all__ = ["MAX_LINE", "Definition", "Definitions"]

MAX_LINE: Final = 16_384  # characters; theirs are 1,024
_MAX_DEFINITIONS: Final = 10_000
_DEFINED: Final = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(.*)")
_USED: Final = re.compile(
    r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)((?:[ \t]+[A-Za-z0-9_]+)*)\}|([A-Za-z_][A-Za-z0-9_]*)(?=[ \t,)]|$))"
)


@dataclass(frozen=True, slots=True)
class Definition:
    """What a name stands for: one text, or the lines of a multi-line definition with their places."""

    lines: tuple[tuple[str, Place], ...]
    multiline: bool = False


class Definitions:
    """All names that are defined so far, theirs (`_PWD` and the like) included."""

    def __init__(self, node: str, environment: Mapping[str, str], remarks: Remarks) -> None:
        self._defined: dict[str, Definition] = {}
        self._environment = environment
        self._remarks = remarks
        self._given = {"_HASH": "#", "_BANG": "!", "_INSTANCE": node, "_PWD": "."}

    def folder_is(self, folder: str) -> None:
        """Set `_PWD`."""
        self._given["_PWD"] = folder

    def define(self, name: str, definition: Definition, place: Place) -> None:
        """Take a definition, in place of an earlier one; raises UnreadableError for too many."""
        self._defined[name] = definition
        if len(self._defined) > _MAX_DEFINITIONS:
            raise UnreadableError(f"more than {_MAX_DEFINITIONS} definitions", place)

    @staticmethod
    def read(text: str) -> tuple[str, str] | None:
        """Return name and value of a line that defines one, else None."""
        found = _DEFINED.fullmatch(text)
        return (found[1], found[2]) if found else None

    def substitute(self, text: str, place: Place) -> tuple[str, Place, tuple[tuple[str, Place], ...]] | None:
        """Return `text` with each name replaced once, its place, and lines after it; None without any.

        A name that is not defined stays as it stands. A definition of several lines takes its place at the
        end of a line only. Raises UnreadableError for a line that grows too long.
        """
        after: tuple[tuple[str, Place], ...] = ()
        parts, start = list[str](), 0
        for used in _USED.finditer(text):
            found = self._value(used[1] or used[3], (used[2] or "").split(), place)
            if found is None or (found.multiline and used.end() != len(text)):
                continue
            parts += [text[start : used.start()], found.lines[0][0] if found.lines else ""]
            if found.multiline and found.lines:
                place, after = found.lines[0][1], found.lines[1:]
            start = used.end()
        if not parts:
            return None
        result = "".join([*parts, text[start:]])
        if len(result) > MAX_LINE:
            raise UnreadableError(f"grows beyond {MAX_LINE} characters by its definitions", place)
        return result, place, after

    def _value(self, name: str, parameters: list[str], place: Place) -> Definition | None:
        if name in self._defined and not parameters:
            return self._defined[name]
        text: str | None = None
        if name == "_ENV" and len(parameters) == 1:
            text = self._environment.get(parameters[0], "")
            if parameters[0] not in self._environment:
                self._remarks.lost(
                    place, f"${{_ENV {parameters[0]}}}", "is not set here; set it and import again"
                )
        elif name == "_RANDOM":
            text = parameters[0] if parameters else "0"
            self._remarks.changed(
                place, "${_RANDOM}", f"is a number of its own at each start; {text} was taken"
            )
        elif not parameters:
            text = self._given.get(name)
        return None if text is None else Definition(((text, place),))

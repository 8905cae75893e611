"""From their files to the lines that count: conditions, definitions, repetitions and includes are done.

Nothing here recurses: what one line stands for is a source of lines on a stack of bounded depth, and all
lines that are ever read are counted.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from roost.keepalived.definitions import MAX_LINE, Definition, Definitions
from roost.keepalived.files import Files
from roost.keepalived.places import Place, Remarks, UnreadableError
from roost.keepalived.sequences import repetition, split
from roost.keepalived.words import uncommented

__all__ = ["MAX_LINES", "Line", "Lines"]

MAX_LINES: Final = 100_000  # read in all, each expansion counted
MAX_DEPTH: Final = 32  # of includes, definitions and repetitions within each other
_MAX_ROUNDS: Final = 64  # of substitution in one line
_INCLUDE: Final = re.compile(r"include[rmwba]?[ \t]+(.+)")
_CONDITION: Final = re.compile(r"@(\^?)(\S*)[ \t]+(.*)")


@dataclass(frozen=True, slots=True)
class Line:
    """A line that counts, without comment and outer blanks."""

    text: str
    place: Place


@dataclass(slots=True)
class _Source:
    """Where lines come from; `folder` is where an include among them starts, `file` the file if it is one."""

    lines: Iterator[tuple[str, Place]]
    folder: Path
    file: Path | None = None


@dataclass(slots=True)
class _Open:
    """A definition whose next line may come."""

    name: str
    place: Place
    lines: list[tuple[str, Place]]


class Lines:
    """The lines of a file and of all that it includes, for the node `node`.

    `conditions` are the names that conditions compared with so far.
    """

    def __init__(self, files: Files, node: str, environment: Mapping[str, str], remarks: Remarks) -> None:
        self.conditions: dict[str, Place] = {}
        self._files = files
        self._node = node
        self._remarks = remarks
        self._definitions = Definitions(node, environment, remarks)
        self._sources: list[_Source] = []
        self._open: _Open | None = None
        self._count = 0
        self._root = Path()

    def of(self, path: Path) -> Iterator[Line]:
        """Yield the lines of the file at `path`; raises UnreadableError."""
        self._root = path.parent
        self._enter([path], None)
        while self._sources:
            source = self._sources[-1]
            if (read := next(source.lines, None)) is None:
                self._sources.pop()
                continue
            text, place = read
            self._count += 1
            if self._count > MAX_LINES:
                raise UnreadableError(f"more than {MAX_LINES} lines with all that they stand for", place)
            self._definitions.folder_is(str(source.folder.absolute()))
            line = self._meant(text, place)
            if line.text and not self._included(line.text, line.place):
                yield line
        self._end_definition()

    def _meant(self, text: str, place: Place) -> Line:
        """Return what is left of a line once all that stands for something else is taken; maybe no text."""
        nothing = Line("", place)
        if self._open:
            self._continue_definition(text, place)
            return nothing
        if not text:
            return nothing
        for _ in range(_MAX_ROUNDS):
            if text.startswith("@"):
                text = self._for_this_node(text, place)
            elif defined := self._definitions.read(text):
                self._start_definition(*defined, place)
                return nothing
            elif text.startswith("~"):
                self._repeat(text, place)
                return nothing
            elif (found := self._definitions.substitute(text, place)) is not None:
                text, place, after = uncommented(found[0]), found[1], found[2]
                if after:
                    self._push(_Source(iter(after), self._sources[-1].folder), place)
            else:
                return Line(text, place)
            if not text:
                return nothing
        raise UnreadableError("a definition stands for itself", place)

    def _for_this_node(self, text: str, place: Place) -> str:
        found = _CONDITION.fullmatch(text)
        if not found:
            return ""
        negative, node, rest = found.groups()
        self.conditions.setdefault(node, place)
        return rest if (node == self._node) != bool(negative) else ""

    def _start_definition(self, name: str, value: str, place: Place) -> None:
        if not value.endswith("\\"):
            self._definitions.define(name, Definition(((value, place),)), place)
            return
        self._open = _Open(name, place, [])
        self._continue_definition(value, place)

    def _continue_definition(self, text: str, place: Place) -> None:
        assert self._open is not None  # noqa: S101 - asked by its callers
        if line := text.rstrip("\\").rstrip():
            self._open.lines.append((line, place))
        if not text.endswith("\\"):
            self._end_definition()

    def _end_definition(self) -> None:
        if self._open:
            definition = Definition(tuple(self._open.lines), multiline=True)
            self._definitions.define(self._open.name, definition, self._open.place)
            self._open = None

    def _repeat(self, text: str, place: Place) -> None:
        kind, inside, rest = split(text) or ("", "", "")
        for _ in range(_MAX_ROUNDS):
            if (found := self._definitions.substitute(inside, place)) is None:
                break
            inside = found[0]
        made = repetition(kind, inside, rest, place) if kind else None
        if made is None:
            self._remarks.lost(
                place, text, "is no ~SEQ(name, start, step, end) and no ~LST(name, value, ...)"
            )
            return
        define = self._definitions.define

        def rounds() -> Iterator[tuple[str, Place]]:
            for values in made.rounds:
                for name, value in values:
                    define(name, Definition(((value, place),)), place)
                yield made.text, place

        self._push(_Source(rounds(), self._sources[-1].folder), place)

    def _included(self, text: str, place: Place) -> bool:
        found = _INCLUDE.fullmatch(text)
        if not found:
            return False
        paths = self._files.matching(found[1].strip().strip('"'), self._sources[-1].folder, place)
        if not paths:
            self._remarks.lost(place, text, "names no file here; import where the files are")
        self._enter(paths, place)
        return True

    def _enter(self, paths: Sequence[Path], place: Place | None) -> None:
        """Read the lines of these files next, one file after the other."""
        source = _Source(iter(()), self._root)
        source.lines = self._of_files(paths, source, place)
        self._push(source, place)

    def _of_files(
        self, paths: Sequence[Path], source: _Source, place: Place | None
    ) -> Iterator[tuple[str, Place]]:
        for path in paths:
            whole = path.resolve()
            if any(each.file == whole for each in self._sources if each is not source):
                raise UnreadableError(f"{path} includes itself", place)
            source.file, source.folder = whole, path.parent
            inside = path.is_relative_to(self._root) and place is not None
            shown = str(path.relative_to(self._root)) if inside else str(path)
            yield from _numbered(self._files.read(path, place), shown)

    def _push(self, source: _Source, place: Place | None) -> None:
        if len(self._sources) >= MAX_DEPTH:
            raise UnreadableError(f"more than {MAX_DEPTH} includes and definitions within each other", place)
        self._sources.append(source)


def _numbered(text: str, file: str) -> Iterator[tuple[str, Place]]:
    """Yield each line that holds more than a comment, and empty ones, which end a definition.

    Raises UnreadableError for one that is too long.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > MAX_LINE:
            raise UnreadableError(f"is longer than {MAX_LINE} characters", Place(file, number))
        kept = uncommented(line.rstrip("\r"))
        if kept or line in ("", "\r"):
            yield kept, Place(file, number)

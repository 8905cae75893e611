"""How commands show text: whole and plain in a pipe, fitted and coloured on a terminal.

Texts from elsewhere (names, reasons, evidence) are only texts: no markup is read, no control character is
passed on. In a pipe a line is a line, however long. On a terminal tables are fitted to its width, and colour
repeats what words and signs say already: nothing is lost with NO_COLOR.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from roost.observe.text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["COLOURS", "Cell", "Screen", "age", "clean", "sign", "verdict"]

Cell = str | tuple[str, str]  # text, or text and style

COLOURS: Final = {
    "alive": "green",
    "suspect": "yellow",
    "draining": "yellow",
    "damped": "yellow",
    "not ready": "yellow",
    "outdated": "yellow",
    "leaving": "yellow",
    "warning": "yellow",
    "critical": "bold red",
}
_LOST: Final = "red"
_SIGNS: Final = {"green": "●", "yellow": "◐", "red": "✗", "bold red": "✗"}
_GAP: Final = "  "


def clean(text: object) -> str:
    """Return `text` without control characters and line ends, each as `?`."""
    return printable(str(text))


def sign(word: str) -> str:
    """Return the sign of a verdict or severity: the colour's twin."""
    return _SIGNS[COLOURS.get(word, _LOST)]


def verdict(word: str) -> Cell:
    """Return a verdict with its sign and colour."""
    return f"{sign(word)} {word}", COLOURS.get(word, _LOST)


def age(moment: str, now: datetime | None = None) -> str:
    """Return how long ago an RFC 3339 time was: `12 s`, `3 min`, `5 h`, `2 d`; another text as it is."""
    try:
        then = datetime.fromisoformat(moment)
        seconds = max(0.0, ((now or datetime.now(UTC)) - then).total_seconds())
    except (ValueError, TypeError):
        return clean(moment)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size or (unit == "min" and seconds >= size):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


class Screen:
    """Where a command writes: stdout."""

    def __init__(self, console: "Console | None" = None) -> None:
        from rich.console import Console  # noqa: PLC0415 - rich only for people

        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace")  # a sign that the terminal does not know costs no more
        self._console = console or Console(highlight=False, markup=False, emoji=False)

    @property
    def is_terminal(self) -> bool:
        """Whether people look at it, rather than a program."""
        return self._console.is_terminal

    def moment(self, moment: str) -> str:
        """Return a time as it is shown: its age to people, the time itself to programs."""
        return age(moment) if self.is_terminal else clean(moment)

    def line(self, *parts: Cell, indent: int = 0) -> None:
        """Write one line of parts; on a terminal it goes on below itself, `indent` to the right."""
        text = _text(parts)
        if not self.is_terminal:
            self._write(text.plain)
            return
        wrapped = text.wrap(self._console, max(20, self._console.width - indent))
        for at, each in enumerate(wrapped):
            self._console.print(" " * indent * bool(at), each, sep="", end="\n", soft_wrap=True)

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """Write rows under headers, aligned."""
        if self.is_terminal:
            from roost.cli.table import Fitted  # noqa: PLC0415 - rich only for people

            self._console.print(Fitted(headers, [[_text([cell]) for cell in row] for row in rows]))
            return
        from rich.cells import cell_len  # noqa: PLC0415

        lines = [[_text([cell]).plain for cell in row] for row in (headers, *rows)]
        widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True))
            self._write(_GAP.join(padded).rstrip())

    def _write(self, line: str) -> None:
        self._console.file.write(line + "\n")


def _text(parts: Sequence[Cell]) -> "Text":
    from rich.text import Text  # noqa: PLC0415

    text = Text()
    for part in parts:
        words, style = (part, "") if isinstance(part, str) else part
        text.append(clean(words), style=style or None)
    return text

"""A table that loses nothing on a terminal of any width.

Words stay whole: an address can be marked and copied. Where the columns have no room for their longest
words side by side, each row is a block: its first cell on a line, the others below it, each after its header.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

__all__ = ["Fitted"]

_GAP: Final = 2  # characters between columns
_SHORT: Final = 24  # characters: what is not longer stays on one line while the others can give way
_LONGEST: Final = 40  # of a word, an IPv6 address and a port among them; what is longer is broken
_READABLE: Final = 16  # characters that a column of sentences takes at least


class Fitted:
    """Rows under headers; columns in which nothing stands are left out."""

    def __init__(self, headers: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
        columns = [at for at in range(len(headers)) if not rows or any(row[at].plain for row in rows)]
        self._headers = [headers[at] for at in columns]
        self._rows = [[row[at] for at in columns] for row in rows]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield what fits into the width that there is."""
        widths = self._widths(options.max_width)
        if widths is None:
            yield from self._blocks()
        else:
            yield self._table(widths)

    def _widths(self, room: int) -> list[int] | None:
        """Return the columns' widths, None where their words have no room side by side."""
        columns = [
            [header, *(row[at].plain for row in self._rows)] for at, header in enumerate(self._headers)
        ]
        whole = [max(map(cell_len, column)) for column in columns]
        least = [_least(column, width) for column, width in zip(columns, whole, strict=True)]
        left = room - sum(least) - _GAP * (len(least) - 1)
        if left < 0:
            return None
        lacking = [most - width for most, width in zip(whole, least, strict=True)]
        if sum(lacking) <= left:
            return whole
        return [width + left * more // sum(lacking) for width, more in zip(least, lacking, strict=True)]

    def _table(self, widths: Sequence[int]) -> Table:
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, _GAP, 0, 0))
        for header, width in zip(self._headers, widths, strict=True):
            table.add_column(header, width=width, overflow="fold")
        for row in self._rows:
            table.add_row(*row)
        return table

    def _blocks(self) -> Iterator[RenderableType]:
        if not self._rows:
            yield Text(" ".join(self._headers), style="bold")
        for first, *others in self._rows:
            first.overflow = "fold"
            yield first
            below = Text(overflow="fold")
            for header, cell in zip(self._headers[1:], others, strict=True):
                if cell.plain:
                    below.append("  " if below.plain else "").append(f"{header} ", style="bold")
                    below.append_text(cell)
            yield Padding(below, (0, 0, 0, _GAP))


def _least(column: Sequence[str], whole: int) -> int:
    if whole <= _SHORT:
        return whole
    longest = max(cell_len(word) for text in column for word in text.split() or [""])
    return min(whole, max(_READABLE, min(longest, _LONGEST)))

"""Lines as entries and blocks of entries."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from roost.keepalived.lines import Line
from roost.keepalived.places import Place, Remarks, UnreadableError
from roost.keepalived.words import pieces, words

__all__ = ["MAX_BLOCKS", "TOP", "Entry", "tree"]

MAX_BLOCKS: Final = 12  # within each other; theirs are 5
TOP: Final = frozenset(
    [
        "global_defs",
        "vrrp_instance",
        "vrrp_sync_group",
        "vrrp_script",
        "vrrp_track_process",
        "virtual_server",
        "virtual_server_group",
        "static_ipaddress",
        "static_routes",
        "static_rules",
        "bfd_instance",
        "garp_group",
    ]
)  # blocks that are never inside another one


@dataclass(slots=False, eq=False)
class Entry:
    """One line, or what stands before a brace, and the block in it, if one follows."""

    text: str
    place: Place
    block: list["Entry"] | None = None

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words of the line; at least one."""
        return words(self.text) or ("",)

    @property
    def keyword(self) -> str:
        """The first word in lower case."""
        return self.words[0].lower()

    @property
    def value(self) -> str:
        """The second word, "" where there is none."""
        return self.words[1] if len(self.words) > 1 else ""

    @property
    def rest(self) -> str:
        """The text after the first word, quotes and all."""
        return self.text[len(self.text.split(maxsplit=1)[0]) :].strip() if self.text.split() else ""

    @property
    def entries(self) -> list["Entry"]:
        """What stands in the block; none where there is no block."""
        return [] if self.block is None else self.block


def tree(lines: Iterable[Line], remarks: Remarks) -> list[Entry]:
    """Return what stands outside of all blocks; braces that do not match are remarks.

    Raises UnreadableError for blocks that are nested too deep.
    """
    top: list[Entry] = []
    open_blocks: list[Entry] = []
    last: Entry | None = None  # that a brace would belong to
    for text, place in _parts(lines):
        if text == "{":
            if last is None or last.block is not None:
                remarks.needless(place, "{", "belongs to no keyword, and keepalived passes over it, too")
                continue
            if len(open_blocks) >= MAX_BLOCKS:
                raise UnreadableError(f"more than {MAX_BLOCKS} blocks within each other", place)
            last.block = []
            open_blocks.append(last)
            last = None
        elif text == "}":
            if open_blocks:
                open_blocks.pop()
            else:
                remarks.needless(place, "}", "closes nothing, and keepalived passes over it, too")
            last = None
        else:
            last = Entry(text, place)
            if open_blocks and last.keyword in TOP:
                unclosed = open_blocks[-1]
                why = f"is missing before this line, for {unclosed.text} of line {unclosed.place.line}"
                remarks.lost(place, "}", why)
                open_blocks.clear()
            (open_blocks[-1].entries if open_blocks else top).append(last)
    if open_blocks:
        remarks.changed(
            open_blocks[-1].place, open_blocks[-1].text, "has no closing brace; the end of the file closes it"
        )
    return top


def _parts(lines: Iterable[Line]) -> Iterator[tuple[str, Place]]:
    for line in lines:
        for part in pieces(line.text):
            yield part, line.place

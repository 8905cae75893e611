"""Where something stands in their files, and what there is to say of it."""

import re
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["MAX_REMARKS", "Place", "Remark", "Remarks", "UnreadableError"]

MAX_REMARKS: Final = 10_000
_SECRET: Final = re.compile(r"(?is)\b(auth_pass|password|key|active_key)\s+\S.*")
_MAX_QUOTE: Final = 80  # characters of their text in a remark


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line of a file; lines count from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class UnreadableError(Exception):
    """A file that cannot be read, or goes beyond a bound; the only error of this package."""

    def __init__(self, cause: str, place: Place | None = None) -> None:
        super().__init__(f"{place}: {cause}" if place else cause)


@dataclass(frozen=True, slots=True)
class Remark:
    """What became of a part that is not in the result as it stood.

    `lost`: Roost has no counterpart. `changed`: it is expressed, and acts differently. `needless`: nothing is
    missing without it.
    """

    place: Place
    kind: Literal["lost", "changed", "needless"]
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}: {self.why}"


class Remarks:
    """All remarks of one conversion, each once."""

    def __init__(self) -> None:
        self._all: dict[Remark, None] = {}

    def lost(self, place: Place, what: str, why: str) -> None:
        """Note that `what` has no counterpart; `why` is one clause, best with what to do instead."""
        self._add(Remark(place, "lost", _quoted(what), _printable(why)))

    def changed(self, place: Place, what: str, why: str) -> None:
        """Note that `what` is expressed and acts differently."""
        self._add(Remark(place, "changed", _quoted(what), _printable(why)))

    def needless(self, place: Place, what: str, why: str) -> None:
        """Note that `what` is left out and nothing is missing."""
        self._add(Remark(place, "needless", _quoted(what), _printable(why)))

    def in_order(self) -> tuple[Remark, ...]:
        """Return them all, in the order of files and lines."""
        return tuple(sorted(self._all, key=lambda each: each.place))

    def _add(self, remark: Remark) -> None:
        if len(self._all) >= MAX_REMARKS:
            raise UnreadableError(f"more than {MAX_REMARKS} remarks: is it the right file?", remark.place)
        self._all[remark] = None


def _quoted(text: str) -> str:
    """Return their text for a line of ours: short, without control characters, without a password."""
    text = _SECRET.sub(r"\1 ...", text)
    shown = _printable(" ".join(text.split()))
    return shown if len(shown) <= _MAX_QUOTE else shown[: _MAX_QUOTE - 3] + "..."


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)

"""Tables in one array map of the kernel, by their content: many addresses have the same one."""

import struct
from collections.abc import Collection
from typing import Final

from roost.runtime.bpf import Map

__all__ = ["KernelTables"]

_FEW: Final = 16  # tables to begin with
_INDEX: Final = struct.Struct("=I")
_WORD: Final = struct.Struct("=Q")
_WORD_LE: Final = struct.Struct("<Q")


class KernelTables:
    """Tables of so many `words` of 8 bytes each, the first bits lowest; there is `room` for so many."""

    def __init__(self, words: int, room: int = _FEW) -> None:
        self.room = room
        self._words = words
        self._known: dict[bytes, int] = {}

    def number(self, table: bytes) -> int:
        """Return what the programs know it by. Raises KeyError when it was not put."""
        return self._known[table]

    def fit(self, tables: Collection[bytes]) -> bool:
        """Tell whether there is room for these beside those that are known."""
        return len(self._known.keys() | set(tables)) <= self.room

    def grown(self, tables: Collection[bytes]) -> "KernelTables":
        """Return an empty one with room for twice as many as these, or for as many as this one."""
        room = self.room
        while room < 2 * len(tables):
            room *= 2
        return KernelTables(self._words, room)

    def put(self, where: Map, tables: Collection[bytes]) -> None:
        """Write those that are new, before anything refers to them."""
        words: dict[bytes, bytes] = {}
        taken = set(self._known.values())
        free = (each for each in range(self.room) if each not in taken)
        for table in sorted(set(tables) - self._known.keys()):
            number = self._known[table] = next(free)
            for at, (word,) in enumerate(_WORD_LE.iter_unpack(table)):
                words[_INDEX.pack(number * self._words + at)] = _WORD.pack(word)
        where.set_all(words)

    def keep(self, used: Collection[bytes]) -> None:
        """Forget all others."""
        self._known = {table: number for table, number in self._known.items() if table in used}

"""Keys of a terminal, one at a time, without waiting for Enter."""

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["decode", "pressed", "raw_keys"]

_SEQUENCES: Final = {
    b"\x1b[A": "up",
    b"\x1b[B": "down",
    b"\x1bOA": "up",
    b"\x1bOB": "down",
    b"\x1b[5~": "page up",
    b"\x1b[6~": "page down",
    b"\x1b[H": "home",
    b"\x1b[F": "end",
    b"\x1b": "esc",
    b"\t": "tab",
    b"\r": "enter",
    b"\n": "enter",
    b"\x7f": "backspace",
    b"\x08": "backspace",
    b"\x03": "q",
}
_LONGEST: Final = max(map(len, _SEQUENCES))


@contextmanager
def raw_keys() -> Iterator[None]:
    """Hand over keys as they are pressed, unechoed; the terminal is put back at the end, however it comes."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def pressed(within: float) -> list[str]:
    """Return the keys pressed so far, waiting up to `within` seconds for one; "" for a closed terminal."""
    terminal = sys.stdin.fileno()
    if not select.select([terminal], [], [], within)[0]:
        return []
    data = os.read(terminal, 1024)
    return decode(data) if data else [""]


def decode(data: bytes) -> list[str]:
    """Return the names of keys: a letter as itself, others by name; unknown sequences are left out."""
    keys: list[str] = []
    while data:
        size = next((size for size in range(_LONGEST, 0, -1) if data[:size] in _SEQUENCES), 0)
        if data[:1] == b"\x1b" and size == 1 and data[1:2] in (b"[", b"O"):  # a key that is not known here
            end = next((at for at in range(2, len(data)) if 0x40 <= data[at] <= 0x7E), len(data) - 1)
            data = data[end + 1 :]
        elif size:
            keys.append(_SEQUENCES[data[:size]])
            data = data[size:]
        else:
            size = _letter_size(data[0])
            letter = data[:size].decode(errors="ignore")
            if letter.isprintable():
                keys.extend(letter)
            data = data[size:]
    return keys


def _letter_size(first: int) -> int:
    """Return how many bytes a letter has in UTF-8, by its first one."""
    return 4 if first >= 0xF0 else 3 if first >= 0xE0 else 2 if first >= 0xC0 else 1

"""Changes of single files, told by the kernel (inotify(7)).

Folders are watched, not files: programs put a new file in the old one's place, and files come and go.
"""

import asyncio
import ctypes
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

__all__ = ["Inotify"]

_CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _DELETE = 0x8, 0x40, 0x80, 0x200
_DELETE_SELF, _MOVE_SELF, _OVERFLOW, _IGNORED = 0x400, 0x800, 0x4000, 0x8000
_ONLY_FOLDERS: Final = 0x1000000  # IN_ONLYDIR
_WANTED: Final = _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _DELETE | _DELETE_SELF | _MOVE_SELF | _ONLY_FOLDERS
_EVENT: Final = struct.Struct("=iIII")  # struct inotify_event: watch, mask, cookie, length of the name
_READ: Final = 1 << 16  # bytes


class Inotify:
    """Calls whoever `follow`s a path when a file there was written, came or went."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int | None = None
        self._followers: dict[str, list[Callable[[], None]]] = {}  # by path
        self._folders: dict[int, str] = {}  # by watch

    def follow(self, path: str, call: Callable[[], None]) -> None:
        """Call `call` at each change of the file at `path`, an absolute path."""
        self._followers.setdefault(path, []).append(call)
        self.look(path)

    def look(self, path: str) -> None:
        """Watch the folder of `path` if that is possible by now: it may have come later, or be another one.

        Where it cannot be watched nothing is told; that raises nothing.
        """
        if self._descriptor is None:
            self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
            if self._descriptor < 0:  # too many on this host
                self._descriptor = None
                return
            asyncio.get_running_loop().add_reader(self._descriptor, self._read)
        folder = str(Path(path).parent)
        watch = self._libc.inotify_add_watch(self._descriptor, os.fsencode(folder), _WANTED)
        if watch >= 0:
            self._folders[watch] = folder

    def leave(self, path: str, call: Callable[[], None]) -> None:
        """Call `call` no more; a folder that nobody asks about stays watched until `close`."""
        calls = self._followers.get(path, [])
        if call in calls:
            calls.remove(call)
        if not calls:
            self._followers.pop(path, None)

    def close(self) -> None:
        """Follow nothing any more."""
        if self._descriptor is not None:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
        self._descriptor = None
        self._followers.clear()
        self._folders.clear()

    def _read(self) -> None:
        if self._descriptor is None:
            return
        try:
            data = os.read(self._descriptor, _READ)
        except BlockingIOError:
            return
        changed: dict[str, None] = {}
        at = 0
        while at + _EVENT.size <= len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, at)
            name = data[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0")
            at += _EVENT.size + length
            changed |= dict.fromkeys(self._concerned(watch, mask, os.fsdecode(name)))
        for path in changed:
            for call in tuple(self._followers.get(path, ())):
                call()

    def _concerned(self, watch: int, mask: int, name: str) -> list[str]:
        """Return the paths that an event may be about."""
        if mask & _OVERFLOW:
            return list(self._followers)  # some events were lost
        folder = self._folders.get(watch, "")
        if mask & _IGNORED:
            self._folders.pop(watch, None)
        if mask & (_IGNORED | _DELETE_SELF | _MOVE_SELF):
            return [path for path in self._followers if str(Path(path).parent) == folder]
        return [str(Path(folder) / name)]

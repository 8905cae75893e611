"""What has happened, kept in a folder over restarts: as lines of JSON, in two files that take turns.

    events -> queue -> a thread of its own -> NAME.events.jsonl, before that NAME.events.old.jsonl

The event loop never waits for the disk, and what the disk refuses costs this memory alone.
"""

import asyncio
import json
import logging
import os
import stat
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final

from roost.model.event import Event, Happening, Level
from roost.observe.moment import rfc3339

__all__ = ["EventStore", "event_view"]

_log = logging.getLogger("roost.speaker")

_BYTES: Final = 2 << 20  # of one file
_LINES: Final = 5000  # of one file
_PART: Final = 8  # a file takes the 8th part of a file system at most: one that is full costs a pod its life
_LONGEST: Final = 8192  # bytes of a line; a longer one goes without its facts
_WAITING: Final = 10_000  # events that are not written yet
_AFTER: Final = 0.5  # seconds after an event: what is urgent comes first
_TEXTS: Final = ("time", "what", "level", "text")


def event_view(when: datetime, event: Event) -> dict[str, Any]:
    """Return an event as programs get it; `when` is in UTC."""
    return {
        "time": rfc3339(when),
        "what": event.what.value,
        "level": event.level.value,
        "text": event.text,
        "facts": dict(event.facts),
    }


class EventStore:
    """Keeps the events of the speaker `name` in `folder`: 4 MiB, 10,000 events at most.

    What only developers read, and claims, of which any number may come, are left out. `close` ends its
    thread.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        clock: Callable[[], datetime],
        *,
        most_bytes: int = _BYTES,
        most_lines: int = _LINES,
    ) -> None:
        self._path = folder / f"{name}.events.jsonl"
        self._old = folder / f"{name}.events.old.jsonl"
        self._clock = clock
        self._most_bytes, self._most_lines = most_bytes, most_lines
        self._waiting: deque[tuple[datetime, Event]] = deque(maxlen=_WAITING)
        self._timer: asyncio.TimerHandle | None = None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="events")
        self._lines: int | None = None  # in the file; None: not counted yet
        self._trouble = ""
        self._closed = False

    def follow(self, event: Event) -> None:
        """Take an event, on the event loop."""
        if self._closed or event.level is Level.DEBUG or event.what is Happening.CLAIMED:
            return
        self._waiting.append((self._clock(), event))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_AFTER, self._hand_over)

    async def read(self, most: int, about: str = "") -> Mapping[str, Any]:
        """Return the last `most` events, oldest first; `about` is a service, an address or a node in them.

        `unreadable` counts lines among them that make no sense, `trouble` says why nothing is kept.
        """
        if self._closed:
            return {"events": [], "unreadable": 0, "trouble": "the speaker ends"}
        self._hand_over()
        work = self._worker.submit(self._read, most, about)
        return await asyncio.wrap_future(work)

    def close(self) -> None:
        """Write what is not written yet, and end."""
        self._hand_over()
        self._closed = True
        self._worker.shutdown()

    def _hand_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        events = tuple(self._waiting)
        self._waiting.clear()
        if events:
            self._worker.submit(self._write, events)

    # -- in the thread ---------------------------------------------------------------------------

    def _write(self, events: tuple[tuple[datetime, Event], ...]) -> None:
        lines = deque(_line(*each) for each in events)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._most_bytes = min(self._most_bytes, _whole(self._path.parent) // _PART)
            while lines:
                room = self._room()
                part: list[bytes] = []
                size = 0
                while lines and len(part) < room[0] and size + len(lines[0]) <= room[1]:
                    size += len(lines[0])
                    part.append(lines.popleft())
                if part:
                    self._append(b"".join(part), len(part))
                elif self._lines:
                    self._path.replace(self._old)
                    self._lines = 0
                else:  # longer than a whole file
                    lines.popleft()
        except OSError as error:
            self._lines = None
            if not self._trouble:
                _log.warning("events are not kept in %s: %s", self._path, error.strerror or error)
            self._trouble = str(error.strerror or error)
        else:
            self._trouble = ""

    def _room(self) -> tuple[int, int]:
        """Return how many lines and bytes the file still takes."""
        with suppress(FileNotFoundError):
            size = self._path.lstat().st_size
            if self._lines is None:
                self._lines = _content(self._path, self._most_bytes).count(b"\n") + 1
            return self._most_lines - self._lines, self._most_bytes - size
        self._lines = 0
        return self._most_lines, self._most_bytes

    def _append(self, data: bytes, count: int) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(self._path, flags, 0o600), "r+b", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(f"{self._path} is no file")
            if (size := os.fstat(file.fileno()).st_size) and os.pread(file.fileno(), 1, size - 1) != b"\n":
                data = b"\n" + data  # a line that a crash has cut short costs no other
            file.write(data)
        self._lines = (self._lines or 0) + count

    def _read(self, most: int, about: str) -> Mapping[str, Any]:
        found: list[dict[str, Any]] = []
        unreadable = 0
        paths = (self._path, self._old)
        for event in chain.from_iterable(_backwards(path, self._most_bytes, about) for path in paths):
            if event is None:
                unreadable += 1
            elif not about or _is_about(event, about):
                found.append(event)
            if len(found) == most:
                break
        return {"events": found[::-1], "unreadable": unreadable, "trouble": self._trouble}


def _line(when: datetime, event: Event) -> bytes:
    view = event_view(when, event)
    line = json.dumps(view, default=str).encode() + b"\n"
    if len(line) <= _LONGEST:
        return line
    short = view | {"text": event.text[: _LONGEST // 16], "facts": {}}  # each character has 12 bytes at most
    return json.dumps(short).encode() + b"\n"


def _whole(folder: Path) -> int:
    """Return how many bytes the file system of a folder has in all."""
    told = os.statvfs(folder)
    return told.f_blocks * told.f_frsize


def _content(path: Path, most: int) -> bytes:
    """Return the end of a file, `most` bytes and a line; nothing of what is no file."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags), "rb") as file:
        told = os.fstat(file.fileno())
        if not stat.S_ISREG(told.st_mode):
            return b""
        file.seek(max(0, told.st_size - most - _LONGEST))
        return file.read(most + _LONGEST)


def _backwards(path: Path, most: int, about: str) -> Iterator[dict[str, Any] | None]:
    """Yield what a file has, the latest first, at least all that is `about`; None for a senseless line."""
    written = json.dumps(about)[1:-1].encode()
    try:
        content = _content(path, most)
    except OSError:
        return
    for line in reversed(content.split(b"\n")):
        if line and written in line:
            yield _parsed(line)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
        texts = {name: event[name] for name in _TEXTS}
        facts = dict(event["facts"])
        datetime.fromisoformat(texts["time"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return texts | {"facts": facts} if all(isinstance(each, str) for each in texts.values()) else None


def _is_about(event: Mapping[str, Any], about: str) -> bool:
    """Tell whether one of an event's facts is `about`, or has it among its words."""
    return any(about in str(fact).replace(",", " ").split() for fact in event["facts"].values())

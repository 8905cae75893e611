"""What the kernel tells of by itself: the end of a process, links, files.

A watcher reports at each change, and again every `interval` seconds: failures in a row have to be counted. It
has `start`, `close`, and a function that it reports to.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Protocol

from roost.model.check import Interface, NumberFile, Process, Result
from roost.model.link import Link
from roost.runtime.checks import processes
from roost.runtime.inotify import Inotify

__all__ = ["FileWatcher", "InterfaceWatcher", "ProcessWatcher", "Watcher"]

_SEARCH: Final = 0.2  # seconds between two looks for a process that does not run,
_COST: Final = 20  # or so many times as long as a look takes, if that is more
_NUMBER: Final = 64  # bytes of a file that holds a number
_MOST: Final = 1000
_TWICE: Final = 0.02  # seconds until a file that is empty is read again: somebody is writing it

Report = Callable[[Result], None]


class Watcher(Protocol):
    """Reports results until it is closed."""

    def start(self) -> None: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class _Repeating:
    """Reports what `look` returns: now, every `interval` seconds, and whenever it is asked to."""

    def __init__(self, interval: float, report: Report) -> None:
        self._interval = interval
        self._report = report
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def start(self) -> None:
        """Report the first time."""
        self.again()

    def close(self) -> None:
        """Report no more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def again(self) -> None:
        """Look now."""
        if self._closed:
            return
        result = self.look()
        self._wait(self._interval)
        self._report(result)

    def look(self) -> Result:
        """Return how it is."""
        raise NotImplementedError

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.again)


class ProcessWatcher(_Repeating):
    """Holds a descriptor of the process: the kernel tells its end at once (pidfd_open(2))."""

    def __init__(self, subject: Process, interval: float, report: Report, inotify: Inotify) -> None:
        super().__init__(interval, report)
        self._subject = subject
        self._by_name = processes.ByName(subject.name)
        self._inotify = inotify
        self._running: processes.Running | None = None
        self._pidfd: int | None = None
        self._why = ""
        self._search: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Report the first time."""
        if self._subject.pid_file:
            self._inotify.follow(self._subject.pid_file, self._file_changed)
        super().start()

    def close(self) -> None:
        """Report no more."""
        super().close()
        self._let_go()
        if self._search is not None:
            self._search.cancel()
        if self._subject.pid_file:
            self._inotify.leave(self._subject.pid_file, self._file_changed)

    def look(self) -> Result:
        """Find the process, unless it is held, or looked for already."""
        if self._pidfd is None and self._search is None:
            self._find(self._by_name.find)
        if self._subject.pid_file and self._pidfd is None:
            self._inotify.look(self._subject.pid_file)
        running = self._running
        if running is None:
            return Result(ok=False, why=self._why)
        return Result(ok=True, why=f"{running.name} runs, process {running.pid}")

    def _file_changed(self) -> None:
        """Follow another process, if the file names one now."""
        self._look_anew(self._by_name.find)

    def _ended(self) -> None:
        """Take that the kernel says the process has ended: another one of the name may run."""
        self._look_anew(self._by_name.find_another)

    def _look_anew(self, by_name: Callable[[], processes.Running | str]) -> None:
        self._let_go()
        if self._search is not None:
            self._search.cancel()
        self._find(by_name)
        self.again()

    def _find(self, by_name: Callable[[], processes.Running | str]) -> None:
        self._search = None
        subject, loop = self._subject, asyncio.get_running_loop()
        began = loop.time()
        found = processes.by_pid_file(subject.pid_file) if subject.pid_file else by_name()
        if not isinstance(found, str):
            try:
                self._pidfd = os.pidfd_open(found.pid)
            except OSError:
                found = f"process {found.pid} has ended"
            else:
                self._running = found
                loop.add_reader(self._pidfd, self._ended)
                return
        self._why = found
        # Nobody tells when a process of that name comes.
        pause = max(min(_SEARCH, self._interval), _COST * (loop.time() - began))
        self._search = loop.call_later(pause, self._search_on)

    def _search_on(self) -> None:
        self._find(self._by_name.find)
        if self._running is not None:
            self.again()

    def _let_go(self) -> None:
        self._running = None
        if self._pidfd is not None:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None


class InterfaceWatcher(_Repeating):
    """Looks at the links that somebody else follows; `take` tells it that they changed."""

    def __init__(self, subject: Interface, interval: float, report: Report) -> None:
        super().__init__(interval, report)
        self._name = subject.name
        self._link: Link | None = None

    def take(self, links: Iterable[Link]) -> None:
        """Follow all links of the host."""
        found = next((link for link in links if link.name == self._name), None)
        before = self._link
        self._link = found
        if _state(before) != _state(found):
            self.again()

    def look(self) -> Result:
        """Tell whether it is up and has carrier."""
        there, up, carrier = _state(self._link)
        if not there:
            return Result(ok=False, why="there is no such interface")
        if not up:
            return Result(ok=False, why="it is down")
        return Result(ok=carrier, why="it is up" if carrier else "it has no carrier")


class FileWatcher(_Repeating):
    """Reads a number when its file was written."""

    def __init__(self, subject: NumberFile, interval: float, report: Report, inotify: Inotify) -> None:
        super().__init__(interval, report)
        self._path = subject.path
        self._inotify = inotify
        self._was_empty = False

    def start(self) -> None:
        """Report the first time."""
        self._inotify.follow(self._path, self.again)
        super().start()

    def close(self) -> None:
        """Report no more."""
        super().close()
        self._inotify.leave(self._path, self.again)

    def again(self) -> None:
        """Look now; at a file that is empty a moment later: it may be half written."""
        with contextlib.suppress(OSError):
            empty = not Path(self._path).stat().st_size
            if empty and not self._was_empty and not self._closed:
                self._was_empty = True
                self._wait(_TWICE)
                return
        self._was_empty = False
        super().again()

    def look(self) -> Result:
        """Read the number."""
        try:
            with Path(self._path).open("rb") as file:
                text = file.read(_NUMBER).decode(errors="replace").strip()
        except OSError as error:
            self._inotify.look(self._path)
            return Result(ok=False, why=os.strerror(error.errno or 0))
        try:
            number = int(text)
        except ValueError:
            return Result(ok=False, why="it holds no whole number", output=text)
        if abs(number) > _MOST:
            return Result(ok=False, why=f"{number} is not from {-_MOST} to {_MOST}")
        return Result(ok=True, why=f"it holds {number}", weight=number)


def _state(link: Link | None) -> tuple[bool, bool, bool]:
    return (False, False, False) if link is None else (True, link.up, link.carrier)

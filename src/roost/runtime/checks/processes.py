"""Processes of this host, as /proc has them (proc(5))."""

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["ByName", "Running", "by_pid_file"]

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_NAME_KEPT: Final = 15  # bytes
_PID_FILE: Final = 64  # bytes
_LATER: Final = 10.0  # seconds after its pid file was written: a process that began then is another one
_HIDDEN: Final = "processes of others are hidden here (hidepid, ProtectProc=): name its pidFile instead"
_ENDED: Final = frozenset("ZXx")


@dataclass(frozen=True, slots=True)
class Running:
    """A process: `began` is in seconds since the host started."""

    pid: int
    name: str
    began: float


def by_pid_file(path: str) -> Running | str:
    """Return the process whose id is in the file, or why there is none, in words."""
    try:
        with Path(path).open("rb") as file:
            text = file.read(_PID_FILE).split(b"\n")[0].strip()
            written = os.fstat(file.fileno()).st_mtime
    except OSError as error:
        return f"its pid file: {os.strerror(error.errno or 0)}"
    if not text.isdigit():
        return "its pid file holds no process id"
    found = _running(int(text))
    if found is None:
        return f"process {int(text)} has ended" if _sees_others() else Running(int(text), "it", 0.0)
    began = time.time() - (time.clock_gettime(time.CLOCK_BOOTTIME) - found.began)
    if began > written + _LATER:
        return f"its pid file is old: {found.pid} is {found.name} now"
    return found


class ByName:
    """Looks for processes whose program is called `name`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._others: frozenset[int] = frozenset()  # that were called something else at the last look

    def find(self) -> Running | str:
        """Return the oldest one, or why there is none. It reads a file of each process: milliseconds."""
        pids = frozenset(_pids())
        found = self._called(pids)
        self._others = pids - {each.pid for each in found}
        return self._oldest(found)

    def find_another(self) -> Running | str:
        """Do the same at once, without those that were called something else the last time."""
        return self._oldest(self._called(frozenset(_pids()) - self._others))

    def _called(self, pids: Iterable[int]) -> list[Running]:
        found = (_running(pid) for pid in pids)
        return [each for each in found if each is not None and _is_called(each, self._name)]

    def _oldest(self, found: Iterable[Running]) -> Running | str:
        oldest = min(found, key=lambda each: (each.began, each.pid), default=None)
        return oldest or (f"no process is called {self._name}" if _sees_others() else _HIDDEN)


def _sees_others() -> bool:
    """Tell whether /proc shows the processes of other users (hidepid of proc(5), ProtectProc= of systemd)."""
    return Path("/proc/1").exists()


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 - 300 paths cost


def _running(pid: int) -> Running | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes().decode(errors="replace")
    except OSError:
        return None
    name = text[text.find("(") + 1 : text.rfind(")")]  # it may hold parentheses
    fields = text[text.rfind(")") + 2 :].split()
    if fields[0] in _ENDED:
        return None
    return Running(pid, name, int(fields[19]) / _TICKS)


def _is_called(running: Running, name: str) -> bool:
    if len(name.encode()) <= _NAME_KEPT:
        return running.name == name
    if not name.startswith(running.name):
        return False
    try:
        first = Path(f"/proc/{running.pid}/cmdline").read_bytes().split(b"\0")[0]
    except OSError:
        return False
    return os.path.basename(os.fsdecode(first)) == name  # noqa: PTH119 - no path yet

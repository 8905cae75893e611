"""All checks of this host, beside the event loop: each in its own rhythm, none in the way of another."""

import asyncio
import random
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from roost.model.check import (
    Check,
    Command,
    HttpQuestion,
    Interface,
    NumberFile,
    Process,
    Result,
    TcpPort,
)
from roost.model.link import Link
from roost.runtime.checks.command import check_command
from roost.runtime.checks.http import check_http
from roost.runtime.checks.tcp import check_tcp
from roost.runtime.checks.watchers import FileWatcher, InterfaceWatcher, ProcessWatcher, Watcher
from roost.runtime.inotify import Inotify

__all__ = ["Runner"]

_PROGRAMS: Final = 32  # that run at once
_CONNECTIONS: Final = 128  # at once
_SHORTEST: Final = 0.01  # seconds between the end of a look and the next one


class Runner:
    """Makes exactly the checks that it is told to; `report` gets each result.

    At most 32 programs run and 128 connections are open at once. A look that waits for its turn is late, and
    does not fail for that.
    """

    def __init__(self, report: Callable[[Check, Result], None]) -> None:
        self._report = report
        self._inotify = Inotify()
        self._links: tuple[Link, ...] = ()
        self._running: dict[Check, Watcher] = {}
        self._programs = asyncio.Semaphore(_PROGRAMS)
        self._connections = asyncio.Semaphore(_CONNECTIONS)

    def follow(self, checks: Iterable[Check]) -> None:
        """Make exactly these from now on; those that were made already go on in their rhythm."""
        wanted = dict.fromkeys(checks)
        for check in self._running.keys() - wanted.keys():
            self._running.pop(check).close()
        for check in wanted:
            if check not in self._running:
                self._running[check] = watcher = self._make(check)
                watcher.start()

    def take_links(self, links: tuple[Link, ...]) -> None:
        """Follow all links of this host."""
        self._links = links
        for watcher in tuple(self._running.values()):
            if isinstance(watcher, InterfaceWatcher):
                watcher.take(links)

    def close(self) -> None:
        """Make no more checks; programs that run are killed."""
        self.follow(())
        self._inotify.close()

    def _make(self, check: Check) -> Watcher:
        report = partial(self._report, check)
        match check.subject:
            case Process():
                return ProcessWatcher(check.subject, check.interval, report, self._inotify)
            case NumberFile():
                return FileWatcher(check.subject, check.interval, report, self._inotify)
            case Interface():
                watcher = InterfaceWatcher(check.subject, check.interval, report)
                watcher.take(self._links)
                return watcher
            case Command():
                return _Poller(check, self._programs, report)
            case _:
                return _Poller(check, self._connections, report)


class _Poller:
    """Looks again and again, one look at a time."""

    def __init__(self, check: Check, turns: asyncio.Semaphore, report: Callable[[Result], None]) -> None:
        self._check = check
        self._turns = turns
        self._report = report
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        # The first two looks are not a whole interval apart: else all checks go on in step.
        interval = self._check.interval * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        while True:
            async with self._turns:
                began = loop.time()
                try:
                    result = await self._look()
                except Exception as error:  # noqa: BLE001 - a check that nobody makes any more would look well
                    result = Result(ok=False, why=f"it cannot be looked at: {error!r}")
            self._report(result)
            await asyncio.sleep(max(began + interval - loop.time(), _SHORTEST))
            interval = self._check.interval

    async def _look(self) -> Result:
        timeout = self._check.timeout
        match self._check.subject:
            case TcpPort(host, port):
                return await check_tcp(host, port, timeout)
            case HttpQuestion() as question:
                return await check_http(question, timeout)
            case Command(command):
                return await check_command(command, timeout)
            case other:
                raise TypeError(f"{other} is followed, not asked")

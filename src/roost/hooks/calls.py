"""Calls of hooks: in exact order, one at a time for a service, each with a time limit.

    change of role -> queue of its service -> program after program -> log

A change waits until all calls for the one before it are over. What waits is bounded, and when a program had
to be killed, only the last state is told: calls that newer ones have overtaken are left out then, the last
never. Each call's PREVIOUS is the state that the calls before it told, so states follow without a gap.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from roost.model.address import canonical
from roost.model.hook import Hook
from roost.model.role import Change, Role
from roost.observe.text import printable
from roost.runtime.programs import Outcome, run

__all__ = ["Calls", "arguments", "environment"]

_log = logging.getLogger("roost.hooks")

_WAITING: Final = 1024  # changes of one service
_AT_ONCE: Final = 16  # programs
_SPACING: Final = 0.002  # seconds between two starts: each takes the event loop about one millisecond
_TOLD: Final = 1000  # characters of a program's output in the log
_FIRST: Final = "-"  # for PREVIOUS where there is none
_THEIRS: Final[Mapping[Role, str]] = {
    Role.LEADING: "MASTER",
    Role.STANDBY: "BACKUP",
    Role.UNFIT: "FAULT",
    Role.STOPPED: "STOP",
}

Runner = Callable[[Sequence[str], float, Mapping[str, str]], Awaitable[Outcome]]


def arguments(hook: Hook, change: Change, node: str) -> tuple[str, ...]:
    """Return the whole command line of one call."""
    match hook.arguments:
        case "roost":
            previous = change.before.value if change.before else _FIRST
            return (*hook.run, change.service, change.role.value, previous, node)
        case "keepalived":
            return (*hook.run, "INSTANCE", change.service, _THEIRS[change.role], str(change.priority))
        case "none":
            return hook.run


def environment(change: Change, node: str) -> dict[str, str]:
    """Return what a program finds in its environment beside what this process has."""
    return {
        "ROOST_SERVICE": change.service,
        "ROOST_STATE": change.role.value,
        "ROOST_PREVIOUS": change.before.value if change.before else _FIRST,
        "ROOST_NODE": node,
        "ROOST_ADDRESSES": " ".join(map(canonical, change.addresses)),
        "ROOST_PRIORITY": str(change.priority),
    }


async def _run(command: Sequence[str], limit: float, more: Mapping[str, str]) -> Outcome:
    return await run(command, limit, environment=more)


@dataclass(frozen=True, slots=True)
class _Due:
    """A change, and the hooks as they were when it came."""

    change: Change
    hooks: tuple[Hook, ...]


class Calls:
    """Calls `hooks` of node `node`; `failures` counts calls that did not end with 0."""

    def __init__(self, node: str, hooks: Sequence[Hook] = (), runner: Runner = _run) -> None:
        self.failures = 0
        self._node = node
        self._hooks = tuple(hooks)
        self._run = runner
        self._leaving: dict[str, tuple[Hook, ...]] = {}  # services that a reload ends, and their last hooks
        self._waiting: dict[str, deque[_Due]] = {}  # by service, of those that are being called for
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._starting = asyncio.Lock()

    def configure(self, hooks: Sequence[Hook], leaving: Iterable[str] = ()) -> None:
        """Call these from the next change on; calls that wait are made as they were meant.

        The services `leaving` are wanted no more: that they are stopped is told to the hooks that they had.
        """
        self._leaving = dict.fromkeys(leaving, self._hooks)
        self._hooks = tuple(hooks)

    def became(self, change: Change) -> None:
        """Call for a change, after all that came before it for the same service."""
        wanted = (
            self._leaving.pop(change.service, self._hooks) if change.role is Role.STOPPED else self._hooks
        )
        if not wanted:
            return
        waiting = self._waiting.setdefault(change.service, deque())
        waiting.append(_Due(change, wanted))
        if len(waiting) > _WAITING:
            _leave_out(waiting)
        if change.service not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._call_all(change.service))
            self._tasks[change.service] = task

    async def idle(self) -> None:
        """Wait until no call is left."""
        while self._tasks:
            await asyncio.wait(self._tasks.values())

    async def close(self, within: float) -> None:
        """Wait up to `within` seconds for the calls that are left, then kill the programs that run."""
        tasks = tuple(self._tasks.values())
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=within)
        for task in late:
            task.cancel()
        if late:
            _log.warning("hooks were ended with the speaker", extra={"services": len(late)})
            await asyncio.wait(late)

    async def _call_all(self, service: str) -> None:
        waiting = self._waiting[service]
        try:
            while waiting:
                in_time = await self._call(waiting.popleft())
                if not in_time:
                    while len(waiting) > 1:
                        _leave_out(waiting)
        finally:
            del self._waiting[service]
            del self._tasks[service]

    async def _call(self, due: "_Due") -> bool:
        """Call each hook that wants to know of a change; tells whether all of them ended in time."""
        in_time, change = True, due.change
        for hook in due.hooks:
            if hook.wants(change.service, change.role):
                async with self._room:
                    async with self._starting:
                        await asyncio.sleep(_SPACING)
                    command = arguments(hook, change, self._node)
                    outcome = await self._run(command, hook.timeout, environment(change, self._node))
                self._tell(hook, change, outcome)
                in_time = in_time and not outcome.late
        return in_time

    def _tell(self, hook: Hook, change: Change, outcome: Outcome) -> None:
        facts = {
            "hook": printable(" ".join(hook.run), 200),
            "service": change.service,
            "state": change.role.value,
            "ended": outcome.why,
        }
        if outcome.output:
            facts["output"] = printable(outcome.output[-_TOLD:])
        if outcome.ok:
            _log.log(logging.INFO if outcome.output else logging.DEBUG, "hook called", extra=facts)
        else:
            self.failures += 1
            _log.warning("hook failed", extra=facts)


def _leave_out(waiting: deque[_Due]) -> None:
    """Leave out the oldest change; the next, too, if it tells nothing new then and is not the last."""
    oldest = waiting.popleft()
    following = waiting.popleft()
    change = replace(following.change, before=oldest.change.before)
    if change.role is not change.before or not waiting:
        waiting.appendleft(replace(following, change=change))

"""Lifelines between simulated processes: TCP connections whose end says that the process there has ended."""

import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from roost.protocols.machine import Endpoint
from roost.simulator.clock import Clock
from roost.simulator.inbox import Action

if TYPE_CHECKING:
    from roost.simulator.host import Host

__all__ = ["Lifelines"]

_RETRY: Final = 1.0  # seconds between attempts, and between keep-alives of a line that stands
_NOTICED: Final = (0.0005, 0.002)  # seconds from a process's end to the refusal that proves it


class Lifelines:
    """The lines that a process holds; `gone(name, now)` is called when a peer's process has ended.

    `find(endpoint)` gives the host at an endpoint, `passes(host)` tells whether TCP gets there and back, and
    `running(action)` does something once the process that holds the lines runs: only then it looks at them.
    """

    def __init__(
        self,
        clock: Clock,
        chance: random.Random,
        *,
        find: Callable[[Endpoint], "Host | None"],
        passes: Callable[["Host"], bool],
        gone: Callable[[str, float], None],
        running: Callable[[Action], None],
    ) -> None:
        self._clock = clock
        self._chance = chance
        self._find = find
        self._passes = passes
        self._gone = gone
        self._running = running
        self._peers: dict[str, Endpoint] = {}
        self._held: dict[str, int] = {}  # -> which process of that host the line goes to
        self._ticking = False

    def update(self, peers: Mapping[str, Endpoint]) -> None:
        """Hold lines to exactly these peers from now on."""
        for name in [name for name in self._held if peers.get(name) != self._peers.get(name)]:
            del self._held[name]
        new = [name for name in peers if self._peers.get(name) != peers[name]]
        self._peers = dict(peers)
        for name in new:
            self._clock.after(self._soon(), lambda name=name: self._attempt(name))  # type: ignore[misc]
        if self._peers and not self._ticking:
            self._ticking = True
            self._clock.after(_RETRY * self._chance.random(), self._tick)

    def close(self) -> None:
        """Let go of all lines."""
        self._peers.clear()
        self._held.clear()

    def ended(self, host: "Host") -> None:
        """Hear that the process of a host has ended: its kernel closes the lines, if that gets through."""
        if host.name in self._held and self._passes(host):
            self._clock.after(self._soon(), lambda: self._look(host.name))

    def _tick(self) -> None:
        if not self._peers:
            self._ticking = False
            return
        for name in self._peers:
            if name in self._held:
                self._look(name)
            else:
                self._attempt(name)
        self._clock.after(_RETRY, self._tick)

    def _attempt(self, name: str) -> None:
        host = self._host(name)
        if host is not None and host.listening and self._passes(host):
            self._held[name] = host.epoch

    def _look(self, name: str) -> None:
        self._running(lambda now: self._prove(name, now))

    def _prove(self, name: str, now: float) -> None:
        """Find out whether the process at the other end of a line is still the one it was."""
        host = self._host(name)
        if host is None or not self._passes(host) or self._held.get(name) == host.epoch:
            return
        self._held.pop(name, None)
        if host.listening:
            self._attempt(name)
        else:
            self._gone(name, now)

    def _host(self, name: str) -> "Host | None":
        endpoint = self._peers.get(name)
        return None if endpoint is None else self._find(endpoint)

    def _soon(self) -> float:
        low, high = _NOTICED
        return low + (high - low) * self._chance.random()

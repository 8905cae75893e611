"""Addresses that come to this node before its proxy passes their traffic on.

Where traffic must stay local, the lead follows the endpoints as soon as the API tells of them; kube-proxy
brings them into the kernel up to a second later. Until it has, whoever led before goes on answering. Pure.
"""

from collections.abc import Callable, Collection, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from roost.decide.handover import HOLD
from roost.model.address import IPAddress
from roost.model.service import Service

__all__ = ["PATIENCE", "Readiness"]

PATIENCE: Final = HOLD - 0.5  # seconds: whoever led before must still be there
_POLL: Final = 0.05  # seconds
_NEW: Final = 5.0  # seconds in which a proxy may not know endpoints, even if it knew earlier ones


@dataclass(slots=True)
class _Wait:
    service: Service
    old_leader: str | None
    until: float
    next_ask: float


class Readiness:
    """The services that this node leads and does not answer for yet; after `patience` seconds it does."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._waits: dict[str, _Wait] = {}
        self._here: dict[str, float] = {}  # services with an endpoint on this node -> since when

    @property
    def awaited(self) -> AbstractSet[IPAddress]:
        """The addresses not to be answered for yet."""
        return {address for wait in self._waits.values() for address in wait.service.addresses}

    def take_services(self, services: Iterable[Service], me: str, now: float) -> None:
        """Take note of which of `services`, all of them, have an endpoint on the node `me`."""
        here = (each.name for each in services if each.health_port and me in (each.endpoint_nodes or ()))
        self._here = {name: self._here.get(name, now) for name in here}

    def has_new_endpoints(self, name: str, now: float) -> bool:
        """Tell whether the service `name` had no endpoint on this node a moment ago."""
        return now - self._here.get(name, now) < _NEW

    def expect(self, service: Service, old_leader: str | None, now: float) -> None:
        """Wait for the proxy to know `service`, which came here from `old_leader` (None: not known)."""
        self._waits[service.name] = _Wait(service, old_leader, now + self._patience, now)

    def waiting_for(self, addresses: Collection[IPAddress]) -> list[str]:
        """Return the services with any of `addresses` that are waited for."""
        return [
            name
            for name, wait in self._waits.items()
            if not set(wait.service.addresses).isdisjoint(addresses)
        ]

    def release(self, name: str) -> frozenset[IPAddress]:
        """Wait no longer for the service `name`; return its addresses if it was waited for."""
        wait = self._waits.pop(name, None)
        return frozenset(wait.service.addresses) if wait else frozenset()

    def release_from(self, is_lost: Callable[[str], bool]) -> frozenset[IPAddress]:
        """Wait no longer for what came from nodes that are lost now: nobody answers for it."""
        over = [
            name
            for name, wait in self._waits.items()
            if wait.old_leader is not None and is_lost(wait.old_leader)
        ]
        return frozenset(address for name in over for address in self.release(name))

    def wake(self, now: float) -> tuple[list[Service], frozenset[IPAddress]]:
        """Return (services to ask the proxy about, addresses that a silent proxy costs no longer)."""
        over = [name for name, wait in self._waits.items() if wait.until <= now]
        freed = frozenset(address for name in over for address in self.release(name))
        ask = [wait for wait in self._waits.values() if wait.next_ask <= now]
        for wait in ask:
            wait.next_ask = now + _POLL
        return [wait.service for wait in ask], freed

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None while nothing is waited for."""
        if not self._waits:
            return None
        return min(min(wait.until, wait.next_ask) for wait in self._waits.values())

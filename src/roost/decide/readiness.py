"""Addresses that come to this node before its proxy passes their traffic on.

Where traffic must stay local, the lead follows the endpoints as soon as the API tells of them; kube-proxy
brings them into the kernel up to a second later. Until it has, whoever led before goes on answering.
"""

import asyncio
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from roost.model.address import IPAddress
from roost.model.service import Service
from roost.speaker.handover import HOLD

__all__ = ["PATIENCE", "Forwarding"]

PATIENCE: Final = HOLD - 0.5  # seconds: whoever led before must still be there
_POLL: Final = 0.05  # seconds


@dataclass(frozen=True, slots=True)
class _Wait:
    addresses: tuple[IPAddress, ...]
    old_leader: str | None
    task: asyncio.Task[None]


class Forwarding:
    """The services that this node leads and does not answer for yet.

    `is_ready(service)` asks the node's proxy; after `patience` seconds its answer no longer counts.
    `changed()` is called when a wait is over.
    """

    def __init__(
        self,
        is_ready: Callable[[Service], Awaitable[bool]],
        changed: Callable[[], None],
        patience: float = PATIENCE,
    ) -> None:
        self._is_ready = is_ready
        self._changed = changed
        self._patience = patience
        self._waits: dict[str, _Wait] = {}

    @property
    def awaited(self) -> AbstractSet[IPAddress]:
        """The addresses not to be answered for yet."""
        return {address for wait in self._waits.values() for address in wait.addresses}

    def expect(self, service: Service, old_leader: str | None) -> None:
        """Wait for the proxy to know `service`, which came here from `old_leader` (None: not known)."""
        self.release(service.name)
        task = asyncio.get_running_loop().create_task(self._wait_for(service))
        self._waits[service.name] = _Wait(service.addresses, old_leader, task)

    def release(self, name: str) -> None:
        """Wait no longer for the service `name`."""
        if wait := self._waits.pop(name, None):
            wait.task.cancel()

    def release_from(self, is_lost: Callable[[str], bool]) -> None:
        """Wait no longer for what came from nodes that are lost now: nobody answers for it."""
        for name, wait in list(self._waits.items()):
            if wait.old_leader is not None and is_lost(wait.old_leader):
                self.release(name)

    def close(self) -> None:
        """End all waiting."""
        for name in list(self._waits):
            self.release(name)

    async def _wait_for(self, service: Service) -> None:
        try:
            async with asyncio.timeout(self._patience):
                while not await self._is_ready(service):  # noqa: ASYNC110 - the proxy has to be asked
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            pass  # a proxy that never says so must not cost the address
        del self._waits[service.name]
        self._changed()

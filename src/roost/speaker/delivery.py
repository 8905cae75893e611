"""Giving the host the addresses to terminate, and looking that its kernel keeps quiet about them."""

import asyncio
import itertools
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from roost.model.address import IPAddress, canonical
from roost.runtime.local_delivery import LocalDelivery, LocalDeliveryError, RefusedAddressesError

__all__ = ["Delivery"]

_log = logging.getLogger("roost.speaker")

_VERIFY_INTERVAL: Final = 5.0  # seconds between checks that the kernel keeps quiet about the addresses
_WHOLE_VERIFY: Final = 6  # every so many of them look for the addresses too


class Delivery:
    """The addresses that this host terminates; `state` is a file for what was set before.

    `changed()` is called when other addresses are ready than before.
    """

    def __init__(self, state: Path, changed: Callable[[], None]) -> None:
        self.ready: frozenset[IPAddress] = frozenset()
        self.undeliverable: Mapping[IPAddress, str] = {}  # -> why this host cannot have it
        self._host = LocalDelivery(state)
        self._changed = changed

    def covers(self, wanted: frozenset[IPAddress]) -> bool:
        """Tell whether `wanted` is what was set last."""
        return wanted == self.ready | self.undeliverable.keys()

    async def set(self, wanted: frozenset[IPAddress]) -> None:
        """Terminate exactly `wanted`, but those that the host cannot have. Raises LocalDeliveryError."""
        try:
            await self._host.set_addresses(wanted)
            self.undeliverable = {}
        except RefusedAddressesError as refused:
            self._note(refused.reasons)
        self.ready = wanted - self.undeliverable.keys()
        self._changed()

    async def verify(self, *, guard_only: bool = False) -> None:
        """Check, and put right, what is set on the host."""
        try:
            await self._host.verify(guard_only=guard_only)
        except RefusedAddressesError as refused:
            self._note(refused.reasons)
        except LocalDeliveryError as error:
            _log.error("local delivery: %s", error)

    async def verify_for_ever(self) -> None:
        """Check again and again until cancelled."""
        for round_ in itertools.count(1):
            await asyncio.sleep(_VERIFY_INTERVAL)
            await self.verify(guard_only=round_ % _WHOLE_VERIFY != 0)

    async def clear(self) -> None:
        """Take everything from the host."""
        try:
            await self._host.clear()
        except LocalDeliveryError as error:
            _log.warning("addresses stay on this host, which does not answer for them: %s", error)

    def _note(self, reasons: Mapping[IPAddress, str]) -> None:
        for address, reason in reasons.items():
            if self.undeliverable.get(address) != reason:
                _log.error("%s", reason, extra={"address": canonical(address)})
        self.undeliverable = dict(reasons)

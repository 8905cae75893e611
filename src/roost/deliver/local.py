"""Giving the host the addresses to terminate, and looking that its kernel keeps quiet about them."""

import asyncio
import itertools
import logging
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

from roost.model.address import IPAddress, canonical
from roost.observe.quiet import Once
from roost.runtime.local_delivery import LocalDelivery, LocalDeliveryError, RefusedAddressesError

__all__ = ["Delivery"]

_log = logging.getLogger("roost.speaker")

_VERIFY_INTERVAL: Final = 5.0  # seconds between checks that the kernel keeps quiet about the addresses
_WHOLE_VERIFY: Final = 6  # every so many of them look for the addresses too


class Delivery:
    """The addresses that this host terminates; `state` is a folder for what was set before.

    `changed()` is called when other addresses are ready than before. What the host cannot have is tried again
    with every `verify`.
    """

    def __init__(self, state: Path, changed: Callable[[], None]) -> None:
        self.ready: frozenset[IPAddress] = frozenset()
        self.undeliverable: Mapping[IPAddress, str] = {}  # -> why this host cannot have it
        self._host = LocalDelivery(state)
        self._changed = changed
        self._wanted: frozenset[IPAddress] = frozenset()
        self._tried: frozenset[IPAddress] = frozenset()  # what `ready` and `undeliverable` are parts of
        self._failed = ""  # why nothing could be set
        self._failure = Once()

    @property
    def failure(self) -> str:
        """Why nothing could be set, "" when it could."""
        return self._failed

    async def set(self, wanted: frozenset[IPAddress]) -> None:
        """Terminate exactly `wanted`, but those that the host cannot have. Raises LocalDeliveryError."""
        self._wanted = wanted
        reasons: Mapping[IPAddress, str] = {}
        try:
            await self._host.set_addresses(wanted)
        except RefusedAddressesError as refused:
            reasons = refused.reasons
        self._tried = wanted
        self._take(reasons)

    async def follow(self, wanted: frozenset[IPAddress]) -> None:
        """Do what `set` does; what goes wrong is logged, and tried again by `verify`."""
        await self._attempt(self.set(wanted))

    async def verify(self, *, guard_only: bool = False) -> None:
        """Check, and put right, what is set on the host; what could not be set is tried again."""
        if self._failed or self.undeliverable:
            await self._attempt(self.set(self._wanted))
        else:
            await self._attempt(self._look(guard_only=guard_only))

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

    async def _look(self, *, guard_only: bool) -> None:
        try:
            await self._host.verify(guard_only=guard_only)
        except RefusedAddressesError as refused:  # one was taken away, and cannot be put back
            self._take(refused.reasons)

    async def _attempt(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what nobody waits for: a failure is told once, and remembered until `set` succeeds."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - netlink and /proc have many ways to fail
            what = str(error) if isinstance(error, LocalDeliveryError) else repr(error)
            self._failed = what
            if self._failure.new(what):
                _log.error("local delivery: %s; tried again every %g s", what, _VERIFY_INTERVAL)
        else:
            self._failed = ""
            self._failure.over()

    def _take(self, reasons: Mapping[IPAddress, str]) -> None:
        """Take which of the tried addresses the host cannot have."""
        for address, reason in reasons.items():
            if self.undeliverable.get(address) != reason:
                _log.error("%s", reason, extra={"address": canonical(address)})
        for address in (self.undeliverable.keys() & self._tried) - reasons.keys():
            _log.info("held at last, and answered for", extra={"address": canonical(address)})
        self.undeliverable = dict(reasons)
        self.ready = self._tried - reasons.keys()
        self._changed()

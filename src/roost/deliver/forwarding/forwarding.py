"""Balancing on this node: what is wanted and what checks say goes to the kernel, and what it did comes back.

services, links -> Balancing (decides) -> pools -> ForwardingHost (a thread) -> kernel
checks of backends -^        `-> fitness -> the decider            `-> ready, undeliverable
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

from roost.decide.forwarding.backends import Key
from roost.decide.forwarding.balancing import Balancing
from roost.deliver.forwarding.checking import Checking
from roost.deliver.forwarding.host import ForwardingHost, open_connections
from roost.model.address import IPAddress
from roost.model.check import Result
from roost.model.event import Event
from roost.model.fitness import FIT, Fitness
from roost.model.forwarding import Target
from roost.model.link import Link
from roost.model.service import Service
from roost.observe.quiet import Once
from roost.runtime.beside import beside_the_loop
from roost.runtime.kernel_settings import SettingError
from roost.runtime.nftables import cause
from roost.runtime.tracked import forget_all, loosen_all

__all__ = ["Forwarding"]

_log = logging.getLogger("roost.speaker")

_NEEDS: Final = "nft_nat, nft_hash, nft_ct, nft_reject, nft_masq, nft_redir"
_VERIFY_INTERVAL: Final = 5.0  # seconds between looks at what the kernel has
_BREATH: Final = 0.2  # seconds between two times: whoever contends for an address does so in bursts
_FRESH: Final = 1.0  # seconds for which a count is good enough
_SHARE: Final = 20  # at most one part in so many of the time is spent on counting


class Forwarding:
    """`ready` are the addresses that this host forwards, `undeliverable` those that it cannot (-> why).

    `changed()` is called when these change, `unwell(fitness)` when this node's fitness for services does,
    `happened` with what people may want to know. `state` is a folder for what outlives a crash.
    """

    def __init__(
        self,
        state: Path,
        *,
        changed: Callable[[], None],
        unwell: Callable[[Mapping[str, Fitness | None]], None],
        happened: Callable[[Event], None],
    ) -> None:
        self.ready: frozenset[IPAddress] = frozenset()
        self.undeliverable: Mapping[IPAddress, str] = {}
        self.host = ForwardingHost(state)
        self.balancing = Balancing(self.host.recall())
        self._changed = changed
        self._unwell = unwell
        self._happened = happened
        self._checking = Checking(self._heard)
        self._links: tuple[str, ...] = ()
        self._fitness: Mapping[str, Fitness | None] = {}
        self._working = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._stale = False
        self._working_on_it = False  # whether the kernel has yet to be told something
        # Addresses whose connections may have gone on elsewhere -> what is done about it.
        self._doubtful: dict[IPAddress, Callable[[IPAddress], None]] = {}
        self._seeing_to: asyncio.Task[None] | None = None
        self._failure = Once()
        self._counts: Counter[tuple[IPAddress, Target]] = Counter()
        self._counted_until = float("-inf")

    @property
    def addresses(self) -> frozenset[IPAddress]:
        """All addresses of balanced services, and their gateways."""
        return frozenset(address for each in self.balancing.services for address in each.addresses)

    async def start(
        self, services: Iterable[Service], links: tuple[Link, ...], announcing: Iterable[Link]
    ) -> None:
        """Forward `services` before anything is answered for, and take over what a predecessor has left."""
        self._follow_links(links, announcing)
        self._want(services)
        await self._apply()
        self._judge()

    def want(self, services: Iterable[Service]) -> None:
        """Balance exactly those of `services` that are to be forwarded, beside the event loop."""
        self._want(services)
        self._soon()
        self._judge()

    def set_links(self, links: tuple[Link, ...], announcing: Iterable[Link]) -> None:
        """Take all links of the host, and those that take part."""
        self._follow_links(links, announcing)
        if self.balancing.services:
            self._soon()
            self._judge()

    async def verify_for_ever(self) -> None:
        """Look again and again whether the kernel has what it was told, and put that right."""
        while True:
            await asyncio.sleep(_VERIFY_INTERVAL)
            if self.balancing.services or self.undeliverable:
                await self._verify()

    async def stop(self) -> None:
        """Forward nothing any more, and leave nothing behind."""
        self._checking.close()
        for task in (self._task, self._seeing_to):
            if task is not None:
                task.cancel()
        try:
            await beside_the_loop(self.host.end)
        except OSError as error:
            _log.warning("forwarding: the table of this speaker stays: %s", _cause(error))

    def forget(self, addresses: Iterable[IPAddress]) -> None:
        """Track the connections to `addresses` no more, beside the event loop: they are picked up anew."""
        self._doubt(addresses, forget_all)

    def loosen(self, addresses: Iterable[IPAddress]) -> None:
        """Take the packets of connections to `addresses` as they come, from a moment on."""
        self._doubt(addresses, loosen_all)

    async def look(self) -> None:
        """Count open connections, because somebody asks; what was counted just now is as good."""
        if not self.balancing.services or time.monotonic() < self._counted_until:
            return
        begin = time.monotonic()
        targets = {key.target for key in self.balancing.states}
        for service in self.balancing.services:
            sorry = service.forward.sorry if service.forward else ()
            targets |= {each.target(port.port) for each in sorry for port in service.ports}
            targets |= {
                state.backend.target(port.port)
                for key, state in self.balancing.states.items()
                if key.service == service.name
                for port in service.ports
            }
        try:
            self._counts = await beside_the_loop(open_connections, self.addresses, targets)
        except OSError as error:
            _log.info("open connections cannot be counted: %s", error)
        now = time.monotonic()
        self._counted_until = now + max(_FRESH, _SHARE * (now - begin))

    def connections(self, service: Service, key: Key) -> int:
        """Return how many connections of a service were open to a backend when somebody looked last."""
        backend = self.balancing.states[key].backend
        targets = {backend.target(port.port) for port in service.ports}
        return sum(self._counts[address, target] for address in service.addresses for target in targets)

    def connections_of(self, address: IPAddress) -> int:
        """Return how many connections to an address were open when somebody looked last."""
        return sum(count for (vip, _), count in self._counts.items() if vip == address)

    # -- parts of the above ----------------------------------------------------------------------

    def _doubt(self, addresses: Iterable[IPAddress], see_to: Callable[[IPAddress], None]) -> None:
        for address in addresses:
            if self._doubtful.get(address) is not forget_all:
                self._doubtful[address] = see_to
        if self._seeing_to is None or self._seeing_to.done():
            self._seeing_to = asyncio.get_running_loop().create_task(self._see_to_doubtful())

    async def _see_to_doubtful(self) -> None:
        while self._doubtful:
            doubtful, self._doubtful = self._doubtful, {}
            for address, see_to in doubtful.items():
                try:
                    await beside_the_loop(see_to, address)
                except OSError as error:
                    _log.warning("connections to %s are tracked as before: %s", address, _cause(error))
            await asyncio.sleep(_BREATH)

    def _follow_links(self, links: tuple[Link, ...], announcing: Iterable[Link]) -> None:
        self._links = tuple(link.name for link in announcing)
        self.balancing.set_links(links)

    def _want(self, services: Iterable[Service]) -> None:
        self._tell(self.balancing.want(services, time.monotonic()))
        self._checking.follow(self.balancing.checks())

    def _heard(self, key: Key, result: Result, asked: float) -> None:
        if news := self.balancing.checked(key, result, asked, time.monotonic()):
            self._tell(news)
            self._soon()
            self._judge()

    def _tell(self, events: Collection[Event]) -> None:
        for event in events:
            self._happened(event)

    def _judge(self) -> None:
        """Tell how fit this node is: fitter than before only when the kernel has what that follows from.

        Else clients come while it shares them out as if some backends were down: connections to these end.
        """
        fitness = self.balancing.fitness()
        if self._working_on_it:
            fitness = {
                name: self._fitness[name] if name in self._fitness and each == FIT else each
                for name, each in fitness.items()
            }
        if fitness != self._fitness:
            self._fitness = fitness
            self._unwell(fitness)

    def _soon(self) -> None:
        """Put in force what is wanted; what changes meanwhile goes with it, or makes one more transaction."""
        self._stale = self._working_on_it = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        while self._stale:
            self._stale = False
            await self._apply()
        self._working_on_it = False
        self._judge()

    async def _verify(self) -> None:
        async with self._working:
            versions = {address.version for address in self.addresses}
            try:
                lost = await beside_the_loop(self.host.verify, versions, self._links)
            except (OSError, SettingError) as error:
                lost = (_cause(error),)
        for each in lost:
            _log.warning("forwarding repaired: %s", each)
        if lost or self.undeliverable:
            await self._apply()

    async def _apply(self) -> None:
        async with self._working:
            addresses = self.addresses
            wanted, known = self.balancing.pools(), self.balancing.remember()
            try:
                done = await beside_the_loop(self.host.apply, wanted, known, self._links)
            except (OSError, SettingError) as error:
                why = f"connections cannot be forwarded: {_cause(error)}"
                if self._failure.new(why):
                    _log.error("%s; tried again every %g s", why, _VERIFY_INTERVAL)
                self._take(frozenset(), dict.fromkeys(addresses, why))
                return
        self._failure.over()
        for each in done:
            _log.info("forwarding: %s", each)
        self._take(addresses, {})

    def _take(self, ready: frozenset[IPAddress], undeliverable: Mapping[IPAddress, str]) -> None:
        if (ready, undeliverable) != (self.ready, self.undeliverable):
            self.ready, self.undeliverable = ready, undeliverable
            self._changed()


def _cause(error: OSError | SettingError) -> str:
    return cause(error, _NEEDS) if isinstance(error, OSError) else str(error)

"""The controller: Services and pools as they are, through the rules, to what they should be.

    mirrors -> dirty services -> converge (one at a time, in memory) -> writers (many at once) -> API
                                                                            |
    a service that is being written rests until the answer is here <--------+

Nothing is decided from a copy that an own write has made old, so no address is given away by haste.
"""

import asyncio
import itertools
import logging
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from roost.controller.convergence import Outcome, converge, is_ours
from roost.controller.objects import pool_status, service_to_write
from roost.controller.settings import ControllerSettings
from roost.controller.spreading import Spreading
from roost.kubernetes.client import Api, ApiError
from roost.kubernetes.config import Mistake, check_communities, read_pools
from roost.kubernetes.configuration_state import ConfigurationState
from roost.kubernetes.events import Recorder, Reference
from roost.kubernetes.kinds import COMMUNITIES, NAMESPACES, NODES, POOLS, SERVICES
from roost.kubernetes.mirror import Mirror
from roost.kubernetes.resources import (
    POOL_ANNOTATION,
    PREFERRED_ANNOTATION,
    KubeNode,
    KubeService,
    Namespace,
    Object,
    addresses_in,
    parse_namespace,
    parse_node,
    parse_service,
)
from roost.model.address import IPAddress
from roost.model.allocation import Allocator

__all__ = ["Controller"]

_log = logging.getLogger("roost.controller")


_WRITERS: Final = 16
_AT_ONCE: Final = 100  # services decided before the event loop breathes
_FIRST_WAIT: Final = 0.5  # seconds before a failed write is tried again, doubled each time up to:
_LONGEST_WAIT: Final = 30.0
_COUNT_AFTER: Final = 0.2  # seconds in which changes of a pool's counters become one write


class Controller:
    """Gives addresses to Services; `run` works until cancelled."""

    def __init__(
        self, api: Api, settings: ControllerSettings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.allocator = Allocator(quarantine=settings.quarantine)
        self.mistakes: tuple[Mistake, ...] = ()
        self.config_loaded = False
        self.counters: Counter[str] = Counter()
        self.ready = asyncio.Event()  # the first pass over all services is done
        self.services: Mirror[KubeService] = Mirror(
            api, SERVICES, partial(parse_service, keep=True), self._on_service
        )
        self.pools: Mirror[Object] = Mirror(api, POOLS, _whole, self._on_pool, namespace=settings.namespace)
        self.namespaces: Mirror[Namespace] = Mirror(api, NAMESPACES, parse_namespace, self._on_config)
        self.communities: Mirror[Object] = Mirror(
            api, COMMUNITIES, _whole, self._on_config, namespace=settings.namespace
        )
        self.nodes: Mirror[KubeNode] = Mirror(api, NODES, parse_node, self._on_node)
        self._api = api
        self._settings = settings
        self._spreading = Spreading()
        self._clock = clock
        self._recorder = Recorder(api, "metallb-controller")
        self._state = ConfigurationState(
            api,
            settings.namespace,
            "controller",
            {"component-type": "controller"},
            "poolReconcilerValid",
        )
        self._dirty: dict[str, None] = {}
        self._waiting: set[str] = set()
        self._busy: set[str] = set()
        self._writes: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self._failures: Counter[str] = Counter()
        self._looking: set[asyncio.Task[None]] = set()
        self._config_changed = True
        self._pools_dirty = asyncio.Event()
        self._news = asyncio.Event()

    @property
    def waiting(self) -> frozenset[str]:
        """The services that want addresses and lack some."""
        return frozenset(self._waiting)

    async def run(self) -> None:
        """Follow the API and write what follows, until cancelled."""
        try:
            await self._run()
        finally:
            for task in self._looking:
                task.cancel()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            needed: list[Mirror[Any]] = [self.services, self.pools, self.namespaces]
            if self._settings.spread:
                needed.append(self.nodes)
            for mirror in (*needed, self.communities):
                group.create_task(mirror.run())
            group.create_task(self._recorder.run())
            group.create_task(self._state.run())
            for mirror in needed:
                await mirror.synced.wait()
            for _ in range(_WRITERS):
                group.create_task(self._write_for_ever())
            group.create_task(self._count_for_ever())
            await self._decide_for_ever()

    # -- what comes in -----------------------------------------------------------------------------

    def _on_service(self, key: str, _old: KubeService | None, new: KubeService | None) -> None:
        if new is None:
            self._waiting.discard(key)
            self._spreading.forget(key)
            self._failures.pop(key, None)
            left = self.allocator.let_go(key)
            if self.allocator.release(key, self._clock()) is not None or left:
                self._released()
            return
        self._mark(key)

    def _on_pool(self, _key: str, old: Object | None, new: Object | None) -> None:
        self._pools_dirty.set()
        if old is None or new is None or _configures(old) != _configures(new):
            self._on_config()

    def _on_node(self, _key: str, old: KubeNode | None, new: KubeNode | None) -> None:
        """Look at all services when a node is gone for good, or the first ones came."""
        if (old is None) != (new is None):
            for service in self.services.items.values():
                self._mark(service.key)

    def _on_config(self, *_: object) -> None:
        self._config_changed = True
        self._news.set()

    # -- deciding ----------------------------------------------------------------------------------

    async def _decide_for_ever(self) -> None:
        while True:
            if self._config_changed:
                self._load()
            if work := self._work():
                for service in work:
                    self._decide_on(service)
                await asyncio.sleep(0)
                continue
            if self.config_loaded and not self.ready.is_set():
                self.ready.set()
                _log.info(
                    "ready",
                    extra={"services": len(self.services.items), "pools": len(self.allocator.pools)},
                )
            await self._rest()

    async def _rest(self) -> None:
        """Wait for news, or for an address to leave quarantine."""
        now = self._clock()
        wake = self.allocator.next_wake(now)
        try:
            async with asyncio.timeout(None if wake is None else max(0.0, wake - now)):
                await self._news.wait()
        except TimeoutError:
            self._released()
        self._news.clear()

    def _load(self) -> None:
        """Put the configuration in force, unless there is a mistake in it: then the old one stays."""
        self._config_changed = False
        self.counters["loads"] += 1
        pools, mistakes = read_pools(self.pools.items.values(), self.namespaces.items.values())
        mistakes += check_communities(self.communities.items.values())
        for mistake in mistakes:
            if mistake not in self.mistakes:
                _log.error("the last good configuration stays in force: %s", mistake)
        self.mistakes = mistakes
        self._state.set(mistakes)
        if mistakes:
            self.counters["errors"] += 1
            return
        if self.config_loaded and {pool.name: pool for pool in pools} == dict(self.allocator.pools):
            return
        self.config_loaded = True
        self.allocator.set_pools(pools)
        self._pools_dirty.set()
        _log.info("configuration loaded", extra={"pools": len(pools)})
        # Who holds addresses comes first: a restart takes them from nobody.
        self._dirty = dict.fromkeys(
            service.key for service in sorted(self.services.items.values(), key=_precedence)
        )

    def _work(self) -> list[KubeService]:
        """Return some services to decide about, in order; one that is being written has to wait."""
        if not self.config_loaded:
            return []
        ready = itertools.islice((key for key in self._dirty if key not in self._busy), _AT_ONCE)
        keys = list(ready)
        for key in keys:
            del self._dirty[key]
        return [self.services.items[key] for key in keys if key in self.services.items]

    def _decide_on(self, service: KubeService) -> None:
        if not self._is_for_us(service):
            if self.allocator.release(service.key, self._clock()) is not None:
                self._released()
            return
        self.counters["decisions"] += 1
        before = self.allocator.held_by(service.key)
        outcome = converge(service, self.allocator, self._clock())
        if before != self.allocator.held_by(service.key):
            self._pools_dirty.set()
            if before is not None:
                self._released()
        (self._waiting.add if outcome.waiting else self._waiting.discard)(service.key)
        about = Reference("Service", service.namespace, service.name, service.uid, version=service.version)
        for event in outcome.events:
            self._recorder.say(about, event.type, event.reason, event.message)
        item = service_to_write(
            service,
            outcome,
            finalizer=self._settings.finalizer,
            preferred=self._preferred(service, outcome) if self._settings.spread else None,
        )
        if item is not None:
            # Until the answer is here, users see the service with these.
            self.allocator.hold_back(_seen(service) - set(outcome.addresses), service.key)
            self._busy.add(service.key)
            self._writes.put_nowait((service.key, item))

    def _preferred(self, service: KubeService, outcome: Outcome) -> str:
        """Return the node that the service shall prefer, "" while it has no address."""
        if not outcome.addresses:
            self._spreading.forget(service.key)
            return ""
        first = outcome.addresses[0]
        current = service.annotations.get(PREFERRED_ANNOTATION, "")
        tenants = sorted(self.allocator.tenants(first))
        return self._spreading.choose(service.key, first, current, self.nodes.items, tenants)

    def _is_for_us(self, service: KubeService) -> bool:
        if service.is_load_balancer:
            return is_ours(service, self._settings.load_balancer_class)
        return POOL_ANNOTATION in service.annotations or self.allocator.held_by(service.key) is not None

    def _released(self) -> None:
        """Give those who wait another chance, the oldest first."""
        items = self.services.items
        self._pools_dirty.set()
        for service in sorted((items[key] for key in self._waiting if key in items), key=_precedence):
            self._mark(service.key)

    def _mark(self, key: str) -> None:
        self._dirty[key] = None
        self._news.set()

    # -- writing -----------------------------------------------------------------------------------

    async def _write_for_ever(self) -> None:
        while True:
            key, item = await self._writes.get()
            path = SERVICES.path(item["metadata"]["namespace"], item["metadata"]["name"])
            try:
                self.services.put(await self._api.replace(f"{path}/status", item))
            except ApiError as error:
                self._after_failure(key, path, error)
            else:
                self._failures.pop(key, None)
                self._written(key)

    def _written(self, key: str) -> None:
        """Decide about the service again, when wanted: what the API server holds is known."""
        self._busy.discard(key)
        if self.allocator.let_go(key):
            self._released()
        self._news.set()

    def _after_failure(self, key: str, path: str, error: ApiError) -> None:
        """Ask what the API server holds now: a write whose answer is lost may have been done."""
        self._failures[key] += 1
        wait = min(_FIRST_WAIT * 2 ** (self._failures[key] - 1), _LONGEST_WAIT)
        if error.conflict:
            wait = 0.0  # somebody else wrote
        elif not error.not_found:
            self.counters["write errors"] += 1
            _log.warning(
                "cannot write a service, trying again: %s", error, extra={"service": key, "seconds": wait}
            )
        task = asyncio.get_running_loop().create_task(self._look_again(key, path, wait))
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def _look_again(self, key: str, path: str, wait: float) -> None:
        await asyncio.sleep(wait)
        try:
            self.services.put(await self._api.get(path))
        except ApiError as error:
            if not error.not_found:
                self._after_failure(key, path, error)
                return
        self._mark(key)
        self._written(key)

    async def _count_for_ever(self) -> None:
        """Keep the pools' counters true."""
        while True:
            await self._pools_dirty.wait()
            await asyncio.sleep(_COUNT_AFTER)
            self._pools_dirty.clear()
            for item in list(self.pools.items.values()):
                changed = pool_status(self.allocator, item)
                if changed is None or self.mistakes:
                    continue
                path = POOLS.path(self._settings.namespace, item["metadata"]["name"], "status")
                try:
                    self.pools.put(await self._api.replace(path, changed))
                except ApiError as error:
                    if not (error.conflict or error.not_found):
                        _log.warning("cannot write a pool's counters: %s", error)
                        await asyncio.sleep(_FIRST_WAIT * 4)
                        self._pools_dirty.set()


def _seen(service: KubeService) -> set[IPAddress]:
    """Return the addresses that status shows, as far as they are any."""
    try:
        return set(addresses_in(service.ingress))
    except ValueError:
        return set()


def _precedence(service: KubeService) -> tuple[int, str, str]:
    return -service.ingress_entries, service.created, service.key


def _whole(item: Object) -> Object:
    metadata = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    return {**item, "metadata": metadata}


def _configures(item: Object) -> object:
    return item.get("spec")

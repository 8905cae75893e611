"""What this host does for balanced services: its settings, its tables, and connections that lead nowhere.

Everything here talks to the kernel and may take a while: it runs in threads.
"""

import errno
import time
from collections import Counter
from collections.abc import Collection, Iterable
from ipaddress import ip_address
from pathlib import Path
from threading import Lock
from typing import Final

from roost.decide.forwarding.backends import Key
from roost.decide.forwarding.balancing import Pools, ruleset_of
from roost.decide.forwarding.ruleset import Ruleset
from roost.deliver.forwarding.table import ForwardTable
from roost.model.address import IPAddress
from roost.model.flow import UDP
from roost.model.forwarding import Target
from roost.model.slots import Slots
from roost.runtime.remembered import Memory
from roost.runtime.router_settings import RouterSettings
from roost.runtime.tracked import Place, Tracked, forget, tracked, tracks

__all__ = ["ForwardingHost", "open_connections"]

_VERSIONS: Final = (4, 6)
_ONE_BY_ONE: Final = 4  # addresses: for more of them one look at everything costs less


class ForwardingHost:
    """The host of the calling threads' network namespace; `state` is a folder for what outlives a crash.

    Calls take turns, since whoever waits for one may be cancelled while it goes on.
    """

    def __init__(self, state: Path) -> None:
        self.transactions = 0
        self.last_took = 0.0  # seconds that the kernel took for the last one
        self._settings = RouterSettings(state / "router-settings.json")
        self._memory = Memory(state / "forwarding.json", "the health of backends")
        self._tables = {version: ForwardTable(version) for version in _VERSIONS}
        self._known: dict[Key, bool] | None = None  # what is remembered
        self._slots = Slots()
        self._served: frozenset[tuple[Target, int]] = frozenset()
        self._there = self._left = bool(self._memory.recall())  # whether tables are there, left by another
        self._turn = Lock()
        self._ended = False

    def recall(self) -> dict[Key, bool]:
        """Return which backends were up for a predecessor that was killed."""
        try:
            return {
                Key(str(service), Target(ip_address(address), int(port))): bool(up)
                for service, address, port, up in self._memory.recall().get("backends", ())
            }
        except (ValueError, TypeError) as error:
            self._memory.distrust(error)
            return {}

    def apply(self, wanted: Pools, known: dict[Key, bool], links: Iterable[str]) -> tuple[str, ...]:
        """Put `wanted` in force; returns what had to be set or put right, in words.

        Raises OSError and SettingError.
        """
        with self._turn:
            return () if self._ended else self._apply(wanted, known, links)

    def _apply(self, wanted: Pools, known: dict[Key, bool], links: Iterable[str]) -> tuple[str, ...]:
        ruleset = ruleset_of(wanted, self._slots)
        if not ruleset.held:
            self._clear()
            return ()
        if not self._there:
            self._remember(known)  # before anything is there: whoever comes after a crash has to know of it
        self._there = True
        done = self._settings.enforce(ruleset.versions, links)
        followed = [self._follow(table, version, ruleset) for version, table in self._tables.items()]
        lost = tuple(each for each in followed if each)
        self._left = False
        self._abandon(wanted)
        self._remember(known)
        return (*done, *lost)

    def verify(self, versions: Collection[int], links: Iterable[str]) -> tuple[str, ...]:
        """Look whether all is as it was set, and return what was not: `apply` puts it right."""
        with self._turn:
            if self._ended:
                return ()
            lost = tuple(each for table in self._tables.values() if (each := table.differs()))
            return (*self._settings.enforce(versions, links), *lost)

    def end(self) -> None:
        """Leave nothing behind, whatever is asked for later. Raises OSError."""
        with self._turn:
            self._ended = True
            try:
                self._clear()
            finally:
                for table in self._tables.values():
                    table.close()

    def _clear(self) -> None:
        if not self._there:
            return
        for table in self._tables.values():
            table.remove()
        self._settings.release()
        self._memory.keep({})
        self._known = None
        self._there = self._left = False

    def _remember(self, known: dict[Key, bool]) -> None:
        if known != self._known:
            rows = [[key.service, str(key.target.address), key.target.port, up] for key, up in known.items()]
            self._memory.keep({"backends": rows})
            self._known = known

    def _follow(self, table: ForwardTable, version: int, ruleset: Ruleset) -> str:
        """Put a table in force, and list it; returns what another program had changed."""
        if version not in ruleset.versions:
            if table.there or self._left:
                table.remove()
            return ""
        begin = time.monotonic()
        if table.follow(ruleset):
            self.transactions += 1
            self.last_took = time.monotonic() - begin
        lost = table.differs()
        if lost:
            table.follow(ruleset)
            if again := table.differs():
                raise OSError(errno.EBUSY, f"{again} again and again")
        return lost

    def _abandon(self, wanted: Pools) -> None:
        """Forget UDP flows to backends that have just gone down, or out of the file: they find others."""
        there = {*wanted.rest.back, *wanted.rest.masqueraded} - wanted.down
        news = {target for target, protocol in self._served - there if protocol == UDP}
        self._served = frozenset(there)
        if not news or not tracks():
            return
        places = {_place(target) for target in news}
        for version in {target.address.version for target in news}:
            dead = [
                each
                for each in tracked(version)
                if each.protocol == UDP and (each.answerer in places or each.source in places)
            ]
            forget(dead)


def open_connections(
    addresses: Collection[IPAddress], targets: Collection[Target]
) -> Counter[tuple[IPAddress, Target]]:
    """Count what is tracked for each of `addresses` and each of `targets` behind it. Raises OSError."""
    found: Counter[tuple[IPAddress, Target]] = Counter()
    if not tracks():
        return found
    vips = {address.packed: address for address in addresses}
    places = {_place(target): target for target in targets}
    for entry in _entries(addresses):
        # Whichever side was heard first after the connection had come here is the source.
        begun_by_client = entry.target[0] in vips
        vip = entry.target[0] if begun_by_client else entry.asker[0]
        target = places.get(entry.answerer if begun_by_client else entry.source)
        if entry.open and vip in vips and target is not None:
            found[vips[vip], target] += 1
    return found


def _entries(addresses: Collection[IPAddress]) -> Iterable[Tracked]:
    if len(addresses) > _ONE_BY_ONE:
        for version in {address.version for address in addresses}:
            yield from tracked(version)
        return
    for address in addresses:
        yield from tracked(address.version, to=address)
        yield from tracked(address.version, back_to=address)


def _place(target: Target) -> Place:
    return target.address.packed, target.port

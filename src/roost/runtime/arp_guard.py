"""Keep the kernel from speaking ARP for VIPs that this host holds but does not lead.

Two sysctls per interface (Documentation/networking/ip-sysctl.rst of Linux) decide, each as the greater of
`conf/all` and `conf/<interface>`:

- `arp_ignore` 3: addresses of scope host, and local routes without an address, are not answered for; every
  other address of the host is, on every interface, as before. 1, 2 and 8 are stricter and protect as well.
  0 answers for all, and so do the reserved 4 to 7.
- `arp_announce` 2: the kernel's own requests carry an address of the interface as their sender. With 0 and 1
  a VIP can be the sender, and everybody who hears such a request moves the VIP to this node.

What the administrator has set stays where it protects. `conf/all` is never written: it would weaken the
interfaces that are set to 1 or 2. `conf/default` is, so that an interface made later is guarded from birth.
The kernel copies a new default to all interfaces that were never set themselves, hence all values are read
before the first is written. An interface that comes later has our value by birth, so what `default` was
before is what it would have had: that is put back there in the end. The values found are remembered in a
file, so that a process killed and started again can still put them back.
"""

import asyncio
import logging
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from roost.runtime import kernel_settings
from roost.runtime.remembered import Memory

__all__ = ["ArpGuard", "LocalDeliveryError"]

_log = logging.getLogger(__name__)

_DEFAULT: Final = "default"
_BREATH: Final = 64  # interfaces read before other tasks get their turn


class LocalDeliveryError(Exception):
    """This host cannot hold a VIP safely; the text names the cause and the cure."""


@dataclass(frozen=True, slots=True)
class _Setting:
    """A sysctl, the value that guards, and all values that do."""

    name: str
    value: int
    protecting: frozenset[int]

    def target(self, everywhere: int, current: int, before: int | None) -> int:
        """Return what an interface should have, given `conf/all`, its value and the one before ours."""
        if (
            current == self.value
            and before is not None
            and max(everywhere, before) in self.protecting - {self.value}
        ):
            return before  # `all` became stricter than we are: stand back, 3 would win over 1
        return current if max(everywhere, current) in self.protecting else self.value


_SETTINGS: Final = (
    _Setting("arp_ignore", 3, frozenset({1, 2, 3, 8})),
    _Setting("arp_announce", 2, frozenset({2})),
)


@dataclass(frozen=True, slots=True)
class _Change:
    setting: _Setting
    key: str  # the interface's index, or "default": names change
    name: str
    current: int
    target: int


@dataclass(slots=True)
class _Past:
    """What was set before, by interface and setting, and the interfaces that were looked at."""

    before: dict[str, dict[str, int]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)


class ArpGuard:
    """The guard of one network namespace: that of the thread that calls. `memory` survives a crash."""

    def __init__(self, memory: Path | None = None) -> None:
        self._memory = Memory(memory, "the ARP settings of before")
        self._past = _recall(self._memory)

    async def enforce(self) -> tuple[str, ...]:
        """Guard every interface and those to come; returns what had to be set, in words.

        Raises LocalDeliveryError when an interface stays unguarded.
        """
        newcomers = self._meet()
        changes = await self._missing()
        for change in changes:
            if change.target == change.setting.value:
                self._past.before.setdefault(change.key, {}).setdefault(change.setting.name, change.current)
        if changes or newcomers:
            self._remember()  # before the first write: a crash between the two forgets nothing
        if not changes:
            return ()
        for change in changes:
            _write(change)
        still = await self._missing()
        if still:
            names = ", ".join(f"net.ipv4.conf.{each.name}.{each.setting.name}" for each in still[:4])
            raise LocalDeliveryError(
                f"the kernel does not keep {names} as set; is another program setting it?"
            )
        return tuple(
            f"net.ipv4.conf.{each.name}.{each.setting.name} was {each.current}, is now {each.target}"
            for each in changes
        )

    async def release(self) -> None:
        """Put back what was there before, except where somebody else has changed it since."""
        self._meet()
        names = dict(_interfaces())
        for key in sorted(self._past.before, key=lambda key: key != _DEFAULT):
            for setting in _SETTINGS:
                before = self._past.before[key].get(setting.name)
                name = names.get(key)
                if before is None or name is None or _read(name, setting) != setting.value:
                    continue
                try:
                    _write(_Change(setting, key, name, setting.value, before))
                except LocalDeliveryError as error:
                    _log.warning("cannot put back the ARP settings of before: %s", error)
            await asyncio.sleep(0)
        self._past = _Past()
        self._remember()

    def _meet(self) -> bool:
        """Note interfaces that came since the last look, forget those that went; tells whether any did.

        Who comes while `default` is ours has our value from it, and would have had the one of before.
        """
        names = dict(_interfaces())
        came, went = names.keys() - self._past.seen, self._past.seen - names.keys()
        inherited = self._past.before.get(_DEFAULT, {})
        for key in came - {_DEFAULT}:
            for setting in _SETTINGS:
                if setting.name in inherited and _read(names[key], setting) == setting.value:
                    self._past.before.setdefault(key, {})[setting.name] = inherited[setting.name]
        for key in went:
            self._past.before.pop(key, None)
        self._past.seen = set(names)
        return bool(came or went)

    async def _missing(self) -> list[_Change]:
        everywhere = {setting: _read("all", setting) for setting in _SETTINGS}
        if None in everywhere.values():
            raise LocalDeliveryError("/proc/sys/net/ipv4/conf cannot be read: mount /proc in this container")
        changes = []
        for number, (key, name) in enumerate(_interfaces()):
            for setting, above in everywhere.items():
                current = _read(name, setting)
                if current is None or above is None:
                    continue  # the interface has gone, or speaks no IPv4
                target = setting.target(above, current, self._past.before.get(key, {}).get(setting.name))
                if target == current:
                    continue
                if max(above, target) not in setting.protecting:
                    raise LocalDeliveryError(
                        f"net.ipv4.conf.all.{setting.name} is {above}, which makes the kernel speak ARP for "
                        f"every VIP whatever the interface says: set it to 0"
                    )
                changes.append(_Change(setting, key, name, current, target))
            if number % _BREATH == _BREATH - 1:
                await asyncio.sleep(0)
        return changes

    def _remember(self) -> None:
        past = {"before": self._past.before, "seen": sorted(self._past.seen)}
        self._memory.keep(past if self._past.before else {})


def _recall(memory: Memory) -> _Past:
    names = {setting.name for setting in _SETTINGS}
    facts = memory.recall()
    if not facts:
        return _Past()
    try:
        before = {
            str(key): {name: int(value) for name, value in values.items() if name in names}
            for key, values in facts["before"].items()
        }
        return _Past(before, set(map(str, facts["seen"])))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        memory.distrust(error)
        return _Past()


def _interfaces() -> Iterator[tuple[str, str]]:
    """Yield (key, name), the default first; lo has no neighbours to speak ARP with."""
    yield _DEFAULT, _DEFAULT
    links: Iterable[tuple[int, str]] = socket.if_nameindex()
    yield from ((str(index), name) for index, name in links if name != "lo")


def _read(name: str, setting: _Setting) -> int | None:
    return kernel_settings.read(f"ipv4/conf/{name}/{setting.name}")


def _write(change: _Change) -> None:
    try:
        kernel_settings.write(
            f"ipv4/conf/{change.name}/{change.setting.name}",
            change.target,
            elsewhere="set it on the host for every interface and for `default`",
        )
    except kernel_settings.SettingError as error:
        raise LocalDeliveryError(str(error)) from error

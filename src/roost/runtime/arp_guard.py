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
before the first is written. The values found are remembered in a file, so that a process killed and started
again can still put them back.
"""

import asyncio
import errno
import json
import logging
import os
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["ArpGuard", "LocalDeliveryError"]

_log = logging.getLogger(__name__)

_CONF: Final = Path("/proc/sys/net/ipv4/conf")
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


class ArpGuard:
    """The guard of one network namespace: that of the thread that calls. `memory` survives a crash."""

    def __init__(self, memory: Path | None = None) -> None:
        self._memory = memory
        self._before = _recall(memory)

    async def enforce(self) -> tuple[str, ...]:
        """Guard every interface and those to come; returns what had to be set, in words.

        Raises LocalDeliveryError when an interface stays unguarded.
        """
        changes = await self._missing()
        if not changes:
            return ()
        for change in changes:
            if change.target == change.setting.value:
                self._before.setdefault(change.key, {}).setdefault(change.setting.name, change.current)
        self._remember()  # before the first write: a crash between the two forgets nothing
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
        names = dict(_interfaces())
        for key in sorted(self._before, key=lambda key: key != _DEFAULT):
            for setting in _SETTINGS:
                before = self._before[key].get(setting.name)
                name = names.get(key)
                if before is None or name is None or _read(name, setting) != setting.value:
                    continue
                try:
                    _write(_Change(setting, key, name, setting.value, before))
                except LocalDeliveryError as error:
                    _log.warning("cannot put back the ARP settings of before: %s", error)
            await asyncio.sleep(0)
        self._before = {}
        self._remember()

    async def _missing(self) -> list[_Change]:
        everywhere = {setting: _read("all", setting) for setting in _SETTINGS}
        if None in everywhere.values():
            raise LocalDeliveryError(f"{_CONF} cannot be read: mount /proc in this container")
        changes = []
        for number, (key, name) in enumerate(_interfaces()):
            for setting, above in everywhere.items():
                current = _read(name, setting)
                if current is None or above is None:
                    continue  # the interface has gone, or speaks no IPv4
                target = setting.target(above, current, self._before.get(key, {}).get(setting.name))
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
        if self._memory is None:
            return
        try:
            if not self._before:
                self._memory.unlink(missing_ok=True)
                return
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            draft = self._memory.with_suffix(".new")
            draft.write_text(json.dumps({"namespace": _namespace(), "before": self._before}))
            draft.replace(self._memory)
        except OSError as error:
            _log.warning("cannot remember the ARP settings of before in %s: %s", self._memory, error)


def _recall(memory: Path | None) -> dict[str, dict[str, int]]:
    """Read what a predecessor in this network namespace remembered; anything unreadable is nothing."""
    if memory is None or not memory.exists():
        return {}
    names = {setting.name for setting in _SETTINGS}
    try:
        document = json.loads(memory.read_text())
        if document["namespace"] != _namespace():
            return {}
        return {
            str(key): {name: int(value) for name, value in values.items() if name in names}
            for key, values in document["before"].items()
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        _log.warning("cannot read the ARP settings of before from %s: %s", memory, error)
        return {}


def _interfaces() -> Iterator[tuple[str, str]]:
    """Yield (key, name), the default first; lo has no neighbours to speak ARP with."""
    yield _DEFAULT, _DEFAULT
    links: Iterable[tuple[int, str]] = socket.if_nameindex()
    yield from ((str(index), name) for index, name in links if name != "lo")


def _read(name: str, setting: _Setting) -> int | None:
    try:
        return int((_CONF / name / setting.name).read_text())
    except (OSError, ValueError):
        return None


def _write(change: _Change) -> None:
    path = _CONF / change.name / change.setting.name
    wish = f"net.ipv4.conf.{change.name}.{change.setting.name}={change.target}"
    try:
        path.write_text(str(change.target))
    except FileNotFoundError:
        return  # the interface has gone
    except OSError as error:
        cures = {
            errno.EROFS: "/proc/sys is mounted read-only: run the container privileged, or set it on the "
            "host for every interface and for `default`",
            errno.EACCES: "give the process CAP_NET_ADMIN in this network namespace",
            errno.EPERM: "give the process CAP_NET_ADMIN in this network namespace",
        }
        reason = os.strerror(error.errno) if error.errno else str(error)
        cure = cures.get(error.errno or 0, "set it by hand")
        raise LocalDeliveryError(f"cannot set {wish}: {reason}; {cure}") from error


def _namespace() -> int:
    return Path("/proc/thread-self/ns/net").stat().st_ino

"""What a host needs to pass packets on between links, set while that is wanted and put back afterwards.

Documentation/networking/ip-sysctl.rst of Linux:

- `ip_forward`, and IPv6's `conf/all/forwarding`. The first resets `accept_redirects`, and the forwarding of
  single links when it is taken back. With the second a link forgets its routers unless its `accept_ra` is 2.
- `rp_filter` 2 on the links that take part instead of 1, the greater of `all` and the link's counts: clients
  may come by another way than the one back to them.
- `send_redirects` 0, for `all` and for the link: clients and backends on one link would be told to go past
  this host.

A value that does already is left alone. What was found is remembered in a file, so that a process killed and
started again can still put it back.
"""

import logging
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from roost.runtime.kernel_settings import SettingError, read, write
from roost.runtime.remembered import Memory

__all__ = ["RouterSettings"]

_log = logging.getLogger(__name__)

_NET: Final = Path("/proc/sys/net")
_FOR_ANY: Final = -1  # in place of a value of ours: it is the kernel that changes it


@dataclass(frozen=True, slots=True)
class _Wish:
    """`name` below /proc/sys/net is to have `value`; with `_FOR_ANY` it is only remembered."""

    name: str
    value: int


class RouterSettings:
    """The settings of one network namespace: that of the thread that calls. `memory` survives a crash."""

    def __init__(self, memory: Path | None = None) -> None:
        self._memory = Memory(memory, "the settings for forwarding of before")
        self._before: dict[str, tuple[int, int]] = {}  # name -> found, and set here, in the order of writing
        try:
            found = self._memory.recall().get("before", {})
            self._before = {str(name): (int(old), int(ours)) for name, (old, ours) in found.items()}
        except (ValueError, TypeError, AttributeError) as error:
            self._memory.distrust(error)

    def enforce(self, versions: Collection[int], links: Iterable[str]) -> tuple[str, ...]:
        """Let these versions of IP (4, 6) be passed on between `links`; returns what had to be set.

        Raises SettingError.
        """
        wishes = [wish for wish in _wishes(versions, sorted(links)) if read(wish.name) is not None]
        missing = [wish for wish in wishes if wish.value not in (_FOR_ANY, read(wish.name))]
        if not missing:
            return ()
        for wish in wishes:
            found = read(wish.name)
            if found is not None and wish.value != found:
                self._before.setdefault(wish.name, (found, wish.value))
        self._remember()  # before the first write: a crash between the two forgets nothing
        done = []
        for wish in missing:
            done.append(f"net.{wish.name.replace('/', '.')} was {read(wish.name)}, is now {wish.value}")
            write(wish.name, wish.value)
        return tuple(done)

    def release(self) -> None:
        """Put back what was there before, except where somebody else has changed it since."""
        for name, (found, ours) in reversed(self._before.items()):
            if ours != _FOR_ANY and read(name) != ours:
                continue
            try:
                write(name, found)
            except SettingError as error:
                _log.warning("cannot put back the settings of before: %s", error)
        self._before = {}
        self._remember()

    def _remember(self) -> None:
        self._memory.keep({"before": self._before} if self._before else {})


def _wishes(versions: Collection[int], links: Collection[str]) -> Iterator[_Wish]:
    """Yield what has to be so, in the order in which it is to be written."""
    if 4 in versions:
        if read("ipv4/ip_forward") == 0:
            yield _Wish("ipv4/conf/all/accept_redirects", _FOR_ANY)
            for name in ("default", *_links(4)):
                if read(f"ipv4/conf/{name}/forwarding"):
                    yield _Wish(f"ipv4/conf/{name}/forwarding", _FOR_ANY)
        yield _Wish("ipv4/ip_forward", 1)
        yield _Wish("ipv4/conf/all/send_redirects", 0)
        strict = read("ipv4/conf/all/rp_filter") == 1
        for link in links:
            yield _Wish(f"ipv4/conf/{link}/send_redirects", 0)
            if strict or read(f"ipv4/conf/{link}/rp_filter") == 1:
                yield _Wish(f"ipv4/conf/{link}/rp_filter", 2)
    if 6 in versions:
        if read("ipv6/conf/all/forwarding") == 0:
            for link in _links(6):
                if read(f"ipv6/conf/{link}/accept_ra") == 1:
                    yield _Wish(f"ipv6/conf/{link}/accept_ra", 2)
        yield _Wish("ipv6/conf/all/forwarding", 1)


def _links(version: int) -> list[str]:
    try:
        names = os.listdir(_NET / f"ipv{version}/conf")  # noqa: PTH208 - names alone
    except OSError:
        return []
    return sorted(set(names) - {"all", "default", "lo"})

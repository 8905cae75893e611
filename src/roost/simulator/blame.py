"""Three rules about nodes rather than addresses: who is declared gone, who claims, who leads again and again.

    verdict   a node is declared gone that nothing has befallen of late, and that another node could hear
    deaf      a node that hears nobody, and has had the time to find out, claims what another one answers
    flapping  a lead returns again and again to a node that gets lost each time, although others could have it

Faults on the accuser excuse nothing: it has to know that it may be the one. But times are by its own clock:
if that stood still, what it knew before is a moment old for it, and nothing tells it otherwise.
"""

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from roost.simulator.host import Host
from roost.simulator.lan import Lan

__all__ = ["Deaf", "Returns", "Untouched"]

_SETTLED: Final = 1.0  # seconds: what befell a node before that is over
_SEVERAL: Final = 2  # others do not fall silent together: of fewer each may be the one
_WINDOW: Final = 20.0  # seconds in which returns are counted


class Untouched:
    """Since when nothing has befallen each host; times are virtual."""

    def __init__(self, lan: Lan) -> None:
        self._lan = lan
        self._since: dict[str, dict[str, float]] = {}  # by the clock of each host
        self._switches: dict[str, int] = {}  # where they were: others find them there until they speak
        self._split = float("-inf")  # when the switches did not reach each other last

    def look(self, hosts: Collection[Host], now: float) -> None:
        """Take how they are at this moment."""
        if self._lan.split:
            self._split = now
        for host in hosts:
            moved = self._switches.get(host.name, host.port.switch) != host.port.switch
            self._switches[host.name] = host.port.switch
            if moved or not host.untouched:
                self._since.pop(host.name, None)
            elif host.name not in self._since:
                self._since[host.name] = {each.name: each.time() for each in hosts}

    def wronged(self, accuser: Host, subject: Host, hosts: Mapping[str, Host], now: float) -> str:
        """Return who could have told `accuser` that `subject` is well, or "" when there was nobody."""
        if now - self._split < _SETTLED or not self._is_well(subject, accuser):
            return ""
        others = (each for each in hosts.values() if each not in (accuser, subject))
        able = (
            each.name
            for each in others
            if self._is_well(each, accuser)
            and self._lan.joined(each.port, subject.port)
            and self._lan.joined(each.port, accuser.port)
            and accuser.port.sends
            and not accuser.port.loss  # answers of all may be lost by chance
        )
        return next(able, "")

    def well_beside(self, host: Host, hosts: Collection[Host]) -> int:
        """Return how many others are well that `host` could hear, did its own port work."""
        return sum(
            each is not host and self._is_well(each, host) and self._lan.joined(host.port, each.port)
            for each in hosts
        )

    def _is_well(self, host: Host, accuser: Host) -> bool:
        since = self._since.get(host.name)
        return host.untouched and since is not None and accuser.time() - since[accuser.name] >= _SETTLED


class Deaf:
    """Since when each node that runs hears nobody any more, having had several others; times are virtual.

    One that had lost the others before, because nobody heard it, may well take itself for alone.
    """

    def __init__(self, untouched: Untouched) -> None:
        self._untouched = untouched
        self._had_several: dict[str, bool] = {}  # of those that hear nobody
        self._since: dict[str, float] = {}

    def look(self, hosts: Collection[Host], now: float) -> None:
        """Take how they are at this moment."""
        for host in hosts:
            name, process = host.name, host.process
            if host.port.hears:
                self._had_several.pop(name, None)
                self._since.pop(name, None)
                continue
            if process is None or now - process.began < _SETTLED:
                self._had_several[name] = False  # it may well take itself for alone
            elif name not in self._had_several:
                well = self._untouched.well_beside(host, hosts)
                self._had_several[name] = min(well, process.others) >= _SEVERAL
            if self._had_several[name] and host.runs:
                self._since.setdefault(name, now)
            else:
                self._since.pop(name, None)

    def knows(self, host: Host, now: float) -> bool:
        """Tell whether a node has heard nobody for so long that it has to know."""
        return not host.port.hears and now - self._since.get(host.name, now) >= _SETTLED


@dataclass(slots=True)
class Returns:
    """How often one address came back to nodes that had been lost while others answered for it."""

    _lost: dict[str, bool] = field(default_factory=dict)  # who was -> whether another one has answered since
    _when: dict[str, deque[float]] = field(default_factory=dict)

    def lose(self, name: str) -> None:
        """Take note that a node that answered can do so no more."""
        self._lost[name] = False

    def answers(self, name: str, now: float, *, began: float, needed: bool) -> int:
        """Take note that a node answers; return how often it came back of late, unless it was `needed`.

        What was before its process `began` that cannot know.
        """
        moved = self._lost.pop(name, False)
        self._lost = dict.fromkeys(self._lost, True)
        if needed or not moved:
            return 0
        times = self._when.setdefault(name, deque())
        times.append(now)
        while times[0] < max(now - _WINDOW, began):
            times.popleft()
        return len(times)

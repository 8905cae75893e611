"""Whom gossip reaches in part only, or not at all although the host is well. Pure: time comes in.

    members -> suspected for long, wanting other services        faults -> UDP silent, senders not understood

One lost packet is nothing: a complaint begins when the same thing has happened again and again, and ends when
it has not happened for a while.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from roost.decide.members import ClusterMember
from roost.model.address import IPAddress
from roost.model.node import Verdict
from roost.observe.text import printable
from roost.protocols.bounded import remember
from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.effects import Fault

__all__ = ["Reach"]

_SUSPECTED: Final = 2.0  # seconds of suspicion that a lost packet does not explain
_WELL: Final = 5.0  # seconds without a suspicion after which all is well again
_OFTEN: Final = 3  # faults of one kind and source that are no accident
_TWICE: Final = 2  # exchanges are rare
_MISSED: Final = 4  # faults in their own rhythm that did not come: it is over,
_SOONEST: Final = 3.0  # and not before so many seconds
_LATEST: Final = 60.0  # nor later than that
_FAULTS: Final = 64  # sources remembered for each kind
_DIFFERS: Final = 3.0  # seconds for which nodes may want different services: a change is being rolled out
_HANDOVER: Final = 3.0  # seconds
_DETAIL: Final = 200  # characters


@dataclass(slots=True)
class _Run:
    """Faults of one kind and source, with no long gap between them."""

    count: int
    first: float
    last: float
    detail: str

    def goes_on(self, now: float) -> bool:
        """Tell whether one more would be no news."""
        rhythm = (self.last - self.first) / (self.count - 1) if self.count > 1 else _LATEST
        return now - self.last <= min(max(_MISSED * rhythm, _SOONEST), _LATEST)


@dataclass(slots=True)
class _Suspected:
    since: float | None  # of the present suspicion
    for_long: bool = False
    until: float = 0.0  # when the last suspicion ended


class Reach:
    """Follows what gossip meets; times are seconds."""

    def __init__(self) -> None:
        self._runs: dict[str, dict[str, _Run]] = {}  # kind -> host -> run
        self._suspected: dict[str, _Suspected] = {}
        self._stood_in: dict[IPAddress, float] = {}  # addresses -> since when
        self._differs: dict[str, float] = {}  # members that want other services -> since when

    def follow(self, members: Iterable[ClusterMember], digest: str, now: float) -> None:
        """Take all members, after any of them changed, and the digest of what this node wants."""
        known = {member.name: member for member in members}
        for name, member in known.items():
            self._follow_suspicion(name, suspect=member.verdict is Verdict.SUSPECT, now=now)
        self._suspected = {name: each for name, each in self._suspected.items() if name in known}
        differ = {name for name, member in known.items() if member.is_roost and member.wants_others(digest)}
        self._differs = {name: self._differs.get(name, now) for name in differ}

    def fault(self, fault: Fault, now: float) -> None:
        """Take something that went wrong."""
        runs = self._runs.setdefault(fault.kind, {})
        host = fault.source.host if fault.source else ""
        run = runs.get(host)
        count, first = (run.count + 1, run.first) if run and run.goes_on(now) else (1, now)
        remember(runs, host, _Run(count, first, now, printable(fault.detail, _DETAIL)), _FAULTS)

    def recent(self, kind: str, now: float, often: int = _OFTEN) -> Mapping[str, str]:
        """Return the hosts of which such faults came `often` and still come, with the last one's text."""
        runs = self._runs.get(kind, {})
        return {host: run.detail for host, run in runs.items() if run.count >= often and run.goes_on(now)}

    def suspected_for_long(self, now: float) -> frozenset[str]:
        """Return the members that gossip misses all the time, although nobody has found them dead."""
        return frozenset(name for name, each in self._suspected.items() if _is_for_long(each, now))

    def is_over_udp(self, endpoint: Endpoint, now: float) -> bool:
        """Tell whether a member answers over UDP, as far as is known."""
        return endpoint.host not in self.recent("tcp-only", now)

    def is_in_frames(self, endpoint: Endpoint, now: float) -> bool:
        """Tell whether a member answers in frames of the LAN, over neither UDP nor TCP."""
        return endpoint.host in self.recent("frames-only", now)

    def is_over_tcp(self, endpoint: Endpoint, since: float, now: float) -> bool:
        """Tell whether a member, there `since` then, answers over TCP, as far as is known."""
        run = self._runs.get("exchange-failed", {}).get(endpoint.host)
        return run is None or run.count < _TWICE or run.first <= since or not run.goes_on(now)

    def lasting(self, stand_ins: Mapping[IPAddress, str], now: float) -> None:
        """Take who stands in for others, again and again: on a handover somebody does for a moment."""
        self._stood_in = {address: self._stood_in.get(address, now) for address in stand_ins}

    def stood_in_for_long(self, now: float) -> frozenset[IPAddress]:
        """Return the addresses that have been stood in for longer than a handover takes."""
        return frozenset(each for each, since in self._stood_in.items() if now - since >= _HANDOVER)

    def differing(self, now: float) -> frozenset[str]:
        """Return the members that want other services than this node, and have done so for a while."""
        return frozenset(name for name, since in self._differs.items() if now - since >= _DIFFERS)

    def _follow_suspicion(self, name: str, *, suspect: bool, now: float) -> None:
        known = self._suspected.get(name)
        if suspect:
            if known is None:
                self._suspected[name] = _Suspected(now)
            elif known.since is None:
                self._suspected[name] = _Suspected(now, for_long=_is_for_long(known, now))
        elif known is not None and known.since is not None:
            known.for_long, known.since, known.until = _is_for_long(known, now), None, now


def _is_for_long(each: _Suspected, now: float) -> bool:
    if each.since is not None:
        return each.for_long or now - each.since >= _SUSPECTED
    return each.for_long and now - each.until < _WELL

"""A rule about leads that stay: nothing moves while their holder is well, but for the sake of a duration.

    kept      a lead with `failback` leaves a node that nothing has befallen for one that was well too shortly

It is judged where it is plain who is sick: while a fault can make nodes see each other otherwise than they
are (gossip blocked, a split, losses), or some want other services, and for a while after, somebody has to
give way.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import accumulate
from typing import Final

from roost.model.address import IPAddress
from roost.simulator.faults import Fault, Schedule

__all__ = ["Keeping"]

_PLAIN: Final = frozenset({"freeze", "kill", "term", "carrier", "flap", "pause", "drain", "forget"})
_NOTICED: Final = frozenset({"kill", "term", "freeze", "carrier"})
_LONG: Final = 0.5  # seconds
_START: Final = 6.0  # seconds in which a cluster finds itself
_AFTER: Final = 12.0  # seconds after a fault that is not plain
_ALONE: Final = 2.0  # seconds for which a node has to answer alone to have the lead,
_WELL: Final = 6.0  # and since it got sick last: it may have started anew, as all others
_SLACK: Final = 0.1  # seconds

_Place = tuple[int, IPAddress]  # a switch, and an address there


class Keeping:
    """Judges a run of `schedule`; times are seconds of the run."""

    def __init__(self, schedule: Schedule) -> None:
        self._failback = {
            spec.ip: spec.seconds for spec in schedule.services if spec.seconds and not spec.shared
        }
        self._odd = _Ends(fault for fault in schedule.faults if fault.kind not in _PLAIN)
        self._of: Mapping[str, _Ends] = {
            name: _Ends(fault for fault in schedule.faults if fault.node == name) for name in schedule.names
        }
        self._noticed: Mapping[str, _Ends] = {
            name: _Ends(
                fault
                for fault in schedule.faults
                if fault.node == name and fault.kind in _NOTICED and fault.duration >= _LONG
            )
            for name in schedule.names
        }
        self._alone: dict[_Place, tuple[str, float]] = {}  # who answers alone, and since when

    @property
    def addresses(self) -> Collection[IPAddress]:
        """The addresses whose leads stay for a while: only those are judged."""
        return self._failback.keys()

    def judge(self, place: _Place, who: frozenset[str], is_waiting: Callable[[str], bool], at: float) -> str:
        """Take who answers for one of `addresses`; return what is wrong, or "".

        Nodes that are waiting would rather not lead.
        """
        failback = self._failback[place[1]]
        holder, since = self._alone.get(place, ("", at))
        if (
            at < _START
            or at <= self._odd.last(at) + _AFTER
            or at - self._well_since(holder, at) < _WELL
            or is_waiting(holder)
        ):
            since = at
        others = who - {holder}
        if len(who) == 1 and others:
            self._alone[place] = (next(iter(who)), at)
        elif holder:
            self._alone[place] = (holder, since)
        # While both answer it has not moved: a host that stood still does not know better yet.
        if not others or not holder or holder in who or at - since < _ALONE:
            return ""
        soon = sorted(each for each in others if at - self._could_since(each, at) < failback - _SLACK)
        return f"from {holder}, which is well, to {', '.join(soon)}" if soon else ""

    def _well_since(self, name: str, at: float) -> float:
        """Return when the last fault that concerned a node was over; the future while one is on."""
        return self._of[name].last(at, 0.0) if name else 0.0

    def _could_since(self, name: str, at: float) -> float:
        """Return the same as the node itself may see it: it knows of no short hang, or drain unheard."""
        return self._noticed[name].last(at, 0.0)


class _Ends:
    """When faults are over, the last of those that have begun by a moment; seconds of the run."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        in_order = sorted(faults, key=lambda fault: fault.at)
        self._begins = [fault.at for fault in in_order]
        self._ends = list(accumulate((fault.end for fault in in_order), max))

    def last(self, at: float, never: float = float("-inf")) -> float:
        """Return it, or `never` when none has begun."""
        begun = bisect_right(self._begins, at)
        return self._ends[begun - 1] if begun else never

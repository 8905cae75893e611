"""Faults of membership for people: remembered per kind, and logged no more often than they can read.

A peer that does not answer is asked again and again. That is one line, some seconds after the first time (at
a start the others may be starting, too), and no other until it has been a member again.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Final

from roost.observe.quiet import Quiet
from roost.observe.text import printable
from roost.protocols.memberlist.effects import Fault

__all__ = ["FaultLog", "FaultRecord"]

_log = logging.getLogger("roost.membership")

_QUIET: Final = 10.0  # seconds between two lines of one kind
_UNREACHED: Final = "exchange-failed"
_PATIENCE: Final = 5.0  # seconds in which a peer may still be starting
_PEERS_LIMIT: Final = 1024
_KINDS_LIMIT: Final = 64
_DETAIL_LIMIT: Final = 200  # characters


@dataclass(slots=True)
class FaultRecord:
    """All faults of one kind since the start: how many, when the first and last, and the last one's text.

    `source` is "" when the fault has none.
    """

    kind: str
    count: int
    first: datetime
    last: datetime
    detail: str
    source: str


class FaultLog:
    """Keeps one record per kind and logs one line per kind and 10 s, with the number left out.

    Of a peer that is not reached there is one line in all, or none if its end was told already.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._records: dict[str, FaultRecord] = {}
        self._quiet = Quiet(_QUIET)
        self._unreached: dict[str, float] = {}  # -> since when; infinity once it was told

    @property
    def records(self) -> tuple[FaultRecord, ...]:
        """The records, by kind."""
        return tuple(self._records[kind] for kind in sorted(self._records))

    def reached(self, peers: Iterable[str]) -> None:
        """Hear which endpoints are of living members: when they fail again, that is news."""
        for peer in peers:
            self._unreached.pop(peer, None)

    def lost(self, peers: Iterable[str]) -> None:
        """Hear which endpoints are of members whose loss was told."""
        for peer in peers:
            if peer in self._unreached or len(self._unreached) < _PEERS_LIMIT:
                self._unreached[peer] = inf

    def take(self, fault: Fault, now: float) -> None:
        """Remember `fault` and perhaps log it; `now` is monotonic seconds."""
        if fault.kind not in self._records and len(self._records) >= _KINDS_LIMIT:
            return
        detail = printable(fault.detail, _DETAIL_LIMIT)
        source = str(fault.source) if fault.source else ""
        moment = self._clock()
        record = self._records.setdefault(fault.kind, FaultRecord(fault.kind, 0, moment, moment, "", ""))
        record.count += 1
        record.last, record.detail, record.source = moment, detail, source
        if fault.kind == _UNREACHED and source:
            self._tell_unreached(detail, source, now)
        else:
            self._line(fault.kind, detail, source, now)

    def _tell_unreached(self, detail: str, source: str, now: float) -> None:
        if source not in self._unreached and len(self._unreached) >= _PEERS_LIMIT:
            return
        since = self._unreached.setdefault(source, now)
        if now - since >= _PATIENCE:
            self._unreached[source] = inf
            _log.warning("%s does not answer: %s; it is asked again and again", source, detail)
        else:
            _log.debug("%s does not answer: %s", source, detail)

    def _line(self, kind: str, detail: str, source: str, now: float) -> None:
        suppressed = self._quiet.due(kind, now)
        if suppressed is None:
            return
        facts = {"source": source, "suppressed": suppressed}
        _log.warning(
            "membership: %s: %s", kind, detail, extra={key: fact for key, fact in facts.items() if fact}
        )

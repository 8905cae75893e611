"""Faults of membership for people: remembered per kind, and logged no more often than they can read."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from roost.observe.quiet import Quiet
from roost.observe.text import printable
from roost.protocols.memberlist.effects import Fault

__all__ = ["FaultLog", "FaultRecord"]

_log = logging.getLogger("roost.membership")

_QUIET: Final = 10.0  # seconds between two lines of one kind
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
    """Keeps one record per kind and logs one line per kind and 10 s, with the number left out."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._records: dict[str, FaultRecord] = {}
        self._quiet = Quiet(_QUIET)

    @property
    def records(self) -> tuple[FaultRecord, ...]:
        """The records, by kind."""
        return tuple(self._records[kind] for kind in sorted(self._records))

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
        self._line(fault.kind, detail, source, now)

    def _line(self, kind: str, detail: str, source: str, now: float) -> None:
        suppressed = self._quiet.due(kind, now)
        if suppressed is None:
            return
        facts = {"source": source, "suppressed": suppressed}
        _log.warning(
            "membership: %s: %s", kind, detail, extra={key: fact for key, fact in facts.items() if fact}
        )

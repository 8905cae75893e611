"""The source held against this host: what cannot run here is refused, alone."""

from collections.abc import Sequence

from roost.model.complaint import Complaint
from roost.model.link import Link
from roost.runtime.links import on_host
from roost.speaker import complaints
from roost.speaker.source import Source

__all__ = ["Environment"]


class Environment:
    """What of `source` does not fit this host; what `before` complained about is not logged again."""

    def __init__(self, source: Source, before: "Environment | None" = None) -> None:
        self.complaints: Sequence[Complaint] = before.complaints if before else ()
        self._source = source

    @property
    def refused(self) -> frozenset[str]:
        """The services that cannot run on this host."""
        return frozenset(
            each.service for each in self.complaints if each.service and each.severity == "error"
        )

    def look(self, links: Sequence[Link], *, quietly: bool = False) -> bool:
        """Look at the host's links and addresses; tells whether other services are refused than before.

        `quietly`: warnings are not logged, only kept.
        """
        before = self.refused
        known, self.complaints = self.complaints, self._source.complaints(*on_host(links))
        told = [each for each in self.complaints if each.severity == "error" or not quietly]
        complaints.tell(told, known)
        return self.refused != before

"""The source held against this host: what cannot run here is refused, alone."""

import logging
from collections.abc import Sequence

from roost.model.complaint import Complaint
from roost.model.link import Link
from roost.speaker.source import Source

__all__ = ["Environment"]

_log = logging.getLogger("roost.speaker")


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

    def look(self, links: Sequence[Link]) -> bool:
        """Look at the host's links and addresses; tells whether other services are refused than before."""
        before = self.refused
        local = [(link.name, address) for link in links for address in link.addresses]
        complaints = self._source.complaints(local, [link.name for link in links])
        for each in complaints:
            if each not in self.complaints:
                _log.log(logging.ERROR if each.severity == "error" else logging.WARNING, "%s", each)
        self.complaints = complaints
        return self.refused != before

"""Where this node announces, for the log: one line for each change, whatever it means for the services."""

import logging
from collections.abc import Iterable

from roost.model.link import Link, why_silent

__all__ = ["LinkLog"]

_log = logging.getLogger("roost.speaker")


class LinkLog:
    """Remembers what was told, by name: the interfaces that announce, and those `lost` that are not back."""

    def __init__(self) -> None:
        self._names: frozenset[str] = frozenset()
        self.lost: frozenset[str] = frozenset()

    def announcing(self, able: Iterable[Link], links: Iterable[Link], patterns: Iterable[str] | None) -> None:
        """Tell that this node announces on `able`, of all its `links`; `patterns` are those configured."""
        before, self._names = self._names, frozenset(each.name for each in able)
        gone = before - self._names
        self.lost = (self.lost | gone) - self._names
        known = {each.name: why_silent(each, patterns) for each in links}
        left = {"interfaces": ", ".join(sorted(self._names)) or "none"}
        for name in sorted(gone):
            why = (known.get(name) or "is gone").replace("not among", "is not among")
            _log.warning("nothing is announced on %s any more: it %s", name, why, extra=left)
        if not gone:
            _log.info("announcing", extra=left)

"""What of the source does not fit this host, told once, and never more of it than people read."""

import logging
from collections.abc import Sequence
from typing import Final

from roost.model.complaint import Complaint

__all__ = ["tell"]

_log = logging.getLogger("roost.speaker")

_AT_ONCE: Final = 20  # lines: what is wrong with every service of a large file is one mistake


def tell(complaints: Sequence[Complaint], before: Sequence[Complaint]) -> None:
    """Log those of `complaints` that are not among those of `before`, those of one cause in one line."""
    known = frozenset(before)
    told = {(each.severity, each.cause) for each in before if each.cause}
    new: dict[object, list[Complaint]] = {}
    for each in complaints:
        key = (each.severity, each.cause or each)
        if each not in known and key not in told:
            new.setdefault(key, []).append(each)
    for alike in list(new.values())[:_AT_ONCE]:
        level = logging.ERROR if alike[0].severity == "error" else logging.WARNING
        more = f", and the same of {len(alike) - 1} more services" if len(alike) > 1 else ""
        _log.log(level, "%s%s", alike[0], more)
    if len(new) > _AT_ONCE:
        _log.warning("and %d more like these; `roost status --json` has all of them", len(new) - _AT_ONCE)

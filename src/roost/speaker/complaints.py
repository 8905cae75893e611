"""What of the source does not fit this host, told once, and never more of it than people read."""

import logging
from collections.abc import Sequence
from typing import Final

from roost.model.complaint import Complaint

__all__ = ["tell"]

_log = logging.getLogger("roost.speaker")

_AT_ONCE: Final = 20  # lines: what is wrong with every service of a large file is one mistake


def tell(complaints: Sequence[Complaint], before: Sequence[Complaint]) -> None:
    """Log those of `complaints` that are not among those of `before`."""
    known = frozenset(before)
    new = [each for each in complaints if each not in known]
    for each in new[:_AT_ONCE]:
        _log.log(logging.ERROR if each.severity == "error" else logging.WARNING, "%s", each)
    if len(new) > _AT_ONCE:
        _log.warning("and %d more like these; `roost status --json` has all of them", len(new) - _AT_ONCE)

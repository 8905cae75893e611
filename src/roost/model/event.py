"""Something that happened, as one value: behind log lines, history, metrics and whoever follows a node."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any

__all__ = ["Event", "Happening", "Level"]


class Level(Enum):
    """How much a person has to do with it."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Happening(Enum):
    """What happened; the value is the word that programs may rely on."""

    STARTED = "started"
    LEAD_MOVED = "lead moved"
    SHARES_MOVED = "shares moved"
    HANDED_OVER = "handed over"
    YIELDED = "yielded"
    TOOK_OVER = "took over"
    STOOD_IN = "stood in"
    CLAIMED = "claimed"
    SETTLED = "settled"
    NOT_RUNNING = "not running"
    CUT_OFF = "cut off"
    HEARD_AGAIN = "heard again"
    DAMPED = "damped"
    DRAINING = "draining"
    FITNESS = "fitness"
    NOBODY_FIT = "nobody fit"
    FRESHNESS = "freshness"
    NAMESAKE = "namesake"
    PASSING_ON = "passing on"
    FORGOTTEN = "forgotten"
    VRID_CLASH = "VRID clash"
    BACKEND = "backend"
    QUORUM = "quorum"


@dataclass(frozen=True, slots=True)
class Event:
    """`what` happened, in words (`text`) and as data (`facts`: JSON-able values)."""

    what: Happening
    text: str
    level: Level = Level.INFO
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

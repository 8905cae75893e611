"""What an instance of a virtual router does: `TABLE` is all of it (RFC 9568 and RFC 3768, section 6.4).

What happens in which state, what is done then, in which state it is afterwards; what is not in the table is
ignored. The table in the documentation is made from it.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

__all__ = ["TABLE", "Act", "Occasion", "State"]


class State(Enum):
    """Where a virtual router is; what is out of order is in Initialize."""

    INITIALIZE = "Initialize"
    BACKUP = "Backup"
    MASTER = "Master"


class Occasion(Enum):
    """What happens to a virtual router."""

    START_AS_OWNER = "start, priority 255"
    START = "start"
    STOP = "stop, or something is out of order"
    SILENCE = "no advert in 3 intervals + skew"
    PREEMPTION = "3 intervals + skew are over, to preempt a worse one"
    TICK = "an interval has passed"
    RELEASED = "advert with priority 0"
    HEEDED = "advert of another that may lead"
    PASSED_OVER = "advert of a worse one, to preempt"
    BETTER = "advert of a better one"
    WORSE = "advert of a worse one"
    OVERSLEPT = "advert of another, after not running; no preemption"
    GROUP_LEADS = "another of its group takes over"
    GROUP_YIELDS = "another of its group gives way"


class Act(Enum):
    """What a virtual router does then."""

    ADVERTISE = "advertise"
    RELEASE = "advertise priority 0"
    ANNOUNCE = "announce the addresses again"
    LEARN = "learn the master"
    PACE = "start the advert timer"
    AWAIT = "start the master down timer"
    AWAIT_SKEW = "start the timer with the skew"
    REST = "stop the timers"


Row = tuple[tuple[Act, ...], State]

_TAKE_OVER: Final = ((Act.ADVERTISE, Act.PACE), State.MASTER)
_GIVE_WAY: Final = ((Act.ADVERTISE, Act.LEARN, Act.AWAIT), State.BACKUP)
_END: Final = ((Act.REST,), State.INITIALIZE)

TABLE: Final[Mapping[tuple[State, Occasion], Row]] = MappingProxyType(
    {
        (State.INITIALIZE, Occasion.START_AS_OWNER): _TAKE_OVER,
        (State.INITIALIZE, Occasion.START): ((Act.AWAIT,), State.BACKUP),
        (State.BACKUP, Occasion.SILENCE): _TAKE_OVER,
        (State.BACKUP, Occasion.PREEMPTION): _TAKE_OVER,
        (State.BACKUP, Occasion.GROUP_LEADS): _TAKE_OVER,
        (State.BACKUP, Occasion.RELEASED): ((Act.AWAIT_SKEW,), State.BACKUP),
        (State.BACKUP, Occasion.HEEDED): ((Act.LEARN, Act.AWAIT), State.BACKUP),
        (State.BACKUP, Occasion.PASSED_OVER): ((), State.BACKUP),
        (State.BACKUP, Occasion.STOP): _END,
        (State.MASTER, Occasion.TICK): ((Act.ADVERTISE, Act.PACE), State.MASTER),
        (State.MASTER, Occasion.RELEASED): ((Act.ADVERTISE, Act.ANNOUNCE, Act.PACE), State.MASTER),
        (State.MASTER, Occasion.WORSE): ((Act.ADVERTISE, Act.ANNOUNCE, Act.PACE), State.MASTER),
        (State.MASTER, Occasion.BETTER): _GIVE_WAY,
        (State.MASTER, Occasion.OVERSLEPT): ((Act.LEARN, Act.AWAIT), State.BACKUP),
        (State.MASTER, Occasion.GROUP_YIELDS): ((Act.ADVERTISE, Act.AWAIT), State.BACKUP),
        (State.MASTER, Occasion.STOP): ((Act.RELEASE, Act.REST), State.INITIALIZE),
    }
)

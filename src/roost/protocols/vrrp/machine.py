"""One instance of a virtual router as a machine without I/O (RFC 9568 section 6, RFC 3768 section 6).

What it does is in `TABLE`; here is what counts as which occasion, and when. Where the RFCs leave room:

- A master that gives way says its advert once more. Who took over hears by it that two had led, and tells
  the clients again: some follow the one that gave way.
- `preempt` false keeps a better node from taking over from who leads. A master whose priority has fallen
  since it leads (its checks fail) loses the lead all the same, or nobody would ever leave a sick one.
- A master that did not run for so long that others took over, and that does not preempt, leaves it to them.

Times are seconds on one monotonic scale, intervals as on the wire centiseconds.
"""

from dataclasses import dataclass
from typing import Final

from roost.model.address import IPAddress
from roost.protocols.machine import Effect
from roost.protocols.vrrp.packet import CENTISECONDS, OWNER, RELEASE
from roost.protocols.vrrp.table import TABLE, Act, Occasion, State

__all__ = ["Advertise", "AnnounceAgain", "Heard", "Instance", "Ruling", "Timing"]

_MASTERS_MISSED: Final = 3  # adverts
_QUICK: Final = 0.02  # seconds: an advert that answers another is not sent sooner after the last one


@dataclass(frozen=True, slots=True)
class Advertise(Effect):
    """Send an advert with this priority."""

    priority: int


@dataclass(frozen=True, slots=True)
class AnnounceAgain(Effect):
    """Tell the LAN again where the addresses are: two have led, clients may follow the other one."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is configured. `interval` is in centiseconds, `preempt_delay` in seconds.

    Who is no `arbiter` leaves ties to one that is, of the same group: else two nodes of equal priority could
    each win one of two address families.
    """

    version: int
    priority: int
    interval: int
    preempt: bool = True
    preempt_delay: float = 0.0
    arbiter: bool = True


@dataclass(frozen=True, slots=True)
class Heard:
    """A valid advert of another machine with the address `source`; `interval` in centiseconds."""

    source: IPAddress
    priority: int
    interval: int


@dataclass(frozen=True, slots=True)
class Timing:
    """The timers of RFC 9568 section 6.1 (version 2: RFC 3768), in seconds."""

    skew: float
    master_down: float

    @classmethod
    def of(cls, version: int, priority: int, interval: int) -> "Timing":
        """Return them for a backup of `priority` whose master advertises every `interval` centiseconds."""
        seconds = interval / CENTISECONDS
        skew = (256 - priority) / 256 * (seconds if version == 3 else 1.0)
        return cls(skew, _MASTERS_MISSED * seconds + skew)


class Instance:
    """One instance: `ruling` and the `own` address that its adverts come from decide.

    Starts in Initialize; `start` and `stop` may be called in any state.
    """

    def __init__(self, ruling: Ruling, own: IPAddress) -> None:
        self.state = State.INITIALIZE
        self.ruling = ruling
        self.own = own
        self.master: Heard | None = None  # who leads, as heard last
        self.transitions = 0
        self.last = Occasion.STOP  # what brought it into its state
        self._highest = 0  # priority that the master has had
        self._worse_since: float | None = None
        self._passes_over = False  # adverts that came since the timer was started
        self._armed = 0.0  # when the timer that runs was started
        self._due: float | None = None
        self._sent = float("-inf")
        self._owed = False  # an advert that had to wait
        self._overslept = False
        self._effects: list[Effect] = []

    # -- what comes in ---------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Take part."""
        owner = self.ruling.priority == OWNER
        self._happen(Occasion.START_AS_OWNER if owner else Occasion.START, now)

    def stop(self, now: float) -> None:
        """Take no part any more; a master says so."""
        self._happen(Occasion.STOP, now)

    def lead_with_group(self, now: float) -> None:
        """Take over, since another of its group does."""
        self._happen(Occasion.GROUP_LEADS, now)

    def yield_with_group(self, now: float) -> None:
        """Give way, since another of its group does."""
        self._happen(Occasion.GROUP_YIELDS, now)

    def rule(self, ruling: Ruling, own: IPAddress, now: float) -> None:
        """Take another configuration or address; a changed priority is told at once."""
        before, self.ruling, self.own = self.ruling, ruling, own
        if ruling == before:
            return
        if self.state is State.BACKUP and self._due is not None and before.priority != ruling.priority:
            self._due = self._armed + self._timing().master_down
        if self.state is State.MASTER:
            self._happen(Occasion.TICK, now)

    def hear(self, heard: Heard, now: float) -> None:
        """Take a valid advert of another."""
        if self.state is State.INITIALIZE:
            return
        self._look_for_gap(now)
        occasion = self._as_master(heard) if self.state is State.MASTER else self._as_backup(heard, now)
        self._happen(occasion, now, heard)

    def wake(self, now: float) -> None:
        """Do what is due at `now`; calling it early or late is harmless."""
        self._look_for_gap(now)
        if self._owed and now >= self._sent + _QUICK:
            self._advertise(now)
        if self._due is None or now < self._due:
            return
        if self.state is State.MASTER:
            if now < self._due + self.ruling.interval / CENTISECONDS:
                self._overslept = False  # nobody objected to the advert before
            self._happen(Occasion.TICK, now)
        else:
            self._happen(Occasion.PREEMPTION if self._passes_over else Occasion.SILENCE, now)

    def next_wake(self) -> float | None:
        """Return when `wake` is wanted next, or None."""
        if self._owed:
            soon = self._sent + _QUICK
            return soon if self._due is None else min(soon, self._due)
        return self._due

    def effects(self) -> list[Effect]:
        """Hand over what is to be done, oldest first."""
        taken, self._effects = self._effects, []
        return taken

    # -- what it means ---------------------------------------------------------------------------

    def _as_backup(self, heard: Heard, now: float) -> Occasion:
        if heard.priority == RELEASE:
            return Occasion.RELEASED
        if heard.priority >= self.ruling.priority:
            self._worse_since = None
            return Occasion.HEEDED
        if self._worse_since is None:
            self._worse_since = now
        waited = now - self._worse_since >= self.ruling.preempt_delay
        fallen = self.master is not None and heard.source == self.master.source
        fallen = fallen and heard.priority < self._highest
        may = fallen or (self.ruling.preempt and waited)
        self._passes_over = may
        return Occasion.PASSED_OVER if may else Occasion.HEEDED

    def _as_master(self, heard: Heard) -> Occasion:
        if heard.priority == RELEASE:
            return Occasion.RELEASED
        mine, its = self.ruling.priority, heard.priority
        if its > mine or (its == mine and self.ruling.arbiter and int(heard.source) > int(self.own)):
            return Occasion.BETTER
        return Occasion.OVERSLEPT if self._overslept and not self.ruling.preempt else Occasion.WORSE

    def _look_for_gap(self, now: float) -> None:
        """Note when a master did not run for so long that a backup must have taken over."""
        if (
            self.state is State.MASTER
            and self._due is not None
            and now > self._due + self._timing().master_down
        ):
            self._overslept = True

    def _happen(self, occasion: Occasion, now: float, heard: Heard | None = None) -> None:
        row = TABLE.get((self.state, occasion))
        if row is None:
            return
        acts, after = row
        if after is not self.state:
            self.transitions += 1
            self.state, self.last = after, occasion
        if after is State.MASTER:
            self.master = self._worse_since = None
        for act in acts:
            self._do(act, now, heard)

    def _do(self, act: Act, now: float, heard: Heard | None) -> None:
        match act:
            case Act.ADVERTISE if now < self._sent + min(_QUICK, self.ruling.interval / CENTISECONDS / 2):
                self._owed = True  # two that disagree for ever must not answer each other without a pause
            case Act.ADVERTISE:
                self._advertise(now)
            case Act.RELEASE:
                self._effects.append(Advertise(RELEASE))
            case Act.ANNOUNCE:
                self._effects.append(AnnounceAgain())
            case Act.LEARN if heard is not None:
                self._learn(heard)
            case Act.PACE:
                self._start_timer(now, self.ruling.interval / CENTISECONDS)
            case Act.AWAIT:
                self._start_timer(now, self._timing().master_down)
            case Act.AWAIT_SKEW:
                self._start_timer(now, self._timing().skew)
            case Act.REST:
                self._due = self.master = self._worse_since = None
                self._owed = self._overslept = False
            case _:
                pass

    def _advertise(self, now: float) -> None:
        self._owed = False
        self._sent = now
        self._effects.append(Advertise(self.ruling.priority))

    def _learn(self, heard: Heard) -> None:
        same = self.master is not None and self.master.source == heard.source
        self._highest = max(self._highest, heard.priority) if same else heard.priority
        self.master = heard

    def _start_timer(self, now: float, seconds: float) -> None:
        self._armed, self._due, self._passes_over = now, now + seconds, False

    def _timing(self) -> Timing:
        """Return the timers by the master's interval in version 3, by its own else."""
        ruling = self.ruling
        learnt = self.master is not None and self.state is State.BACKUP and ruling.version == 3
        interval = self.master.interval if learnt and self.master is not None else ruling.interval
        return Timing.of(ruling.version, ruling.priority, interval)

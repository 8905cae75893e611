"""What is due: the lease first, then the witnesses, and the others only when it is their time."""

from roost.decide import census
from roost.decide.effects import AskHosts, Declare, Renew
from roost.decide.parts import Parts
from roost.model.event import Event, Happening, Level
from roost.protocols.machine import Effect

__all__ = ["Waking"]


class Waking:
    """Wakes the parts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._state = parts.state
        self._agenda = parts.agenda

    def wake(self, now: float) -> None:
        """Do what is due at `now`."""
        self._agenda.touch_witnesses()
        self._wake_lease(now)  # first of all: after a stretch without running nothing is sure
        self._wake_watch(now)
        due = self._agenda.next_of_others()
        if due is None or now < due:
            return  # most wakes are the witnesses', and these have to be cheap
        self._agenda.touch()
        if self._state.settling.wake(now):
            self._parts.absence.nobody_answered(now)
        if self._state.settling.asks_again(now):
            self._parts.absence.ask_peers(now)
        self._parts.virtual.wake(now)
        self._parts.questions.wake(now)
        self._parts.doubts.wake(now)
        self._wake_standing(now)
        self._parts.caring.wake(now)
        if self._parts.passing_on.wake(now):
            self._parts.own_word.describe(now)  # who comes is told what is true now
        self._parts.spreading.wake(now)
        if vouched := self._state.vouching.wake(now):
            self._state.outbox.extend(vouched)
            self._parts.doubts.check_some_of([each.name for each in vouched], now)
        self._state.outbox.extend(self._state.rejoining.wake(now))
        self._state.outbox.extend(self._state.clients.wake(now))
        self._state.outbox.extend(self._state.announcing.wake(now, len(self._state.announcing_links)))
        self._parts.failback.wake(now)  # late: what has just changed counts
        # Last: any of the above may have called somebody.
        self._parts.doubts.found_mute(self._parts.sharers.wake(now), now)
        self._state.watch.wake(now, cut_off=self._state.isolation.cut_off)  # who is watched from now on

    def take_watch(self, effect: Effect) -> None:
        """Take what the witnesses want."""
        match effect:
            case Declare() if self._state.isolation.isolated:
                pass  # it is this node that is cut off
            case AskHosts(_, kind, count):
                self._state.outbox.put(AskHosts(self._state.clients.known_hosts(), kind, count))
            case _:
                self._state.outbox.put(effect)

    def _wake_lease(self, now: float) -> None:
        until = self._state.lease.until
        if self._state.lease.wake(now):
            text = "this process did not run for a while: asking the others before it answers"
            self._state.outbox.say(Event(Happening.NOT_RUNNING, text, Level.WARNING))
            self._state.settling.stood_still(now)
            self._parts.absence.run_again(now)
            self._agenda.touch()
        if self._state.lease.until != until:
            self._state.outbox.put(Renew(self._state.lease.until))

    def _wake_watch(self, now: float) -> None:
        self._state.watch.wake(now, cut_off=self._state.isolation.cut_off)
        if missed := self._state.watch.missed():
            self._agenda.touch()
            self._parts.doubts.doubt(missed, now)
        proven = self._state.watch.proven
        if self._state.isolation.wonders(now, proven):
            self._parts.absence.ask_hosts()
        if self._state.isolation.look(now, proven):
            self._parts.absence.hears_nobody(now)
            self._agenda.touch()

    def _wake_standing(self, now: float) -> None:
        changed, event = self._state.standing.wake(
            now, lambda: bool(census.informed(self._state.members, self._state.me))
        )
        if event:
            self._state.outbox.say(event)
        if changed:
            self._parts.leading.refresh(now)
        if self._state.drain.wake(now):
            self._parts.own_word.describe(now)
        if self._state.inability.wake(now):
            self._parts.own_word.tell_all(self._state.inability.word)

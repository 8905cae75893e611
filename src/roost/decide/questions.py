"""What the LAN is asked for now, all parts together, and what follows from silence.

asking, succession, handover, yielding, patrol -> one question each time -> stand in, take over, answer
"""

from typing import Final

from roost.decide.doubts import Doubts
from roost.decide.effects import Ask, AskProxy
from roost.decide.leading import Leading
from roost.decide.publishing import Publishing
from roost.decide.state import State
from roost.model.address import IPAddress, in_order
from roost.model.event import Happening

__all__ = ["Questions"]

_STOOD_IN: Final = 8  # addresses asked for at once: each may have a leader again that has to be heard soon


class Questions:
    """Asks in time; the answers come as claims."""

    def __init__(self, state: State, leading: Leading, publishing: Publishing, doubts: Doubts) -> None:
        self._state = state
        self._leading = leading
        self._publishing = publishing
        self._doubts = doubts

    def wake(self, now: float) -> None:
        """Ask for what is doubtful, and act on what nobody answered."""
        ask, free, alone = self._state.asking.wake(now)
        for service in self._state.readiness.waiting_for(alone):
            self._state.readiness.release(service)  # nobody else takes its traffic meanwhile
        for address in free:
            self._leading.suspected.pop(address, None)
        awaited, mute = self._state.succession.wake(now)
        awaited = self._doubts.still_doubtful(awaited, now)
        for address in in_order(filter(self._state.answers.takes_over, mute)):
            who = self._state.succession.instead_of(address)
            self._state.outbox.happened(
                Happening.STOOD_IN, "its leader is not heard: standing in", address, leader=who
            )
        self._doubts.stands_in_now(mute, now)
        # Who is mute for one address is asked for all.
        mutes = {name for each in mute if (name := self._state.succession.instead_of(each)) is not None}
        hung = {name for name in mutes if self._state.watch.evidence(name, now).process is False}
        self._doubts.await_all_of(hung, now, mute=True)
        self._doubts.await_all_of(mutes - hung, now)
        held, over = self._state.handover.wake(now)
        self._doubts.stand_in(over)
        yielded, silent = self._wake_yielding(now)
        services, freed = self._state.readiness.wake(now)
        self._state.outbox.extend(AskProxy(service) for service in services)
        stood_in = self._state.succession.stood_in
        if stood_in:
            self._state.patrol.doubt(now, holds=True)
        most = _STOOD_IN if stood_in else 1
        mine = self._state.patrol.wake(now, stood_in or self._state.answers.now, most)
        if questions := ask | awaited | held | yielded | mine:
            self._state.outbox.put(Ask(tuple(in_order(questions))))
        if changed := free | mute | over | silent | freed:
            self._publishing.reconsider(changed, now)

    def _wake_yielding(self, now: float) -> tuple[frozenset[IPAddress], frozenset[IPAddress]]:
        if self._state.namesakes.known(now):  # the peers know the other one: it would begin anew each time
            self._state.yielding.prolong(now)
        silent, ask = self._state.yielding.wake(now)
        self._publishing.reconsider(self._state.yielding.moved(), now)
        for address in in_order(filter(self._state.answers.takes_over, silent)):
            self._state.outbox.happened(
                Happening.TOOK_OVER, "its holder fell silent: taking it over", address
            )
        return ask, silent

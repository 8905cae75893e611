"""Being away, and coming back: while a node did not run, or heard nobody, the others may have moved on."""

from typing import Final

from roost.decide.doubts import Doubts
from roost.decide.effects import AskHosts, Isolate, Join
from roost.decide.failback import Failback
from roost.decide.leading import ABSENT, UNPROVEN, Leading
from roost.decide.publishing import Publishing
from roost.decide.standing.isolation import SEVERAL
from roost.decide.standing.own_word import OwnWord
from roost.decide.state import State
from roost.model.address import IPAddress, in_order
from roost.model.election import Move
from roost.model.event import Event, Happening, Level
from roost.model.node import Verdict
from roost.protocols.witness.voice import ProbeKind

__all__ = ["Absence"]

_FLAPPING: Final = 2.0  # seconds between two returns of a link that flaps
_STEADY: Final = 0.5  # seconds that such a link has to hold before anything is answered there
_ANSWER: Final = 0.1  # seconds for any host's answer
_HOSTS_ASKED: Final = 4  # at once, that may prove that this node's link works
_RESETTLE_WITH: Final = 3  # peers asked for their state at once; the first one to answer is enough


class Absence:
    """Unsettles this node, and settles it again."""

    def __init__(
        self,
        state: State,
        leading: Leading,
        publishing: Publishing,
        own_word: OwnWord,
        failback: Failback,
        *,
        doubts: Doubts,
    ) -> None:
        self._state = state
        self._leading = leading
        self._publishing = publishing
        self._own_word = own_word
        self._failback = failback
        self._doubts = doubts
        self._returned = float("-inf")  # when this node heard others again last
        self._asked_hosts = False  # whether this node hears, since it was away
        self._is_back = True  # False: it heard somebody once, and found then that it still hears nobody
        self._unsure: frozenset[str] = frozenset()  # nodes that it lost when it heard nobody

    def settle(self, why: str, now: float) -> None:
        """Go by what is known of the others from now on."""
        self._state.outbox.say(Event(Happening.SETTLED, "membership is settled", facts={"reason": why}))
        # Peers have told of others, who may be no members: they are leaving, and hold an address yet.
        self._state.yielding.identify(self._state.address_book.names, self._state.plan.shared)
        if left := len(self._state.yielding.addresses):
            text = "others answer for addresses that this node would lead: leaving them to those"
            # Once gossip works it settles who answers within moments; else somebody has to see to it.
            level = Level.WARNING if self._state.never_gossiped else Level.INFO
            self._state.outbox.say(Event(Happening.YIELDED, text, level, {"addresses": left}))
        doubtful = frozenset(self._leading.suspected)
        alone_with = self._state.asking.unanswered(now)
        for service in self._state.readiness.waiting_for(alone_with):
            self._state.readiness.release(service)
        asked = self._state.asking.end_all()
        if self._state.never_gossiped:
            self._state.asking.begin(asked, now, ABSENT)
        else:
            if not self._state.standing.holds(now):
                self._state.asking.begin(asked, now, self._state.standing.holds_at - now)
            self._state.asking.begin(asked & doubtful, now, UNPROVEN)
            self._ask_for_the_unsure(asked, now)
        rankings = self._state.election.rankings
        here = (
            Move(name, None, self._state.me)
            for name in self._state.election.led_by(self._state.me)
            if not alone_with.issuperset(rankings[name].service.addresses)  # nobody serves it meanwhile
        )
        self._leading.await_proxy(here, now)  # this node may have started a moment ago, and its proxy, too
        for address in in_order(self._state.plan.passed_on):
            lead = self._state.plan.lead(address)
            if lead.node:
                self._doubts.await_claim(address, lead.node, lead.standbys, now)
        self._leading.refresh(now)
        self._publishing.reconsider(None, now)
        self._state.roles.doubt_all()
        self._state.patrol.doubt(now, holds=self._state.may_be_missing_others)

    def nobody_answered(self, now: float) -> None:
        """Go on without a peer's state, unless it is this node that hears nobody: hosts are asked before."""
        isolation = self._state.isolation
        if not self._state.watch.asks or self._others() < SEVERAL or isolation.hears(now):
            self.settle("nobody answered so far", now)
        elif not self._asked_hosts:
            self._asked_hosts = True
            self.ask_hosts()
            self._state.settling.unsettle(now, _ANSWER)
        elif not isolation.cut_off:
            isolation.cut_off_from(now)
            self._is_back = False
            self.hears_nobody(now)

    def ask_hosts(self) -> None:
        """Ask hosts of the LAN, any of which may prove that this node hears."""
        hosts = self._state.clients.known_hosts()
        self._state.outbox.put(AskHosts(hosts, ProbeKind.ECHO, _HOSTS_ASKED))

    def _others(self) -> int:
        """Return how many there are that do not leave; those that this node lost may well be there."""
        return sum(
            each.name != self._state.me and each.verdict is not Verdict.LEAVING
            for each in self._state.members
        )

    def _ask_for_the_unsure(self, asked: frozenset[IPAddress], now: float) -> None:
        """Ask a moment longer: one peer has told its state, and others may live that this node lost."""
        unsure = frozenset(filter(self._state.is_lost, self._unsure))
        self._unsure = frozenset()
        if unsure:
            self._leading.suspected.update(dict.fromkeys(asked, unsure))
            self._state.asking.begin(asked, now, UNPROVEN)

    def _begin(self, now: float, patience: float = ABSENT) -> None:
        """Answer for nothing before a peer has told its state, or the LAN was asked so many seconds."""
        if self._state.settings.bind is None:
            return
        self._state.settling.unsettle(now, self._state.settings.settle_time)
        self._asked_hosts = False
        self._failback.was_away(now)
        self._own_word.describe(now)  # before any peer asks: what was known before is told to nobody as true
        self._leading.absent = patience  # what it leads, it may find out only with the link
        led = [each for each in self._state.plan.leading if each not in self._state.plan.virtual]
        self._state.asking.begin_anew(led, now, patience)
        self._state.handover.let_go(tuple(self._state.handover.held))
        self._state.succession.forget(tuple(self._leading.leaders))
        self._publishing.reconsider(None, now)
        self.ask_peers(now)

    def ask_peers(self, now: float) -> None:
        """Ask some peers for their states."""
        others = [
            each.endpoint
            for each in self._state.members
            if each.verdict.active and each.name != self._state.me
        ]
        endpoints = [endpoint for endpoint in others if endpoint is not None]
        if endpoints:
            chosen = self._state.random.sample(endpoints, min(len(endpoints), _RESETTLE_WITH))
            self._state.outbox.put(Join(tuple(chosen)))
        else:
            self._state.rejoining.soon(now)

    def hears_nobody(self, now: float) -> None:
        """Find that it is this node that is cut off: it goes on with what it answers for, and no more."""
        text = "nobody is heard any more: this node takes over nothing until it hears somebody"
        self._state.outbox.say(Event(Happening.CUT_OFF, text, Level.WARNING))
        stood_in = frozenset(self._state.succession.stood_in)  # by one that was about to hear nobody
        self._state.answers.only = frozenset(self._state.answers.now) - stood_in
        self._publishing.hush()
        self._state.outbox.put(Isolate(isolated=True))
        self._publishing.reconsider(stood_in, now)
        self._own_word.describe(now)

    def run_again(self, now: float) -> None:
        """Take that this process did not run until now."""
        self._begin(now)
        self._may_be_deaf(now)

    def plugged_again(self, now: float) -> None:
        """Take that the links work again."""
        self._come_back("the cable is back", now)
        self._may_be_deaf(now)

    def _may_be_deaf(self, now: float) -> None:
        """Take that nobody was heard yet, where witnesses ask: silence says nothing meanwhile."""
        if self._state.watch.asks:
            self._state.asking.distrust_silence(now)
            self._state.isolation.ask_soon()

    def _come_back(self, why: str, now: float) -> None:
        """Hear the LAN again: what others led is answered by others, and whether any lives is asked first."""
        self._state.outbox.say(Event(Happening.HEARD_AGAIN, f"others are heard again: {why}"))
        self._state.answers.only = None
        if not self._state.isolation.isolated:
            self._state.outbox.put(Isolate(isolated=False))
        self._unsure = frozenset(each.name for each in self._state.members if each.verdict is Verdict.DEAD)
        was_back, self._is_back = self._is_back, True
        flapping = was_back and now - self._returned < _FLAPPING
        self._returned = now
        if flapping:
            self._state.standing.flaps(now + _STEADY)
        self._begin(now, _STEADY if flapping else ABSENT)
        self._publishing.doubt_connections()
        self._state.rejoining.soon(now)
        if was_back:
            self.lost_to_others(now, anew=flapping)

    def lan_heard(self, at: float, now: float) -> bool:
        """Learn that any other machine on the LAN was heard; tells whether more follows from it."""
        was_cut_off = self._state.isolation.heard(at)
        if was_cut_off:
            self._come_back("somebody spoke", now)
        asks_anew = not self._state.may_be_old(at) and self._state.asking.trust_silence(at, now)
        return was_cut_off or asks_anew

    def lost_to_others(self, now: float, *, anew: bool = False) -> None:
        """Learn that the others had lost this node: if that happens often, it waits before it leads again."""
        self._failback.was_lost()
        if event := self._state.standing.lost(now, anew=anew):
            self._state.outbox.say(event)
            self._leading.refresh(now)

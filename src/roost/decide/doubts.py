"""Whether leaders answer for what they lead: who is awaited, asked for, watched by what, and stood in for."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import takewhile
from types import MappingProxyType
from typing import Final

from roost.decide import census
from roost.decide.publishing import Publishing
from roost.decide.sharing.sharers import Sharers
from roost.decide.stand_ins import StandIns
from roost.decide.state import State
from roost.decide.succession import WAIT
from roost.decide.witnessing.targets import in_turn
from roost.decide.witnessing.unshown import Unshown
from roost.model.address import IPAddress, in_order
from roost.model.node import Candidate, Verdict
from roost.protocols.machine import soonest

__all__ = ["Doubts"]

_CHECKED: Final = 4  # services of a suspect at a time
_DOUBTED: Final = 0.01  # seconds for the claim of a new leader that may be silent, too: it is asked soon
_HELD: Final = 0.2  # seconds between two looks at what a node that leaves answers for, and nobody else
_GOING: Final = frozenset({Verdict.LEAVING, Verdict.DRAINING})


class Doubts:
    """Looks after the leaders."""

    def __init__(self, state: State, publishing: Publishing, sharers: Sharers) -> None:
        self._state = state
        self._publishing = publishing
        self._sharers = sharers
        self.stand_ins = StandIns()
        self._checked = 0  # addresses of suspects, in turn
        # One address each, that shows whether its process lives.
        self._led_by_peers: dict[str, IPAddress] = {}
        self._unshown = Unshown(state.watch.never_showed)

    def wake(self, now: float) -> None:
        """Look at stand-ins, and watch those by another address that never answered for the one they have."""
        for address in self.stand_ins.to_look_at(now, self._looks_often):
            self._await(address, now, stand_in=self.stand_ins.by_address[address])
        if in_vain := self._unshown.in_vain(now):
            self._watch(now, in_vain)
            for name in sorted(in_vain.keys() & self._led_by_peers.keys()):
                self._look_at(name, self._led_by_peers[name], now)

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None."""
        return soonest((self._unshown.next_wake(), self.stand_ins.next_wake()))

    def follow(self, before: Mapping[str, Candidate], now: float) -> None:
        """Follow who can lead now; `before` are the candidates as they were."""
        before_led = self._led_by_peers
        unshown = self._watch(now)
        self._sharers.follow(now)
        plan = self._state.plan
        self.stand_ins.keep(lambda each, peer: each in plan.passed_on and plan.lead(each).node != peer)
        stand_ins = self.stand_ins.by_address
        self.doubt({name for name in stand_ins.values() if not self._state.may_lead(name)}, now)
        unable = self._state.inability.by_node
        self._doubt_answers([each for each, name in stand_ins.items() if each in unable.get(name, ())], now)
        for name, address in self._led_by_peers.items():
            if name in unshown or before_led.get(name) != address:
                self._look_at(name, address, now)
        # It is to be watched by something else: who wants other services may answer for some of them.
        self.check_some_of((before_led.keys() - self._led_by_peers.keys()) & self._state.duties.keys(), now)
        self._pass_standing_in_on(before, now)
        self._await_flapping(before, now)

    def doubt(self, names: Collection[str], now: float) -> None:
        """Look that nodes which owe an answer still do: by one address that they lead, and as stand-ins."""
        self._sharers.doubt(names, now)
        for name in sorted(names):
            if (address := self._led_by_peers.get(name)) is not None:
                self._await(address, now)
                if self._state.me not in self._state.plan.lead(address).standbys:
                    self._await_own(name, now)
        self._doubt_answers(self.stand_ins.answered_by(names), now)

    def passed(self, address: IPAddress, peer: str, now: float) -> None:
        """Hear that `peer` has taken over what this node held for it: now it can be watched by that.

        Another than the leader may have given it up by now, for this node; and one that wants other services
        may have claimed it before it did.
        """
        if peer != self._state.plan.lead(address).node:
            self._await(address, now)
        elif self._state.wants_others(peer):
            self._await(address, now, question=True)
        if peer not in self._led_by_peers:
            self._watch(now)

    def note_answerer(self, address: IPAddress, peer: str | None, now: float) -> None:
        """Take who is heard to answer for an address that another node leads: perhaps somebody stands in."""
        leader = self._state.plan.lead(address).node
        if peer is None or leader is None or peer == leader:
            self.stand_ins.pop(address)
            if peer is not None and peer == leader:
                self._state.succession.claimed(address, leader)
                self._watch_by(address, leader, now)
            return
        if self._state.verdict(peer) is Verdict.LEAVING:
            self._await(address, now, after=_HELD)  # it holds the address, and may end at any moment
            return
        if self.stand_ins.by_address.get(address) == peer:
            return
        process = self._state.watch.evidence(leader, now).process
        # Two miss it now, or one that watches it where this node does not.
        owes = process is False or (process is None and not self._is_stood_in_for(leader))
        self.stand_ins.note(address, peer, now)
        if owes:
            self.await_all_of([leader], now)  # what else it leads is asked for, too
        if self._led_by_peers.get(leader) == address:
            self._watch(now)  # it may have yielded that one, and lives

    def stands_in_now(self, addresses: Collection[IPAddress], now: float) -> None:
        """Follow that this node stands in for these: who did before may be silent for others, too."""
        if silent := {name for each in addresses if (name := self.stand_ins.pop(each)) is not None}:
            self._doubt_answers(self.stand_ins.answered_by(silent), now)

    def note_sharer(self, address: IPAddress, peer: str, now: float) -> None:
        """Take that `peer` answers for an address that it shares: who wants others is watched by that."""
        if peer not in self._led_by_peers and self._state.plan.lead(address).is_answered_by(peer):
            self._watch_by(address, peer, now)

    def await_claim(
        self,
        address: IPAddress,
        leader: str,
        standbys: Sequence[str],
        now: float,
        *,
        mute: bool = False,
        after: float = 0.0,
        question: bool = False,
        new: bool = False,
        stand_in: str | None = None,
    ) -> None:
        """Look that a leader is heard, if this node could stand in for it; begin in `after` seconds.

        With `question` only an answer to one counts. `new`: it leads from now on. Where a `stand_in` was
        heard in its place, no claim is on its way.
        """
        if (
            not self._state.settling.settled
            or self._state.leaving
            or not self._state.watch.shares_link(leader)
        ):
            self._stand_in_no_more(address, now)
            return
        able = [name for name in standbys if self._state.may_lead(name)]
        if self._state.me not in able:
            self._stand_in_no_more(address, now)
        elif address not in self._state.handover.held:
            ahead = takewhile(lambda name: name != self._state.me, able)
            position = sum(name != stand_in and not self._is_doubtful(name) for name in ahead)
            if mute and position == 0:
                self._state.succession.stand_in(address, leader)
                self._publishing.reconsider([address], now)
            else:
                soon = stand_in is not None or (new and self._is_doubtful(leader))
                wait = WAIT * position + (0.0 if mute else _DOUBTED if soon else WAIT)
                self._state.succession.expect(address, leader, now, wait=wait + after, question=question)

    def await_again(self, addresses: Collection[IPAddress], now: float) -> None:
        """Look that these are answered, if others lead them: this node could not stand in until now."""
        for address in in_order(addresses):
            self._await(address, now)

    def await_all_of(
        self, names: Collection[str], now: float, *, mute: bool = False, question: bool = False
    ) -> None:
        """Look that all addresses which these nodes lead are answered: they may not know of some.

        Who is `mute`, for one address that was asked for in every way, is stood in for at once by the first.
        With `question` only an answer to one counts.
        """
        self._sharers.call_all(names, now, changed=question)
        self._await_led_by(names, now, mute=mute, question=question)

    def found_mute(self, names: Collection[str], now: float) -> None:
        """Look that nodes which are mute for what they share answer for what they lead alone."""
        self._await_led_by(names, now, question=True)

    def check_some_of(self, names: Collection[str], now: float) -> None:
        """Look at some more addresses of each of these: gossip does not tell what they want now."""
        for name in sorted(names):
            led = sorted(self._state.election.led_by(name))
            self._checked += 1
            self._sharers.check(name, _CHECKED, self._checked, now)
            self._await_services(name, in_turn(led, _CHECKED, self._checked), now)

    def still_doubtful(self, addresses: Collection[IPAddress], now: float) -> frozenset[IPAddress]:
        """Return which of `addresses` are to be asked for: one by which a leader is watched it may answer.

        What counts is an answer from after the doubt, of who owes none: it may have been on its way. A claim
        counts as well, once its sender's host has shown that it hears.
        """
        hears = {
            address
            for address in addresses
            if (leader := self._state.succession.claimed_by(address)) is not None
            and self._state.watch.evidence(leader, now).kernel
        }
        well = hears | {
            address
            for name, address in self._led_by_peers.items()
            if address in addresses
            and (evidence := self._state.watch.evidence(name, now)).process
            and evidence.answered > now - WAIT
        }
        for address in well:
            self._state.succession.heard(address)
        return frozenset(addresses) - well

    def stand_in(self, addresses: Iterable[IPAddress]) -> None:
        """Go on answering for what was passed on and never claimed, where a claim would have been heard."""
        for address in in_order(addresses):
            lead = self._state.plan.lead(address)
            able = self._state.me in lead.standbys and self._state.may_lead(self._state.me)
            if lead.node and able and self._state.watch.shares_link(lead.node):
                self._state.succession.stand_in(address, lead.node)
                self._state.roles.doubt_addresses([address])  # what is answered does not change

    def _watch(self, now: float, in_vain: Mapping[str, IPAddress] = MappingProxyType({})) -> frozenset[str]:
        """Watch peers, each by an address that it leads and answers for, if there is one.

        Return those whose process has yet to show that it answers. Who was asked `in_vain` gets another one.
        """
        state = self._state
        # These are answered by others, and show nothing about their leader. Who shares answers for itself.
        held = (each for each in state.handover.held if not state.plan.lead(each).sharers)
        mute = {*state.succession.stood_in, *self.stand_ins.by_address, *held}
        self._led_by_peers = census.led_by_peers(
            state.members,
            state.plan,
            state.election,
            digest=state.desired.digest,
            before={
                name: address
                for name, address in self._led_by_peers.items()
                if address not in mute and name not in in_vain
            },
            mute=mute,
            in_vain=in_vain,
        )
        yet_to_show = state.watch.update(self._led_by_peers, now)
        self._unshown.follow(self._led_by_peers, now)
        return yet_to_show

    def _look_at(self, name: str, address: IPAddress, now: float) -> None:
        """Look that `name` answers for what it is to be watched by: before it did, silence is no sign."""
        if self._state.plan.lead(address).sharers:
            self._sharers.doubt([name], now)
        else:
            self._await(address, now)

    def _is_doubtful(self, name: str) -> bool:
        """Tell whether it may be that a node is silent, too: nobody waits long that it answers first.

        One whose link flaps, by its own word, answers nothing before that holds.
        """
        candidate = self._state.election.candidates.get(name)
        flaps = candidate is not None and candidate.deaf
        return flaps or name in self._state.suspects or name in self._state.watch.owing

    def _await_flapping(self, before: Mapping[str, Candidate], now: float) -> None:
        """Look whether nodes answer that say anew that a link flaps: it has to hold for a while first."""
        candidates = self._state.election.candidates
        flapping = {name for name, each in candidates.items() if each.deaf and before.get(name) != each}
        self.await_all_of(flapping - {self._state.me}, now)

    def _pass_standing_in_on(self, before: Mapping[str, Candidate], now: float) -> None:
        """Look where nodes that go stood in; if it is this one that goes, the others get their turn."""
        going = {
            name
            for name, candidate in self._state.election.candidates.items()
            if candidate.verdict in _GOING and (was := before.get(name)) and was.verdict not in _GOING
        }
        self.doubt(going, now)
        if self._state.me in going:
            stood_in = tuple(self._state.succession.stood_in)
            self._state.succession.forget(stood_in)
            for address in stood_in:
                self._await(address, now)
            self._publishing.reconsider(stood_in, now)

    def _stand_in_no_more(self, address: IPAddress, now: float) -> None:
        stood_in = address in self._state.succession.stood_in
        self._state.succession.forget([address])
        if stood_in:
            self._publishing.reconsider([address], now)

    def _await_own(self, name: str, now: float) -> None:
        """Look that one address of `name` is answered that this node would have to stand in for."""
        for service in sorted(self._state.election.led_by(name)):
            for address in self._state.election.rankings[service].service.addresses:
                if self._state.me in self._state.plan.lead(address).standbys:
                    self._await(address, now)
                    return

    def _doubt_answers(self, addresses: Iterable[IPAddress], now: float) -> None:
        """Look that these are answered: who stood in for their leaders perhaps does no more."""
        for address in addresses:
            self._await(address, now, stand_in=self.stand_ins.pop(address))

    def _watch_by(self, address: IPAddress, leader: str, now: float) -> None:
        """Watch a leader by what it was heard to answer for, unless it answers what it is watched by.

        It may know others, or that one no more.
        """
        answers = self._state.watch.evidence(leader, now).process
        if not answers and address not in self._state.plan.virtual:
            self._led_by_peers[leader] = address
            self._watch(now)

    def _looks_often(self, address: IPAddress) -> bool:
        """Tell whether this node is the next to stand in for `address`, and questions cost it no budget."""
        if self._state.budget.limited:
            return False
        stand_in = self.stand_ins.by_address[address]
        standbys = self._state.plan.lead(address).standbys
        able = (name for name in standbys if name != stand_in and self._state.may_lead(name))
        return next(able, None) == self._state.me

    def _is_stood_in_for(self, leader: str) -> bool:
        return any(self._state.plan.lead(each).node == leader for each in self.stand_ins.by_address)

    def _await(
        self,
        address: IPAddress,
        now: float,
        *,
        after: float = 0.0,
        question: bool = False,
        stand_in: str | None = None,
    ) -> None:
        lead = self._state.plan.lead(address)
        if lead.node in (None, self._state.me) or lead.sharers:
            return
        self.await_claim(
            address, str(lead.node), lead.standbys, now, after=after, question=question, stand_in=stand_in
        )

    def _await_led_by(
        self, names: Collection[str], now: float, *, mute: bool = False, question: bool = False
    ) -> None:
        for name in sorted(names):
            led = sorted(self._state.election.led_by(name))
            self._await_services(name, led, now, mute=mute, question=question)

    def _await_services(
        self,
        name: str,
        services: Iterable[str],
        now: float,
        *,
        mute: bool = False,
        question: bool = False,
    ) -> None:
        for service in services:
            for address in self._state.election.rankings[service].service.addresses:
                lead = self._state.plan.lead(address)
                if lead.node == name and not lead.sharers and address not in self.stand_ins.by_address:
                    self.await_claim(address, name, lead.standbys, now, mute=mute, question=question)

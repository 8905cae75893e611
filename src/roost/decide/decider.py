"""What one node does, given what it knows: a machine without I/O (see `roost.protocols.machine`).

    desired state, members, links -> Election -> Plan -> what moved  \
    claims, answers, words of peers, time  -> succession, yielding,   -> Answers -> effects
                                              handover, asking, ...   /

What lives here: which part hears of what. Each question has its own file: why an address is answered (`answers`),
who gives way (`contention`), who stands in (`succession`), who watches whom (`witnessing`), why this node would
rather not lead (`standing`). What it must not know: sockets, clocks, frames, how anything is carried out.
"""

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from roost.decide import census
from roost.decide.announcing import Announcing
from roost.decide.answer_lease import AnswerLease
from roost.decide.answers import Answers
from roost.decide.asking import Asking
from roost.decide.claims import Alarm
from roost.decide.clients.clients import Clients
from roost.decide.contention import Contender, Disputes, reason_to_yield
from roost.decide.delivery import Delivered
from roost.decide.effects import (
    Answer,
    Ask,
    AskHosts,
    AskProxy,
    Declare,
    Deliver,
    Happened,
    Isolate,
    Join,
    Notice,
    Open,
    Renew,
    Tell,
)
from roost.decide.handover import Handover
from roost.decide.members import ClusterMember
from roost.decide.plan import Plan
from roost.decide.readiness import Readiness
from roost.decide.rejoining import Rejoining
from roost.decide.settings import DeciderSettings
from roost.decide.settling import Settling
from roost.decide.standing.drain import Drain
from roost.decide.standing.inability import Inability
from roost.decide.standing.isolation import Isolation, has_carrier
from roost.decide.standing.self_description import Description, own_metadata
from roost.decide.standing.standing import Standing
from roost.decide.succession import WAIT, Succession
from roost.decide.vouching import Vouching
from roost.decide.witnessing.watch import Watch
from roost.decide.yielding import Yielding
from roost.model.address import IPAddress, canonical
from roost.model.announcement import Announcement
from roost.model.election import Election, Move
from roost.model.event import Event, Happening, Level
from roost.model.link import Link, why_silent
from roost.model.node import Candidate, Verdict
from roost.model.service import DesiredState
from roost.protocols.machine import Effect, Endpoint, Randomness
from roost.protocols.words import draining
from roost.protocols.words.codec import Word
from roost.protocols.words.macs import Macs
from roost.protocols.words.metadata import Metadata
from roost.protocols.words.sightings import News, Sighting, Sightings
from roost.protocols.words.statement import Statement
from roost.protocols.words.unable import Unable
from roost.protocols.words.verdict import Ground

__all__ = ["Decider"]

_ABSENT: Final = 0.15  # seconds of asking after this process did not run, or this node heard nobody
_UNPROVEN: Final = 0.1  # seconds of asking when gossip alone has lost who led
_RESETTLE_WITH: Final = 3  # peers asked for their state at once; the first one to answer is enough
_HOSTS_ASKED: Final = 4  # clients that may prove that this node's link works
_MACS_REMEMBERED: Final = 1024
_JITTER: Final = 0.4  # seconds: two that have yielded to each other come back one after the other
_LOST: Final = frozenset({Verdict.DEAD, Verdict.UNREACHABLE, Verdict.PROCESS_GONE})
# What was seen on the wire, or said by the node itself: nobody answers there any more.
_WITNESSED: Final = frozenset({Verdict.UNREACHABLE, Verdict.PROCESS_GONE, Verdict.LEAVING})


class Decider:
    """Node `settings.node`: call it with what comes in and the time, take `effects()`, sleep until `next_wake`.

    Times are seconds on one monotonic scale. `random` spreads what nodes would else do in step.
    """

    def __init__(self, settings: DeciderSettings, random: Randomness) -> None:
        self.me = me = settings.node
        self.settings = settings
        self.desired = DesiredState()
        self.members: tuple[ClusterMember, ...] = ()
        self.announcing: tuple[Link, ...] = ()  # the links that announce, by index
        self.leaving = False
        self.election = Election()
        self.plan = Plan(me, self.election)
        self.watch = Watch(me, settings.timing if settings.bind else None)
        self.isolation = Isolation()
        self.standing = Standing()
        self.inability = Inability(me)
        self.drain = Drain(me, self._measure)
        self.settling = Settling(alone=settings.bind is None)
        self.clients = Clients(me, self.plan.lead)
        self.delivery = Delivered()
        self.yielding = Yielding()
        self.announcements: Mapping[IPAddress, Announcement] = {}  # as the responders were told last
        self._announcing = Announcing(settings.gratuitous_rate, settings.gratuitous_refresh)
        self._random = random
        self._lease = AnswerLease()
        self._succession = Succession()
        self._handover = Handover()
        self._asking = Asking()
        self._readiness = Readiness()
        self._disputes = Disputes()
        self._description = Description()
        self._vouching = Vouching(self.watch)
        self._rejoining = Rejoining(settings.join, settings.rejoin_interval, random, self._is_worth_joining)
        self._answers = Answers(
            self.plan,
            self._succession,
            self._handover,
            self.yielding,
            self._asking,
            self.delivery,
            self._readiness,
        )
        self._links: tuple[Link, ...] = ()
        self._macs: dict[bytes, str] = {}
        self._refused: frozenset[str] = frozenset()  # services that this host cannot run
        self._leaders: dict[IPAddress, str | None] = {}  # as they were when last looked at
        self._suspected: dict[IPAddress, str] = {}  # asked for since gossip alone lost this leader
        self._effects: list[Effect] = []

    # -- views -----------------------------------------------------------------------------------

    @property
    def held(self) -> Collection[IPAddress]:
        """The addresses answered until their new leader is heard."""
        return self._handover.held

    def why(self, address: IPAddress) -> str:
        """Return one clause on why `address` is answered here, or not."""
        return self._answers.stance(address).why

    def may_answer(self, now: float) -> bool:
        """Tell whether requests may be answered at `now`: this process has run without a gap."""
        return self._lease.valid(now)

    def alarms(self, now: float) -> tuple[Alarm, ...]:
        """Return the claims of others that somebody has to look at."""
        return self._announcing.alarms(now)

    def drain_progress(self, node: str, now: float) -> draining.Progress | None:
        """Return how far `node` is with draining, or None before it has said so."""
        return self.drain.progress(node, now)

    def metadata(self, now: float) -> Metadata:
        """Return what this node says of itself."""
        return own_metadata(
            self.announcing,
            self.settings,
            digest=self.desired.digest,
            draining=self.drain.draining,
            deaf=self.isolation.cut_off,
            blind=self.standing.blind,
            outdated=self.standing.outdated,
            waits=self.standing.waits(now),
        )

    # -- what comes in ---------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Begin: nothing is claimed before others are known, or the LAN was asked."""
        self._lease.begin(now)
        self._emit(Renew(self._lease.until))
        self.standing.start(now)
        if self.settings.bind is not None:
            self.settling.unsettle(now, self.settings.settle_time)
            self._rejoining.start(now)
        self._describe(now)

    def configure(self, settings: DeciderSettings, now: float) -> None:
        """Take changed settings; the node's name and its gossip stay as they are until it starts anew."""
        self.settings = settings
        self._announcing.configure(settings.gratuitous_rate, settings.gratuitous_refresh)
        self._rejoining.set_targets(settings.join, now)
        self.set_links(self._links, now)

    def want(self, desired: DesiredState, refused: frozenset[str], why: str, now: float) -> None:
        """Take what is wanted now; services in `refused` cannot run on this host. `why` is for people."""
        self.desired, self._refused = desired, refused
        moves = self.election.update_services(desired.services)
        self._note_inability(now)
        self._take_moves(moves, why, now)
        self._refresh(now)

    def set_links(self, links: tuple[Link, ...], now: float) -> None:
        """Take all links of the host."""
        self._links = links
        able = (link for link in links if not link.loopback and not why_silent(link, self.settings.interfaces))
        before = self.announcing
        self.announcing = tuple(sorted(able, key=lambda link: link.index))
        if self.announcing != before:
            self._emit(Open(self.announcing))
        plugged_again = self.isolation.plug(carrier=has_carrier(links, self.settings.bind))
        if self.isolation.unplugged:
            self._emit(Isolate(isolated=True))
        self._refresh(now)
        if plugged_again:
            self._come_back("the cable is back", now)
        if _facts(self.announcing) - _facts(before) and self._answers.now:
            self._announce(list(self._answers.now), now)

    def set_members(self, members: tuple[ClusterMember, ...], now: float) -> None:
        """Take all members of the cluster, after any of them changed."""
        before = {member.name: member.verdict for member in self.members}
        self.members = members
        for member in members:
            if member.name != self.me:
                self._know_macs(member.name, member.metadata.macs)
                self._follow_loss(member, before.get(member.name), now)
        active = frozenset(each.name for each in members if each.verdict.active and each.name != self.me)
        if active:
            self.settling.gossiped = True
        if any(name not in before for name in active) and self.inability.word.addresses:
            self._tell_all(self.inability.word)
        if not self.standing.blind:  # gossip sees them, and this node knows what they know
            self._reconsider(self.yielding.forget(active), now)
        self._vouching.follow(members, now)
        self._refresh(now)

    def synchronized(self, now: float) -> None:
        """Hear that the whole state of a peer is known, after the members that this changed."""
        if self.settling.synchronized():
            self._settled("synchronised with a peer", now)

    def accused(self, by: str, now: float) -> None:
        """Hear that `by` had declared this node dead; what a node says that is lost itself does not count."""
        if not self._is_lost(by) and not self.isolation.isolated:
            self._lost_to_others(now)

    def hear(self, word: Word, now: float) -> None:
        """Take what a peer says."""
        match word:
            case Ground(subject) if subject == self.me:
                self.isolation.accused(now)
            case Statement():
                self.watch.hear(word, now)
            case draining.Ask(sender, node, wish) if node == self.me:
                self._carry_out_wish(wish, now)
                self._emit(Tell((sender,), self.drain.own(now)))
            case draining.Progress():
                self.drain.note(word)
            case Sightings(News.STALE, sightings):
                ours = [each for each in sightings if each.vip in self._answers.now]
                self._extend(self.clients.stale(ours))
                self._announcing.correct(ours, now)
            case Sightings(_, sightings):
                self.clients.told(sightings)
            case Unable() if self.inability.hear(word):
                self._refresh(now)
            case Macs(rows):
                for node, macs in rows:
                    self._know_macs(node, macs)
            case _:
                pass

    def claimed(self, address: IPAddress, mac: bytes, interface: str, now: float) -> None:
        """Hear on a link that another machine says that `address` is at `mac` (6 bytes)."""
        if any(mac == link.mac for link in self.announcing):
            return
        self._lan_heard(now)
        peer = self._macs.get(mac) or self._foreign_leader(address)
        if self.yielding.refresh(address, mac, now):
            return
        if peer is not None and self._handover.claimed(address):
            self._happened(Happening.HANDED_OVER, "handed over", address, to=peer, interface=interface)
            self._reconsider([address], now)
        elif address in self.plan.leading or self._succession.instead_of(address):
            self._contend(address, mac, interface, peer, now)
        else:
            self._succession.heard(address)

    def asked(self, sighting: Sighting, now: float) -> None:
        """Hear a client ask for a service address."""
        self._lan_heard(now)
        self._extend(self.clients.new(sighting))

    def answered(self, link: int, address: IPAddress, mac: bytes, at: float) -> None:
        """Take an answer to a probe, from `mac` on the link with that index, that came in at `at`."""
        self._lan_heard(at)
        if self.watch.answered(link, address, mac, at) is not None:
            self._rejoining.soon(at)

    def delivered(
        self, ready: frozenset[IPAddress], refused: Mapping[IPAddress, str], now: float
    ) -> None:
        """Take which addresses this host terminates, and why it cannot have others."""
        changed = (ready ^ self.delivery.ready) | (refused.keys() ^ self.delivery.refused.keys())
        self.delivery.ready, self.delivery.refused = ready, dict(refused)
        self._reconsider(changed, now)
        if self._note_inability(now):
            self._refresh(now)

    def proxied(self, service: str, now: float) -> None:
        """Hear that this node's proxy passes on the traffic of `service`."""
        self._reconsider(self._readiness.release(service), now)

    def process_gone(self, name: str, now: float) -> None:  # noqa: ARG002 - as every input
        """Hear that the process of a peer has ended."""
        evidence = "its process has ended: the lifeline was closed and its port is, too"
        self._emit(Declare(Ground(name, Verdict.PROCESS_GONE, evidence)))

    def stragglers(self, packets: int, seen: Iterable[Sighting], now: float) -> None:
        """Take packets that still came here for addresses of others, and some of their senders."""
        self._extend(self.clients.came(packets, seen, now))

    def resolved(self, host: str, port: int, endpoints: Sequence[Endpoint], now: float) -> None:  # noqa: ARG002
        """Take the addresses of a host to join."""
        self._extend(self._rejoining.resolved(endpoints))

    def unsent(self, addresses: Collection[IPAddress], now: float) -> None:
        """Hear that gratuitous frames for these found a send queue full."""
        self._announcing.unsent(addresses, now)

    def source_trouble(self, troubled: bool, now: float) -> None:  # noqa: ARG002, FBT001 - as every input
        """Take whether the source of services tells nothing now."""
        self.standing.troubled = troubled

    def wish(self, node: str, wish: bool | None, now: float) -> None:  # noqa: FBT001 - a wish is its own name
        """Take an operator's wish to drain `node`, or no more; None asks how far it is."""
        if node == self.me:
            self._carry_out_wish(wish, now)
        else:
            self._emit(Tell((node,), self.drain.ask(wish, node)))

    def leave(self, now: float) -> None:
        """Lead nothing from now on; go on answering until successors are heard."""
        self.leaving = True
        self._rejoining.stop()
        self._refresh(now)

    # -- time ------------------------------------------------------------------------------------

    def wake(self, now: float) -> None:
        """Do what is due at `now`; calling it early or late is harmless."""
        until = self._lease.until
        if self._lease.wake(now):
            text = "this process did not run for a while: asking the others before it answers"
            self._say(Event(Happening.NOT_RUNNING, text, Level.WARNING))
            self._be_absent(now)
        if self._lease.until != until:
            self._emit(Renew(self._lease.until))
        self._wake_watch(now)
        if self.settling.wake(now):
            self._settled("nobody answered so far", now)
        self._wake_answers(now)
        self._wake_standing(now)
        self._extend(self._vouching.wake(now))
        self._extend(self._rejoining.wake(now))
        self._extend(self.clients.wake(now))
        self._extend(self._announcing.wake(now, len(self.announcing)))

    def next_wake(self) -> float | None:
        """Return when `wake` is wanted next."""
        parts = (
            self._lease,
            self.watch,
            self.isolation,
            self.settling,
            self._asking,
            self._succession,
            self._handover,
            self.yielding,
            self._readiness,
            self.standing,
            self.inability,
            self._vouching,
            self._rejoining,
            self.clients,
            self._announcing,
        )
        return min((when for part in parts if (when := part.next_wake()) is not None), default=None)

    def effects(self) -> list[Effect]:
        """Hand over the effects since the last call, oldest first."""
        for effect in self.watch.effects():
            self._take_watch(effect)
        taken, self._effects = self._effects, []
        return taken

    # -- who leads, and what follows from that ---------------------------------------------------

    def _refresh(self, now: float) -> None:
        """Work out anew who can lead; first of all what changes in the answers: clients wait for that."""
        before = dict(self.election.candidates)
        known = census.Census(
            self.me,
            tuple(link.name for link in self.announcing),
            self.desired.nodes,
            assumed=self.settings.bind is None,
            leaving=self.leaving,
            unable=self.inability.by_node,
        )
        moves = self.election.update_candidates(known.candidates(self.members))
        self._take_moves(moves, "", now, before)
        peers = census.peers(self.members, self.me)
        self._extend(
            self.clients.follow(self.plan.leading, self.plan.passed_on, peers, self.announcing, now)
        )
        led = census.led_by_peers(self.members, self.plan, self.election, self.desired.digest)
        self.watch.update(self.announcing, self.members, led, now)
        self._describe(now)

    def _take_moves(
        self, moves: Sequence[Move], why: str, now: float, before: Mapping[str, Candidate] | None = None
    ) -> None:
        if self.me not in self.election.candidates:
            return  # before the first look at the members
        if self.election.ranked_anew:
            known = self.plan.known
            self.plan.take_all(self._refused)
            if self.plan.known != known:
                self.clients.table.keep(self.plan.known)
                self._emit(Notice(self.plan.known))
            changed = self.plan.known | self._leaders.keys() | self._answers.now.keys()
        else:
            changed = self.plan.take_moves(move.service for move in moves)
        self._await_proxy(moves, now)
        for address in changed:
            self._follow_lead(address, now)
        sure = self._witnessed_by_now()
        self.yielding.keep(self._answers.wanted())
        self._reconsider({*changed, *sure}, now)
        if self.plan.local != self.delivery.wanted:
            self.delivery.wanted = self.plan.local
            self._emit(Deliver(self.plan.local))
        self._record(moves, why, before, now)

    def _follow_lead(self, address: IPAddress, now: float) -> None:
        """Follow who leads one address now."""
        lead = self.plan.lead(address)
        before, self._leaders[address] = self._leaders.get(address), lead.node
        if address not in self.plan.known:
            del self._leaders[address]
        if lead.node == before and address not in self._succession.stood_in:
            return
        if lead.node == self.me:
            self._handover.let_go([address])
            self._succession.forget([address])
            self._ask_before(address, before, now)
            return
        self._asking.end([address])
        self._suspected.pop(address, None)
        if lead.node is None or not self.announcing:
            self._handover.let_go([address])
            self._succession.forget([address])
            return
        if address in self._answers.now and before == self.me:
            self._handover.pass_on([address], now)
        self._await_claim(address, lead.node, lead.standbys, now)

    def _ask_before(self, address: IPAddress, before: str | None, now: float) -> None:
        """Ask for an address that this node leads from now on, unless it is sure that nobody answers for it."""
        if not self.settling.settled:
            self._asking.begin([address], now, self._patience)
        elif not self.settling.gossiped and self._rejoining.has_targets:
            self._asking.begin([address], now, _ABSENT)
        elif before not in (None, self.me) and self._verdict(before) in (None, Verdict.DEAD):
            self._suspected[address] = str(before)
            self._asking.begin([address], now, _UNPROVEN)

    def _witnessed_by_now(self) -> list[IPAddress]:
        """Ask no more for addresses whose leader was found gone on the wire meanwhile; return them."""
        sure = [each for each, old in self._suspected.items() if self._verdict(old) in _WITNESSED]
        for address in sure:
            del self._suspected[address]
        self._asking.end(sure)
        return sure

    def _await_claim(self, address: IPAddress, leader: str, standbys: Sequence[str], now: float) -> None:
        """Look that a new leader is heard, if this node could stand in for it."""
        if not self.settling.settled or self.leaving or not self.watch.shares_link(leader):
            self._succession.forget([address])
            return
        able = [name for name in standbys if self._may_lead(name)]
        if self.me not in able:
            self._succession.forget([address])
        elif address not in self._handover.held:
            wait = WAIT * (1 + able.index(self.me))
            self._succession.expect(address, leader, now, wait=wait)

    def _await_proxy(self, moves: Iterable[Move], now: float) -> None:
        """Let who led go on answering until this node passes traffic on; after a failure wait for nothing."""
        for move in moves:
            ranking = self.election.rankings.get(move.service)
            lost = move.old_leader is not None and self._is_lost(move.old_leader)
            if ranking and ranking.service.health_port and move.new_leader == self.me and not lost:
                self._readiness.expect(ranking.service, move.old_leader, now)
            else:
                self._readiness.release(move.service)
        self._reconsider(self._readiness.release_from(self._is_lost), now)

    def _record(
        self,
        moves: Sequence[Move],
        why: str,
        before: Mapping[str, Candidate] | None,
        now: float,
    ) -> None:
        for move in moves:
            reason = why or census.reason(move, before or {}, self.election.candidates)
            facts: dict[str, object] = {
                "service": move.service,
                "from": move.old_leader,
                "to": move.new_leader,
                "why": reason,
            }
            if move.new_leader == self.me and move.old_leader and self._is_lost(move.old_leader):
                heard = self.watch.last_heard(move.old_leader)
                if heard is not None:
                    facts["silent_s"] = round(now - heard, 4)
            # What a starting node learns is no move: it was so before.
            level = Level.INFO if self.settling.settled else Level.DEBUG
            self._say(Event(Happening.LEAD_MOVED, "lead moved", level, facts))

    # -- what is answered ------------------------------------------------------------------------

    def _reconsider(self, addresses: Iterable[IPAddress] | None, now: float) -> None:
        """Look anew at whether `addresses` (None: all) are answered here, and say so where that changed."""
        if self._answers.consider(None if addresses is None else set(addresses)) or addresses is None:
            self._publish(now)

    def _publish(self, now: float) -> None:
        before, after = self.announcements, dict(self._answers.now)
        if before == after:
            return
        self.announcements = after
        self._emit(Answer(after))
        lost = before.keys() - after.keys()
        self._announcing.drop(lost, self.clients.table.of(lost))
        self._announce([each for each, how in after.items() if before.get(each) != how], now)

    def _announce(self, addresses: Collection[IPAddress], now: float) -> None:
        self._announcing.take(addresses, self.clients.table.of(addresses), now)
        self._extend(self._announcing.wake(now, len(self.announcing)))

    def _contend(
        self, address: IPAddress, mac: bytes, interface: str, peer: str | None, now: float
    ) -> None:
        """Decide about a claim for an address that this node leads, or answers in place of its leader."""
        ranking = self.election.ranking_of(address)
        instead = self._succession.instead_of(address)
        if instead is not None and peer is not None and not self._is_lost(peer):
            if peer == instead or (ranking is not None and ranking.is_before(peer, self.me)):
                self._succession.heard_leader(address)
                self._happened(Happening.HANDED_OVER, "its leader is heard again", address, to=peer)
                self._reconsider([address], now)
                return
        contender = Contender(
            peer,
            lost=peer is not None and self._is_lost(peer),
            informed=peer in census.informed(self.members, self.me),
            goes_on=self._disputes.goes_on(address, mac, now),
        )
        why = reason_to_yield(
            self.me,
            contender,
            ranking,
            address,
            answers=address in self._answers.now,
            gossiped=self.settling.gossiped or not self._rejoining.has_targets,
            blind=self.standing.blind,
        )
        if why:
            self._yield(address, mac, peer, why, now)
        elif address in self._answers.now:
            if peer is None or contender.goes_on:
                self._note_claim(address, mac, interface, peer, now)
            self._announcing.defend(address, now)

    def _yield(self, address: IPAddress, mac: bytes, peer: str | None, why: str, now: float) -> None:
        extra = self._random.random() * _JITTER if peer is None else 0.0
        self._asking.end([address])
        self._suspected.pop(address, None)
        if self.yielding.heard(address, peer, mac, now, extra=extra):
            who = f"peer {peer}" if peer else "a stranger"
            self._say(
                Event(
                    Happening.YIELDED,
                    f"yielding an address to {who} {why}",
                    Level.WARNING,
                    {"address": canonical(address), "peer": peer, "mac": mac.hex(":")},
                )
            )
            self._rejoining.soon(now)
        self._reconsider([address], now)

    def _note_claim(
        self, address: IPAddress, mac: bytes, interface: str, peer: str | None, now: float
    ) -> None:
        alarm = self._announcing.note(address, mac, interface, peer, now)
        who = f"peer {peer}" if peer else "a stranger"
        self._say(
            Event(
                Happening.CLAIMED,
                f"an address that this node answers for is claimed by {who}",
                Level.WARNING,
                {
                    "address": canonical(address),
                    "mac": mac.hex(":"),
                    "interface": interface,
                    "count": alarm.count,
                },
            )
        )

    # -- what time brings ------------------------------------------------------------------------

    def _wake_watch(self, now: float) -> None:
        self.watch.wake(now, cut_off=self.isolation.cut_off)
        if self.isolation.look(now, self.watch.proven):
            text = "nobody is heard any more: this node takes over nothing until it hears somebody"
            self._say(Event(Happening.CUT_OFF, text, Level.WARNING))
            self._answers.only = frozenset(self._answers.now)
            self._emit(Isolate(isolated=True))
            self._describe(now)

    def _wake_answers(self, now: float) -> None:
        """Ask for what is doubtful, and act on what nobody answered."""
        ask, free = self._asking.wake(now)
        for address in free:
            self._suspected.pop(address, None)
        awaited, mute = self._succession.wake(now)
        for address in mute:
            who = self._succession.instead_of(address)
            self._happened(Happening.STOOD_IN, "its leader is not heard: standing in", address, leader=who)
        held, over = self._handover.wake(now)
        self._stand_in(over)
        yielded, silent = self._wake_yielding(now)
        services, freed = self._readiness.wake(now)
        self._extend(AskProxy(service) for service in services)
        if questions := ask | awaited | held | yielded:
            self._emit(Ask(tuple(questions)))
        if changed := free | mute | over | silent | freed:
            self._reconsider(changed, now)

    def _wake_yielding(self, now: float) -> tuple[frozenset[IPAddress], frozenset[IPAddress]]:
        silent, ask = self.yielding.wake(now)
        for address in silent:
            self._happened(Happening.TOOK_OVER, "its holder fell silent: taking it over", address)
        return ask, silent

    def _stand_in(self, addresses: Iterable[IPAddress]) -> None:
        """Go on answering for what was passed on and never claimed, where a claim would have been heard."""
        for address in addresses:
            lead = self.plan.lead(address)
            if lead.node and self.me in lead.standbys and self.watch.shares_link(lead.node):
                if self._may_lead(self.me):
                    self._succession.stand_in(address, lead.node)

    def _wake_standing(self, now: float) -> None:
        changed, event = self.standing.wake(now, lambda: bool(census.informed(self.members, self.me)))
        if event:
            self._say(event)
        if changed:
            self._refresh(now)
        if self.inability.wake(now):
            self._tell_all(self.inability.word)

    # -- being away, and coming back -------------------------------------------------------------

    def _settled(self, why: str, now: float) -> None:
        self._say(Event(Happening.SETTLED, "membership is settled", facts={"reason": why}))
        doubtful = frozenset(self._suspected)
        asked = self._asking.end_all()
        if not self.settling.gossiped and self._rejoining.has_targets:
            self._asking.begin(asked, now, _ABSENT)
        else:
            self._asking.begin(asked & doubtful, now, _UNPROVEN)
        here = (Move(name, None, self.me) for name in self.election.led_by(self.me))
        self._await_proxy(here, now)  # this node may have started a moment ago, and its proxy, too
        for address in self.plan.passed_on:
            lead = self.plan.lead(address)
            if lead.node:
                self._await_claim(address, lead.node, lead.standbys, now)
        self._refresh(now)
        self._reconsider(None, now)

    def _be_absent(self, now: float) -> None:
        """Answer for nothing before a peer has told its state, or the LAN was asked."""
        if self.settings.bind is None:
            return
        self.settling.unsettle(now, self.settings.settle_time)
        self._asking.begin(self.plan.leading, now, _ABSENT)
        self._handover.let_go(tuple(self._handover.held))
        self._succession.forget(tuple(self._leaders))
        self._reconsider(None, now)
        others = [each.endpoint for each in self.members if each.verdict.active and each.name != self.me]
        endpoints = [endpoint for endpoint in others if endpoint is not None]
        if endpoints:
            chosen = self._random.sample(endpoints, min(len(endpoints), _RESETTLE_WITH))
            self._emit(Join(tuple(chosen)))
        else:
            self._rejoining.soon(now)

    def _come_back(self, why: str, now: float) -> None:
        """Hear the LAN again: what others led is answered by others, and whether any lives is asked first."""
        self._say(Event(Happening.HEARD_AGAIN, f"others are heard again: {why}"))
        self._answers.only = None
        if not self.isolation.isolated:
            self._emit(Isolate(isolated=False))
        self._be_absent(now)
        self._rejoining.soon(now)
        self._lost_to_others(now)

    def _lan_heard(self, now: float) -> None:
        if self.isolation.heard(now):
            self._come_back("somebody spoke", now)

    def _lost_to_others(self, now: float) -> None:
        if event := self.standing.lost(now):
            self._say(event)
            self._refresh(now)

    # -- small questions and answers -------------------------------------------------------------

    @property
    def _patience(self) -> float:
        return _ABSENT if self.settling.gossiped else self.settings.settle_time

    def _verdict(self, name: str | None) -> Verdict | None:
        candidate = self.election.candidates.get(name) if name else None
        return candidate.verdict if candidate else None

    def _is_lost(self, peer: str) -> bool:
        """Tell whether gossip has lost `peer`; the claims of those that it reaches end by themselves."""
        verdict = self._verdict(peer)
        return verdict is None or verdict in _LOST

    def _may_lead(self, name: str) -> bool:
        verdict = self._verdict(name)
        return verdict is not None and (verdict.active or verdict.reluctant)

    def _foreign_leader(self, address: IPAddress) -> str | None:
        """Return who leads `address`, if that node runs another speaker, whose MACs nobody gossips."""
        leader = self.plan.lead(address).node
        if leader in (None, self.me):
            return None
        member = next((each for each in self.members if each.name == leader), None)
        return leader if member and not member.metadata.version else None

    def _know_macs(self, name: str, macs: Iterable[bytes]) -> None:
        for mac in macs:
            if name != self.me and (mac in self._macs or len(self._macs) < _MACS_REMEMBERED):
                self._macs[mac] = name

    def _follow_loss(self, member: ClusterMember, before: Verdict | None, now: float) -> None:
        if member.verdict.active or member.verdict is Verdict.LEAVING:
            self._rejoining.found(member.name)
        elif before is not member.verdict and member.endpoint is not None:
            self._rejoining.lost(member.name, member.endpoint, now)

    def _is_worth_joining(self, endpoint: Endpoint) -> bool:
        return all(each.endpoint != endpoint for each in self.members if each.verdict.active)

    def _note_inability(self, now: float) -> bool:
        """Find what this host cannot hold, and tell it when that has changed."""
        refused = [
            ranking.service.addresses
            for name in self._refused
            if (ranking := self.election.rankings.get(name)) is not None
        ]
        unable = frozenset(self.delivery.refused) | {each for addresses in refused for each in addresses}
        if not self.inability.own(unable, now):
            return False
        self._tell_all(self.inability.word)
        return True

    def _measure(self, now: float) -> tuple[int, int, float]:
        followed = self.clients.followed
        leads = len(self.election.led_by(self.me)) + len(self._handover.held)
        return leads, followed.packets, now - followed.last_packet

    def _carry_out_wish(self, wish: bool | None, now: float) -> None:  # noqa: FBT001 - a wish is its own name
        if self.drain.wish(wish, now):
            text = "draining" if self.drain.draining else "draining no more"
            self._say(Event(Happening.DRAINING, text))
            self._refresh(now)

    def _describe(self, now: float) -> None:
        known: dict[str, tuple[bytes, ...]] = {}
        for mac, name in self._macs.items():
            known[name] = (*known.get(name, ()), mac)
        words: list[Word] = list(Macs.batches(known.items()))
        if self.inability.word.addresses:
            words.append(self.inability.word)
        self._extend(self._description.of(self.metadata(now), tuple(words)))

    def _tell_all(self, word: Word) -> None:
        peers = tuple(sorted(census.peers(self.members, self.me)))
        if peers:
            self._emit(Tell(peers, word))

    def _take_watch(self, effect: Effect) -> None:
        match effect:
            case Declare() if self.isolation.isolated:
                pass  # it is this node that is cut off
            case AskHosts():
                clients = self.clients.table.of(self.plan.known)
                hosts = [(each.client, each.mac) for each in itertools.islice(clients, _HOSTS_ASKED)]
                self._emit(AskHosts(tuple(hosts)))
            case _:
                self._emit(effect)

    def _happened(self, what: Happening, text: str, address: IPAddress, **facts: object) -> None:
        self._say(Event(what, text, facts={"address": canonical(address), **facts}))

    def _say(self, event: Event) -> None:
        self._emit(Happened(event))

    def _emit(self, effect: Effect) -> None:
        self._effects.append(effect)

    def _extend(self, effects: Iterable[Effect]) -> None:
        self._effects.extend(effects)


def _facts(links: Iterable[Link]) -> set[tuple[int, str, bytes]]:
    """Return what makes a link another one for those who are to be told where an address is."""
    return {(link.index, link.name, link.mac) for link in links}

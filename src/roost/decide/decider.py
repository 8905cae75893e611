"""What one node does, given what it knows: a machine without I/O (see `roost.protocols.machine`).

    desired state, members, links -> Election -> Plan -> what moved  \
    claims, answers, words of peers, time  -> succession, yielding,   -> Answers -> effects
                                              handover, asking, ...   /

What lives here: which part hears of what. Each question has its own file: why an address is answered
(`answers`), who gives way (`contention`), what a move brings (`leading`), who stands in (`succession`), who
watches whom (`witnessing`), why this node would rather not lead (`standing`). What it must not know:
sockets, clocks, frames, how anything is carried out.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from roost.decide.claims import Alarm
from roost.decide.effects import Became, Declare, Renew, Tell
from roost.decide.members import ClusterMember
from roost.decide.parts import Parts
from roost.decide.settings import DeciderSettings
from roost.decide.state import State
from roost.decide.vrrp.judging import Received
from roost.decide.waking import Waking
from roost.model.address import IPAddress
from roost.model.announcement import Announcement
from roost.model.check import Check, Result
from roost.model.election import Prepared
from roost.model.event import Event, Happening, Level
from roost.model.fitness import Fitness
from roost.model.flow import Flow
from roost.model.link import Link
from roost.model.node import Verdict
from roost.model.service import DesiredState
from roost.protocols.machine import Effect, Endpoint, Randomness
from roost.protocols.witness.voice import ProbeKind
from roost.protocols.words import draining
from roost.protocols.words.codec import Word
from roost.protocols.words.metadata import Metadata
from roost.protocols.words.sightings import Sighting
from roost.protocols.words.statement import Statement
from roost.protocols.words.verdict import Ground

__all__ = ["Decider"]


class Decider:
    """Node `settings.node`: tell it what comes in and the time, take `effects()`, sleep until `next_wake`.

    Times are seconds on one monotonic scale. `random` spreads what nodes would else do in step.
    """

    def __init__(self, settings: DeciderSettings, random: Randomness) -> None:
        self.state = self._state = State(settings, random)
        self._parts = parts = Parts(self._state)
        self._agenda = parts.agenda
        self._waking = Waking(parts)
        self.passing_on, self.spreading = parts.passing_on, parts.spreading

    # -- views -----------------------------------------------------------------------------------

    @property
    def announcements(self) -> Mapping[IPAddress, Announcement]:
        """What is answered for now, as the responders were told."""
        return self._parts.publishing.now

    @property
    def held(self) -> Collection[IPAddress]:
        """The addresses answered until their new leader is heard."""
        return self._state.handover.held

    def why(self, address: IPAddress) -> str:
        """Return one clause on why `address` is answered here, or not."""
        return self._state.answers.stance(address).why

    def may_answer(self, now: float) -> bool:
        """Tell whether requests may be answered at `now`: this process has run without a gap."""
        return self._state.lease.valid(now)

    def alarms(self, now: float) -> tuple[Alarm, ...]:
        """Return the claims of others that somebody has to look at.

        Who was a stranger and turned out to be a peer is none: nodes that start at once hear each other's
        claims before gossip tells who they are.
        """
        return tuple(
            alarm
            for alarm in self._state.announcing.alarms(now)
            if alarm.peer is not None or self._state.address_book.name_of(alarm.mac) is None
        )

    def lingering(self, now: float) -> Mapping[IPAddress, float]:
        """Return the addresses whose connections outlive this process, and for how many seconds."""
        own = self._state.own_connections
        left = {address: own.left(address, now) for address in own.addresses}
        return {address: seconds for address, seconds in left.items() if seconds}

    def drain_progress(self, node: str, now: float) -> draining.Progress | None:
        """Return how far `node` is with draining, or None before it has said so."""
        return self._state.drain.progress(node, now)

    @property
    def stand_ins(self) -> Mapping[IPAddress, str]:
        """Who answers for addresses that their leader does not answer for, as far as it is heard here."""
        stood_in = filter(self._state.answers.takes_over, self._state.succession.stood_in)
        here = dict.fromkeys(stood_in, self._state.me)
        heard = {
            address: name
            for address, name in self._parts.doubts.stand_ins.by_address.items()
            if name != self._state.plan.lead(address).node
        }
        return {**heard, **here}

    def metadata(self, now: float) -> Metadata:
        """Return what this node says of itself."""
        return self._parts.own_word.metadata(now)

    # -- what comes in ---------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Begin: nothing is claimed before others are known, or the LAN was asked."""
        self._agenda.touch()
        self._state.lease.begin(now)
        self._state.outbox.put(Renew(self._state.lease.until))
        self._state.standing.start(now)
        self.passing_on.start(now)
        self._parts.failback.start(now)
        if self._state.settings.bind is not None:
            self._state.settling.unsettle(now, self._state.settings.settle_time)
            self._state.rejoining.start(now)
        self._parts.virtual.start(now)
        self._parts.own_word.describe(now)

    def configure(self, settings: DeciderSettings, now: float) -> None:
        """Take changed settings; the node's name and its gossip stay as they are until it starts anew."""
        self._agenda.touch()
        self._state.settings = settings
        self._state.announcing.configure(settings.gratuitous_rate, settings.gratuitous_refresh)
        self._state.rejoining.set_targets(settings.join, now)
        self.set_links(self._state.links, now)

    def want(
        self,
        desired: DesiredState,
        refused: frozenset[str],
        why: str,
        now: float,
        prepared: Prepared | None = None,
    ) -> None:
        """Take what is wanted now; services in `refused` cannot run on this host. `why` is for people.

        `prepared` are rankings made beside the event loop (`Election.prepare`).
        """
        self._agenda.touch()
        self._state.desired, self._state.refused = desired, refused
        if desired.nodes is not None:
            self._state.fates.keep(desired.nodes)
        self._state.readiness.take_services(desired.services, self._state.me, now)
        self._state.tenures.want(desired.services)
        self._parts.virtual.take_services(now)
        fitness = self._parts.caring.take_services(now)
        moves = self._state.election.update_services(desired.services, prepared, self._state.tracking.news())
        self._state.roles.doubt_all()
        self._parts.own_word.note_inability(now)
        self._parts.leading.take_moves(moves, why, now)
        self._parts.leading.refresh(now)
        self._parts.caring.tell(fitness, now)
        self._parts.virtual.look(now)

    def set_links(self, links: tuple[Link, ...], now: float) -> None:
        """Take all links of the host."""
        self._agenda.touch()
        self._parts.host.set_links(links, now)

    def set_members(self, members: tuple[ClusterMember, ...], now: float, *, unheard: bool = False) -> None:
        """Take all members of the cluster, after any of them changed.

        `unheard`: nobody has answered when gossip asked last, neither who was asked nor who was to help.
        """
        self._agenda.touch()
        self._state.unheard = unheard
        self._parts.meeting.follow(members, now)

    def synchronized(self, now: float) -> None:
        """Hear that the whole state of a peer is known, after the members that this changed."""
        self._agenda.touch()
        settles = self._state.settling.synchronized(old=self._state.may_be_old(now))
        if settles:
            self._parts.failback.is_back()
        self._parts.failback.follow(now)
        if settles:
            self._parts.absence.settle("synchronised with a peer", now)

    def accused(self, by: str, now: float) -> None:
        """Hear that `by` had declared this node dead; what one says that is lost, or just was, is nothing."""
        self._agenda.touch()
        if by in ("", self._state.me):
            return
        self._parts.publishing.doubt_connections()
        if (
            not self._state.is_lost(by)
            and not self._state.has_just_come(by, now)
            and not self._state.isolation.isolated
        ):
            self._parts.absence.lost_to_others(now)

    def namesake(self, endpoint: Endpoint, macs: Collection[bytes], now: float) -> None:
        """Hear that another host bears this node's name; `macs` are its hardware addresses (6 bytes)."""
        self._agenda.touch()
        own = {link.mac for link in self._state.links}
        if own.intersection(macs):
            return  # this host, before its address changed
        others = {mac for mac in macs if self._state.address_book.name_of(mac) is None}
        if self._state.namesakes.hear(endpoint, others, now):
            text = "another host has this node's name: give one of them another (`node:`, or --node-name)"
            facts = {"node": self._state.me, "address": str(endpoint)}
            self._state.outbox.say(Event(Happening.NAMESAKE, text, Level.WARNING, facts))

    def hear(self, word: Word, now: float) -> None:
        """Take what a peer says."""
        if isinstance(word, Statement):
            self._agenda.touch_witnesses()
            self._state.watch.hear(word, now)
        else:
            self._agenda.touch()
            self._parts.hearing.hear(word, now)

    def claimed(self, address: IPAddress, mac: bytes, interface: str, direct: bool, now: float) -> None:  # noqa: FBT001
        """Hear on a link that another machine says that `address` is at `mac` (6 bytes).

        A `direct` claim answers a question. Any other says that its sender can speak, not that it hears.
        """
        self._agenda.touch()
        if all(mac != link.mac for link in self._state.announcing_links):
            self._parts.absence.lan_heard(now, now)
            if address in self._state.plan.virtual:
                self._parts.virtual.claimed(
                    address, mac, interface, self._state.address_book.name_of(mac), now
                )
            else:
                self._parts.conflicts.claimed(address, mac, interface, direct=direct, now=now)

    def asked(self, sighting: Sighting, at: float, now: float) -> None:
        """Hear that a client asked for a service address, `at` a time that may be seconds ago."""
        if self._parts.absence.lan_heard(at, now):
            self._agenda.touch()
        self._agenda.touch_plans()
        if sighting.vip in self._state.answers.now:
            self._state.budget.spend(now, 1)  # for the answer
        self._state.outbox.extend(self._state.clients.new(sighting))

    def answered(self, link: int, address: IPAddress, mac: bytes, kind: ProbeKind, at: float) -> None:
        """Take an answer to a probe of that kind, from `mac` on the link of that index, come at `at`."""
        self._agenda.touch_witnesses()
        if self._parts.absence.lan_heard(at, at):
            self._agenda.touch()
        if self._state.watch.answered(link, address, mac, kind, at) is not None:
            self._state.rejoining.soon(at)
            self._state.patrol.hurry(at)  # it may not know that it was away
            self._agenda.touch()

    def delivered(self, ready: frozenset[IPAddress], refused: Mapping[IPAddress, str], now: float) -> None:
        """Take which addresses this host terminates, and why it cannot have others."""
        self._agenda.touch()
        self._parts.host.delivered(ready, refused, now)

    def set_spreading(self, able: bool, now: float) -> None:  # noqa: FBT001 - as every input
        """Hear whether this host's kernel can spread connections over nodes."""
        if able != self._state.spreads:
            self._agenda.touch()
            self._state.spreads = able
            self.spreading.look_again(now)

    def set_passing_on(self, able: bool, now: float) -> None:  # noqa: FBT001 - as every input
        """Hear whether this host can pass connections on that it does not know."""
        if able != self._state.passes_on:
            self._agenda.touch()
            self._state.passes_on = able
            self.spreading.look_again(now)

    def advert(self, received: Received, now: float) -> None:
        """Take a VRRP packet."""
        self._agenda.touch()
        self._parts.virtual.hear(received, now)

    def checked(self, check: Check, result: Result, now: float) -> None:
        """Take the result of a check that has to be made."""
        self._agenda.touch()
        self._parts.caring.checked(check, result, now)
        self._parts.virtual.look(now)

    def reached(self, fitness: Mapping[str, Fitness | None], now: float) -> None:
        """Take how well this node serves each of the services that it balances to backends."""
        self._agenda.touch()
        self._parts.caring.reached(fitness, now)

    def proxied(self, service: str, now: float) -> None:
        """Hear that this node's proxy passes on the traffic of `service`."""
        self._agenda.touch()
        self._parts.publishing.reconsider(self._state.readiness.release(service), now)

    def process_gone(self, name: str, now: float) -> None:
        """Hear that the process of a peer has ended."""
        self._agenda.touch()
        if not self._state.lease.valid(now):
            return  # it ended while this one did not run, and may run again
        evidence = "its lifeline was closed, and its port is, too"
        self._state.outbox.put(Declare(Ground(name, Verdict.PROCESS_GONE, evidence)))

    def stragglers(self, packets: int, seen: Iterable[Sighting], now: float) -> None:
        """Take packets that still came here for addresses of others, and some of their senders."""
        self._agenda.touch()
        self._state.outbox.extend(self._state.clients.came(packets, seen, now))

    def counted(self, flows: Collection[Flow], now: float) -> None:
        """Take all flows that this host holds for the addresses that it was told to count them for."""
        self._agenda.touch()
        self.passing_on.counted(flows, now)

    def resolved(self, host: str, port: int, endpoints: Sequence[Endpoint], now: float) -> None:  # noqa: ARG002
        """Take the addresses of a host to join."""
        self._agenda.touch()
        self._state.outbox.extend(self._state.rejoining.resolved(endpoints))

    def unsent(self, addresses: Collection[IPAddress], now: float) -> None:
        """Hear that gratuitous frames for these found a send queue full."""
        self._agenda.touch()
        self._state.announcing.unsent(addresses, now)

    def source_trouble(self, troubled: bool, now: float) -> None:  # noqa: ARG002, FBT001 - as every input
        """Take whether the source of services tells nothing now."""
        self._agenda.touch()
        self._state.standing.troubled = troubled

    def wish(self, node: str, wish: bool | None, now: float) -> None:  # noqa: FBT001 - a wish is its own name
        """Take an operator's wish to drain `node`, or no more; None asks how far it is."""
        self._agenda.touch()
        if node == self._state.me:
            self._parts.hearing.carry_out_wish(wish, now)
        else:
            self._state.outbox.put(Tell((node,), self._state.drain.ask(wish, node)))

    def forget(self, name: str, now: float) -> bool:
        """Miss a lost member no more, here and at the peers; tells whether it was missed."""
        self._agenda.touch()
        if not self._state.fates.forget(name):
            return False
        self._state.rejoining.found(name)
        text = "a lost member is forgotten: an operator asked for it"
        self._state.outbox.say(Event(Happening.FORGOTTEN, text, facts={"node": name}))
        for word in self._state.fates.words():
            self._parts.own_word.tell_all(word)
        self._parts.own_word.describe(now)
        return True

    def leave(self, now: float) -> None:
        """Lead nothing from now on; go on answering until successors are heard, and claim nothing more."""
        self._agenda.touch()
        self._state.leaving = True
        self._parts.publishing.hush()
        self._parts.passing_on.leave()
        self._state.roles.doubt_all()
        self._state.rejoining.stop()
        self._parts.leading.refresh(now)
        self._parts.virtual.look(now)

    def end(self, now: float) -> None:  # noqa: ARG002 - as every input
        """Hear that this node stops now, as it was asked to, whatever it still answers for."""
        self._agenda.touch()
        self._state.roles.end()

    # -- time ------------------------------------------------------------------------------------

    def wake(self, now: float) -> None:
        """Do what is due at `now`; calling it early or late is harmless."""
        self._waking.wake(now)

    def next_wake(self) -> float | None:
        """Return when `wake` is wanted next."""
        return self._agenda.next_wake()

    @property
    def has_effects(self) -> bool:
        """Whether what the witnesses heard since the last call of `effects` has any."""
        return self._state.watch.has_effects

    def effects(self) -> list[Effect]:
        """Hand over the effects since the last call, oldest first."""
        if self._agenda.silent:
            return []
        changed = self._agenda.take()
        if changed:
            self.spreading.flush()
            self.passing_on.flush()
            self._parts.caring.look()
        for effect in self._state.watch.effects():
            self._waking.take_watch(effect)
        if changed:
            self._state.outbox.extend(map(Became, self._state.roles.look(self._state)))
        return self._state.outbox.take()

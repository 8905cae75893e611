"""One node's process without its signals: the decider, and the hands that carry out what it wants.

    source, links, gossip, frames, the operator -> Decider -> effects -> responders, gossip, this host

What lives here: a match over effects. What it must not know: why anything is done, packet and file formats.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from random import SystemRandom
from typing import Any, Final

from roost import __version__
from roost.announce.announcer import Announcer
from roost.announce.ping import PingAnswerer
from roost.announce.responders import Responders
from roost.decide import effects
from roost.decide.decider import Decider
from roost.decide.join_target import JoinTarget
from roost.decide.standing.self_description import plain_metadata
from roost.decide.vrrp.judging import Received
from roost.deliver.counting import Counting
from roost.deliver.forwarding.forwarding import Forwarding
from roost.deliver.local import Delivery
from roost.deliver.meters import Meters
from roost.deliver.passing_on import RENEW, PassingOn
from roost.deliver.traffic import Traffic
from roost.hooks.calls import Calls
from roost.membership.cluster import Cluster, Listener
from roost.membership.lifelines import Lifelines
from roost.membership.probes import Probes
from roost.model.address import IPAddress
from roost.model.announcement import Announcement
from roost.model.complaint import Complaint
from roost.model.election import Prepared
from roost.model.event import Event, Happening
from roost.model.fitness import Fitness
from roost.model.link import Link
from roost.model.node import Verdict
from roost.model.service import Service
from roost.observe.event_store import EventStore
from roost.observe.events import Events
from roost.observe.fault_log import FaultLog
from roost.observe.histogram import Histogram
from roost.observe.history import History
from roost.observe.reach import Reach
from roost.observe.recent import Recent
from roost.observe.recorder import Recorder
from roost.protocols.machine import Effect
from roost.protocols.memberlist.effects import Fault
from roost.protocols.words.metadata import MetadataError, encode
from roost.protocols.words.sightings import Sighting
from roost.runtime.checks.runner import Runner
from roost.runtime.driver import Driver
from roost.runtime.links import LinkWatcher
from roost.runtime.neighbours import Neighbours
from roost.runtime.resolver import resolve
from roost.runtime.run_folder import lasting_folder, state_folder
from roost.runtime.unhurried import Unhurried
from roost.runtime.virtual_macs import VirtualMacs
from roost.runtime.vrrp_sockets import VrrpSockets
from roost.settings import SpeakerSettings, diff
from roost.speaker.environment import Environment
from roost.speaker.link_log import LinkLog
from roost.speaker.rival import Rival
from roost.speaker.settings import decider_settings
from roost.speaker.source import Source
from roost.speaker.trace import trace

__all__ = ["Speaker"]

_log = logging.getLogger("roost.speaker")

_LEAVE_WITHIN: Final = 1.0  # seconds for telling the peers that this node leaves
_LAST_CALLS: Final = 1.0  # seconds that hooks may take once all else has ended
_QUIET: Final = 1.0  # seconds without packets for its addresses after which a leaving node ends
_POLL: Final = 0.05  # seconds
_LOOK: Final = 0.5  # seconds between two looks at what nobody tells of


class Speaker:
    """The node's parts: `start`, then `run` while changes flow by themselves, then `hand_over` and `stop`."""

    rival: Rival | None = None  # who tried to start in this network namespace last

    def __init__(self, source: Source) -> None:
        config = source.settings
        self.source = source
        self.config = config
        self.started = self.loaded = datetime.now(UTC)
        self.config_error: str | None = None
        self.waiting_for = ""  # what has to be there before it starts
        self.at_next_start: frozenset[str] = frozenset()  # fields of a reload that this process leaves alone
        self.events = Events(lambda seconds, call: asyncio.get_running_loop().call_later(seconds, call))
        self.history = History(lambda: datetime.now(UTC))
        self.failovers = Histogram()  # from a lost leader's last sign of life to the announcement here
        self.faults = FaultLog(lambda: datetime.now(UTC))
        self.reach = Reach()
        self.recent = Recent(lambda: datetime.now(UTC))
        self.recorder = Recorder()
        self.event_store = EventStore(
            lasting_folder(config.status.socket), config.status.socket.stem, lambda: datetime.now(UTC)
        )
        self.environment = Environment(source)
        self.link_log = LinkLog()
        self.on_answering: Callable[[], None] = lambda: None  # called when other addresses are answered for
        self.on_members: Callable[[], None] = lambda: None  # called when a member or its verdict changes
        self.decider = Decider(decider_settings(config), SystemRandom())
        self.cluster = self._make_cluster(config)
        self.links = LinkWatcher(self._on_links)
        counters: Counter[str] = Counter()
        self._responders = Responders(config.announce.responder, counters, self.recorder.frame)
        self.announcer = Announcer(
            self._responders.make,
            counters,
            on_claim=lambda *claim: self._tell(self.decider.claimed, *claim),
            on_client=self._on_client,
        )
        self.pings = PingAnswerer(counters) if config.answer_ping else None
        # Answers are drained before the decider is woken: it acts on them then.
        self.probes = Probes(self.decider.answered, self.recorder.frame)
        self.delivery = Delivery(state_folder(config.status.socket), self._on_delivered)
        self.forwarding = Forwarding(
            state_folder(config.status.socket),
            changed=self._on_delivered,
            unwell=self._on_reached,
            happened=self.events.happened,
        )
        self._unhurried = Unhurried(self._on_failure)
        self.meters = Meters(
            lambda count, seen: self._tell(self.decider.stragglers, count, seen), self._unhurried
        )
        self.passing_on = PassingOn(config.node, tracked=not source.delivers_locally)
        self.counting = Counting(lambda flows: self._tell(self.decider.counted, flows))
        self.traffic = Traffic()
        self.vrrp = VrrpSockets(lambda *packet: self._tell(self.decider.advert, Received(*packet)))
        self.virtual_macs = VirtualMacs()
        self.lifelines = Lifelines(
            self.cluster.hold,
            lambda name: self._tell(self.decider.process_gone, name),
            self.decider.state.watch.counters,
        )
        self.hooks = Calls(config.node, config.hooks)
        self.checks = Runner(lambda check, result: self._tell(self.decider.checked, check, result))
        self._neighbours = Neighbours()
        self._driver = Driver(
            self.decider,
            self._do,
            before_wake=self._drain,
            after_wake=self._await_answers,
            failed=self._on_failure,
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._answered: frozenset[IPAddress] = frozenset()
        self._asking: set[str] = set()  # services whose proxy is being asked
        self._failure: asyncio.Future[None] | None = None
        self._running = False
        for part in (self.history, self.recent, self.event_store, self.recorder):
            self.events.follow(part.follow)
        self.events.follow(self._measure)

    @property
    def name(self) -> str:
        """This node's name."""
        return self.config.node

    async def start(self) -> None:
        """Prepare addresses and sockets, then join; claims nothing before membership has settled.

        Raises LocalDeliveryError, CapabilityError, BindError, MetadataError or OSError, whose texts name the
        cure.
        """
        self._loop = asyncio.get_running_loop()
        self._failure = self._loop.create_future()
        self._responders.prepare()
        await self.links.start()
        now = self._loop.time()
        self.decider.set_members(self.cluster.members(), now)
        self.decider.set_links(self.links.links, now)
        self.virtual_macs.adopt(self.links.links)
        self.checks.take_links(self.links.links)
        self._hold_own(self.links.links)
        self._want("", now)
        if self.source.delivers_locally:
            await self.delivery.set(self.decider.state.plan.local)
            await self.forwarding.start(
                self._runnable(), self.links.links, self.decider.state.announcing_links
            )
        if self.pings is not None:
            self.pings.notice(self.decider.state.plan.known)
            self.pings.open(self.decider.state.announcing_links)
        encode(self.decider.metadata(now))
        self._neighbours.start()
        if self.config.keep_connections and self.config.membership:
            self.passing_on.start(self.config.keep_connections)
        self.event_store.follow(Event(Happening.STARTED, f"roost {__version__} starts"))
        self._running = True
        await self.cluster.start()
        self.decider.start(self._loop.time())
        self._driver.start()

    async def run(self) -> None:
        """Work beside the deciding until cancelled; a part that dies ends this with its reason."""
        assert self._failure is not None  # noqa: S101 - `start` comes first
        async with asyncio.TaskGroup() as group:
            self._look_around()
            group.create_task(self._renew())
            if self.source.delivers_locally:
                group.create_task(self.delivery.verify_for_ever())
                group.create_task(self.forwarding.verify_for_ever())
            await self._failure

    async def hand_over(self) -> None:
        """Leave the cluster, and answer for each address until its successor was heard or time is up."""
        led = len(self.decider.announcements)
        _log.info("handing over", extra={"addresses": led})
        self._tell(self.decider.leave)
        await self.cluster.leave(_LEAVE_WITHIN)
        while self.decider.held:  # noqa: ASYNC110 - the machine has a deadline of its own
            await asyncio.sleep(0.01)
        if led and self.decider.state.plan.passed_on:
            await self._serve_stragglers()
        if not self.decider.state.own_connections.counted:
            await self.counting.count()  # what has no connections does not outlive this process
        await self.hooks.idle()

    async def stop(self) -> None:
        """End at once: fall silent, take the addresses from the host, close everything."""
        if self.decider.state.leaving:
            self._tell(self.decider.end)
        self._driver.stop()
        self._unhurried.close()
        self.events.flush()
        for task in self._tasks:
            task.cancel()
        self.lifelines.update({})
        self.probes.close()
        self.vrrp.close()
        self.virtual_macs.close()
        self.meters.close()
        self.counting.close()
        self.traffic.close()
        self.checks.close()
        self._neighbours.close()
        self.announcer.close()
        self._responders.close()
        if self.pings is not None:
            self.pings.close()
        await self.cluster.stop()
        await self.links.stop()
        self.passing_on.close()
        if self.source.delivers_locally:
            await self.forwarding.stop()
            await self.delivery.clear(self.decider.lingering(self._now()))
        await self.hooks.close(_LAST_CALLS)
        self.event_store.close()

    def look_for_room(self, source: Source) -> None:
        """Raise MetadataError when gossip has no room for what this node would say of itself."""
        encode(plain_metadata(self.links.links, decider_settings(source.settings), source.desired.digest))

    def reload(self, source: Source, prepared: Prepared) -> Iterator[None]:
        """Put another source in force, whose settings passed `in_force`: only the difference is applied.

        `prepared` are its rankings. It goes in steps, between which the event loop may have its turn.
        """
        config = source.settings
        changed = diff(self.config, config)
        before = {each.name for each in self.source.desired.services}
        self.source = source
        self.config = config
        self.config_error = None
        self.loaded = datetime.now(UTC)
        self.environment = Environment(source, self.environment)
        if config.membership and "membership.keys" in changed:
            self.cluster.set_keys(config.membership.keys)
        self.hooks.configure(config.hooks, before - {each.name for each in source.desired.services})
        self._tell(self.decider.configure, decider_settings(config))
        yield
        yield from self._in_steps("the configuration changed", prepared)
        _log.info(
            "configuration loaded",
            extra={
                "services": len(self.source.desired.services),
                "changed": ",".join(sorted(changed)),
            },
        )

    def update(self, why: str) -> None:
        """Follow what the source wants now."""
        for _ in self._in_steps(why):
            pass

    def _in_steps(self, why: str, prepared: Prepared | None = None) -> Iterator[None]:
        if not self._running:
            return  # `start` looks at the source itself
        self.environment.look(self.links.links)
        yield
        self.decider.want(self.source.desired, self.environment.refused, why, self._now(), prepared)
        self._look_at_peers()
        if self.source.delivers_locally:
            self.forwarding.want(self._runnable())
        yield
        self._driver.flush()
        self.history.keep({service.name for service in self.source.desired.services})

    def refuse(self, errors: Sequence[str]) -> None:
        """Keep the last good configuration and remember why the new one is not in force."""
        self.config_error = "; ".join(errors)
        for error in errors:
            _log.error("the last good configuration stays in force: %s", error)

    def join(self, targets: Sequence[JoinTarget]) -> None:
        """Join through these from now on."""
        self._tell(self.decider.configure, decider_settings(self.config, targets))

    def wish(self, node: str, *, wish: bool | None) -> None:
        """Pass on an operator's wish to drain `node`, or no more; None asks how far it is."""
        self._tell(self.decider.wish, node, wish)

    def forget(self, node: str) -> bool:
        """Miss a lost member no more, here and at the peers; tells whether it was missed."""
        known = self.decider.forget(node, self._now())
        self._driver.flush()
        return known

    @property
    def complaints(self) -> Sequence[Complaint]:
        """What of the source does not fit this host."""
        return self.environment.complaints

    @property
    def not_passing_on(self) -> str:
        """Why connections of others cannot be passed on, though that is wanted; "" when they can."""
        return self.passing_on.problem if self.config.keep_connections else ""

    async def look_at_connections(self) -> None:
        """Count the connections that are open on this host, where its own sockets have them."""
        await self.counting.look(self.decider.state.plan.local)
        await self.forwarding.look()

    def connections(self, address: IPAddress) -> int | None:
        """Return how many connections to `address` are open on this host, None where that is not counted."""
        if address in self.forwarding.addresses:
            return self.forwarding.connections_of(address)
        return self.counting.open_now(address, self.decider.state.plan.local)

    def moment(self, then: float) -> datetime:
        """Return the wall clock's time (UTC) for a time of the loop."""
        return datetime.now(UTC) - timedelta(seconds=time.monotonic() - then)

    # -- what comes in ---------------------------------------------------------------------------

    def _tell(self, hear: Callable[..., None], *facts: object) -> None:
        """Tell the decider something, and carry out what follows."""
        hear(*facts, self._now())
        self._driver.flush()

    def _drain(self) -> None:
        """Take what has arrived: what came in time must not count as missing; do what waited for a wake."""
        self.probes.drain()
        self.announcer.hear_peers()
        self.vrrp.drain()
        self._unhurried.wake(self._now())

    def _await_answers(self) -> None:
        """Take the answers that come at once, and see to what they bring."""
        self.probes.await_answers()
        if self.decider.has_effects:
            self._driver.flush()

    def _now(self) -> float:
        return time.monotonic()  # what the event loop counts by, too

    def _want(self, why: str, now: float) -> None:
        self.environment.look(self.links.links)
        self.decider.want(self.source.desired, self.environment.refused, why, now)

    def _on_links(self, links: tuple[Link, ...]) -> None:
        self._tell(self.decider.set_links, links)
        self.forwarding.set_links(links, self.decider.state.announcing_links)
        self.checks.take_links(links)
        self._hold_own(links)
        # What a lost interface means for each service follows from the line about it.
        if self.environment.look(links, quietly=bool(self.link_log.lost)):
            self.update("the host's addresses changed")
        if self.source.delivers_locally:
            self._spawn(self.delivery.verify())

    def _on_client(self, sighting: Sighting, at: float) -> None:
        self.decider.asked(sighting, at)
        self._driver.flush()

    def _hold_own(self, links: Sequence[Link]) -> None:
        if self.pings is not None:
            self.pings.hold(each.ip for link in links for each in link.addresses)

    def _on_members(self) -> None:
        members = self.cluster.members()
        self.faults.reached(str(each.endpoint) for each in members if each.verdict.active)
        self.faults.lost(str(each.endpoint) for each in members if not each.verdict.active)
        self._tell(self.decider.set_members, members)
        self.announcer.meet(frozenset(self.decider.state.address_book.names))
        self._look_at_peers()
        self.on_members()

    def _look_at_peers(self) -> None:
        peers = [each for each in self.cluster.members() if each.name != self.name]
        self.reach.follow(peers, self.source.desired.digest, self._now())

    def _on_fault(self, fault: Fault) -> None:
        left = (each.endpoint for each in self.cluster.members() if each.verdict is Verdict.LEAVING)
        if fault.kind != "exchange-failed" or fault.source not in left:  # who has left does not answer
            self.faults.take(fault, self._now())
            self.reach.fault(fault, self._now())

    def _on_delivered(self) -> None:
        ready = self.delivery.ready | self.forwarding.ready
        refused = {**self.delivery.undeliverable, **self.forwarding.undeliverable}
        self._tell(self.decider.delivered, ready, refused)

    def _on_reached(self, fitness: Mapping[str, Fitness | None]) -> None:
        self._tell(self.decider.reached, fitness)

    def _runnable(self) -> list[Service]:
        """Return the services that this host can run."""
        refused = self.environment.refused
        return [each for each in self.source.desired.services if each.name not in refused]

    def _on_failure(self, error: Exception) -> None:
        if self._failure is not None and not self._failure.done():
            self._failure.set_exception(error)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW)
            self.passing_on.renew()

    def _look_around(self) -> None:
        if (troubled := bool(self.source.trouble)) is not self.decider.state.standing.troubled:
            self._tell(self.decider.source_trouble, troubled)
        self.reach.lasting(self.decider.stand_ins, self._now())
        self._unhurried.later(_LOOK, self._look_around)

    def _measure(self, event: Event) -> None:
        moved = event.what in (Happening.LEAD_MOVED, Happening.SHARES_MOVED)
        if moved and (silent := event.facts.get("silent_s")) is not None:
            self.failovers.observe(silent)

    # -- what goes out ---------------------------------------------------------------------------

    def _do(self, effect: Effect) -> None:
        self._carry_out(effect)
        if self.pings is not None and not isinstance(effect, effects.Probe):  # most are
            self.pings.carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:  # noqa: C901, PLR0912, PLR0915 - one line for each effect
        trace(effect)
        match effect:
            case effects.Probe(target, kind):
                self.probes.ask(target, kind)
            case effects.Renew(until):
                self.announcer.renew(until)
                self.decider.set_spreading(not self.announcer.why_not_spread, self._now())
                self.decider.set_passing_on(not self.not_passing_on, self._now())
            case effects.Answer(announcements):
                self.virtual_macs.follow(_virtual(announcements.values(), self.announcer.links))
                self._answered = frozenset(announcements)
                self.announcer.answer(announcements)
                self._loop.call_soon(self.on_answering)
            case effects.Announce(addresses, sparing):
                if unsent := self.announcer.announce(addresses, sparing=sparing):
                    self._tell(self.decider.unsent, unsent)
            case effects.Correct(sightings):
                self.announcer.tell(sightings)
            case effects.Ask(addresses):
                self.announcer.ask(addresses)
            case effects.SpreadOut(spreads, places):
                self.announcer.spread_out(spreads, places)
            case effects.Notice(addresses):
                self.announcer.notice(addresses)
            case effects.Open(links):
                self.link_log.announcing(links, self.links.links, self.config.interfaces)
                self.announcer.open(links)
                self.probes.use(links)
                self.meters.watch(self.decider.state.clients.followed.addresses, links, self.meters.beside)
            case effects.Listen(targets):
                self.probes.listen(targets)
            case effects.AskHosts(hosts, kind, count):
                self.probes.ask_hosts(hosts, kind, count)
            case effects.Hold(peers):
                self.lifelines.update(peers)
            case effects.Tell(to, word):
                self.cluster.tell(to, word)
            case effects.Declare(ground):
                self.cluster.declare(ground)
            case effects.Vouch(name, seconds, why):
                self.cluster.vouch(name, seconds, why)
            case effects.Doubt(names):
                self.cluster.doubt(names)
            case effects.LetWait(wait):
                self.announcer.let_peers_wait(wait=wait)
            case effects.Isolate(isolated):
                self.cluster.isolate(isolated=isolated)
            case effects.Join(endpoints):
                self.cluster.join(endpoints)
            case effects.Resolve(host, port):
                self._spawn(self._resolve(host, port))
            case effects.Describe():
                self._describe(effect)
            case effects.Deliver(addresses) if self.source.delivers_locally and self._running:
                self._spawn(self.delivery.follow(addresses))
            case effects.SendAdvert(link, source, destination, data, mac):
                self.vrrp.send(link, source, destination, data, mac)
            case effects.HearAdverts(wanted):
                self.vrrp.follow(wanted, {link.index: link for link in self.decider.state.links})
            case effects.ForgetTracked(addresses):
                self.forwarding.forget(addresses)
            case effects.LoosenTracked(addresses):
                self.forwarding.loosen(addresses)
            case effects.Follow(addresses, beside):
                self.meters.watch(addresses, self.decider.state.announcing_links, beside)
            case effects.PassOn():
                self.passing_on.follow(effect)
            case effects.Count(addresses):
                self.counting.follow(addresses)
            case effects.Track(checks):
                self.checks.follow(checks)
            case effects.Teach(link, client, mac):
                self._neighbours.learn(link, client, mac)
            case effects.AskProxy(service) if service.name not in self._asking:
                self._spawn(self._ask_proxy(service))
            case effects.Became(change):
                self.hooks.became(change)
            case effects.Happened(event):
                self.events.happened(event)

    def _describe(self, effect: effects.Describe) -> None:
        try:
            self.cluster.describe(effect.metadata, effect.state)
        except MetadataError as error:
            _log.error("what this node says about itself stays as it was: %s", error)

    async def _resolve(self, host: str, port: int) -> None:
        try:
            found = await resolve(host, port)
        except OSError as error:
            _log.debug("join target %s does not resolve: %s", host, error)
        else:
            self._tell(self.decider.resolved, host, port, found)

    async def _ask_proxy(self, service: Service) -> None:
        self._asking.add(service.name)
        try:
            if await self.source.forwards(service):
                self._tell(self.decider.proxied, service.name)
        finally:
            self._asking.discard(service.name)

    async def _serve_stragglers(self) -> None:
        """Go on forwarding and serving until no packets for the addresses have come for a while."""
        followed = self.decider.state.clients.followed
        begin = self._now()
        while self._now() - max(begin, followed.last_packet) < _QUIET:  # noqa: ASYNC110 - the kernel counts
            await asyncio.sleep(_POLL)
        _log.info("no packets come here any more", extra={"packets": followed.packets})

    def _make_cluster(self, config: SpeakerSettings) -> Cluster:
        membership = config.membership
        if membership is None:
            return Cluster(config.node, bind=None, listener=Listener(members=self._on_members))
        return Cluster(
            config.node,
            bind=membership.bind,
            advertise=membership.advertise,
            keys=membership.keys,
            label=membership.label,
            profile=membership.gossip,
            tap=self.recorder.datagram,
            listener=Listener(
                members=self._on_members,
                synchronized=lambda: self._tell(self.decider.synchronized),
                accused=partial(self._tell, self.decider.accused),
                namesake=lambda where, told: self._tell(self.decider.namesake, where, told.macs),
                word=partial(self._tell, self.decider.hear),
                fault=self._on_fault,
            ),
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a task failed: %s", error, exc_info=error)


def _virtual(announcements: Iterable[Announcement], links: Iterable[Link]) -> set[tuple[int, bytes]]:
    """Return which hardware addresses are answered with on which links (by index), beside the links' own."""
    return {
        (link.index, how.mac) for how in announcements if how.mac for link in links if how.allows(link.name)
    }

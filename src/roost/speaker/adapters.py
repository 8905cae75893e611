"""All parts of a node that do I/O, made, driven and closed together, and what they tell the decider.

    links, gossip, frames, packets, checks -> Decider -> effects -> Hands -> responders, gossip, this host

What it must not know: why anything is done, and when a node starts, reloads and leaves (`Speaker`).
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final

from roost.announce.announcer import Announcer
from roost.announce.ping import PingAnswerer
from roost.announce.responders import Responders
from roost.decide.decider import Decider
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
from roost.model.link import Link
from roost.model.node import Verdict
from roost.model.service import Service
from roost.observe.records import Records
from roost.protocols.memberlist.effects import Fault
from roost.protocols.words.sightings import Sighting
from roost.runtime.checks.runner import Runner
from roost.runtime.driver import Driver
from roost.runtime.links import LinkWatcher
from roost.runtime.neighbours import Neighbours
from roost.runtime.run_folder import state_folder
from roost.runtime.unhurried import Unhurried
from roost.runtime.virtual_macs import VirtualMacs
from roost.runtime.vrrp_sockets import VrrpSockets
from roost.speaker.hands import Hands
from roost.speaker.link_log import LinkLog
from roost.speaker.source import Source

__all__ = ["Adapters"]

_log = logging.getLogger("roost.speaker")

_LEAVE_WITHIN: Final = 1.0  # seconds for telling the peers that this node leaves
_LAST_CALLS: Final = 1.0  # seconds that hooks may take once all else has ended
_LOOK: Final = 0.5  # seconds between two looks at what nobody tells of


class Adapters:
    """What `decider` hears by and acts with; `source` is whose services it is about.

    `on_links(links)` is called after the decider has heard that the host's links changed.
    """

    def __init__(
        self,
        source: Source,
        decider: Decider,
        records: Records,
        on_links: Callable[[tuple[Link, ...]], None],
    ) -> None:
        config = source.settings
        self.source = source
        self.decider = decider
        self.records = records
        self._links_changed = on_links
        self.on_answering: Callable[[], None] = lambda: None  # called when other addresses are answered for
        self.on_members: Callable[[], None] = lambda: None  # called when a member or its verdict changes
        self.cluster = self._make_cluster()
        self.links = LinkWatcher(self._on_links)
        self.link_log = LinkLog()
        counters: Counter[str] = Counter()
        self._responders = Responders(config.announce.responder, counters, records.recorder.frame)
        self.announcer = Announcer(
            self._responders.make,
            counters,
            on_claim=lambda *claim: self.tell(decider.claimed, *claim),
            on_client=self._on_client,
        )
        self.pings = PingAnswerer(counters) if config.answer_ping else None
        # Answers are drained before the decider is woken: it acts on them then.
        self.probes = Probes(decider.answered, records.recorder.frame)
        state = state_folder(config.status.socket)
        self.delivery = Delivery(state, self._on_delivered)
        self.forwarding = Forwarding(
            state,
            changed=self._on_delivered,
            unwell=lambda fitness: self.tell(decider.reached, fitness),
            happened=records.events.happened,
        )
        self._unhurried = Unhurried(self._on_failure)
        self.meters = Meters(lambda count, seen: self.tell(decider.stragglers, count, seen), self._unhurried)
        self.passing_on = PassingOn(config.node, tracked=not source.delivers_locally)
        self.counting = Counting(lambda flows: self.tell(decider.counted, flows))
        self.traffic = Traffic()
        self.vrrp = VrrpSockets(lambda *packet: self.tell(decider.advert, Received(*packet)))
        self.virtual_macs = VirtualMacs()
        self.lifelines = Lifelines(
            self.cluster.hold,
            lambda name: self.tell(decider.process_gone, name),
            decider.state.watch.counters,
        )
        self.hooks = Calls(config.node, config.hooks)
        self.checks = Runner(lambda check, result: self.tell(decider.checked, check, result))
        self.neighbours = Neighbours()
        self._driver = Driver(
            decider,
            Hands(self).carry_out,
            before_wake=self._drain,
            after_wake=self._await_answers,
            failed=self._on_failure,
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: asyncio.Future[None] | None = None
        self.running = False

    # -- their life ------------------------------------------------------------------------------

    async def look(self) -> None:
        """Begin to follow the host's links: the decider and everybody here know them when this returns.

        Raises OSError.
        """
        self.loop = asyncio.get_running_loop()
        self._failure = self.loop.create_future()
        self._responders.prepare()
        await self.links.start()
        links, now = self.links.links, self.now()
        self.decider.set_members(self.cluster.members(), now)
        self.decider.set_links(links, now)
        self.virtual_macs.adopt(links)
        self.checks.take_links(links)
        self._hold_own(links)

    async def open(self, refused: frozenset[str]) -> None:
        """Prepare addresses and sockets for what the decider was told to want; services `refused` do not run.

        Raises LocalDeliveryError, CapabilityError or OSError.
        """
        state = self.decider.state
        if self.source.delivers_locally:
            await self.delivery.set(state.plan.local)
            await self.forwarding.start(self._runnable(refused), self.links.links, state.announcing_links)
        if self.pings is not None:
            self.pings.notice(state.plan.known)
            self.pings.open(state.announcing_links)
        self.neighbours.start()
        config = self.source.settings
        if config.keep_connections and config.membership:
            self.passing_on.start(config.keep_connections)

    async def join(self) -> None:
        """Take part in the cluster: effects are carried out from now on. Raises BindError."""
        self.running = True
        await self.cluster.start()
        self.decider.start(self.now())
        self._driver.start()

    async def run(self) -> None:
        """Do what is done now and then until cancelled; a part that dies ends this with its reason."""
        assert self._failure is not None  # noqa: S101 - `look` comes first
        async with asyncio.TaskGroup() as group:
            self._look_around()
            group.create_task(self._renew())
            if self.source.delivers_locally:
                group.create_task(self.delivery.verify_for_ever())
                group.create_task(self.forwarding.verify_for_ever())
            await self._failure

    async def leave(self) -> None:
        """Tell the peers that this node leaves."""
        self.tell(self.decider.leave)
        await self.cluster.leave(_LEAVE_WITHIN)

    async def close(self) -> None:
        """Fall silent, take the addresses from the host, close everything."""
        self._driver.stop()
        self._unhurried.close()
        self.records.events.flush()
        for task in self._tasks:
            task.cancel()
        self.lifelines.update({})
        for each in (
            self.probes,
            self.vrrp,
            self.virtual_macs,
            self.meters,
            self.counting,
            self.traffic,
            self.checks,
            self.neighbours,
            self.announcer,
            self._responders,
        ):
            each.close()
        if self.pings is not None:
            self.pings.close()
        await self.cluster.stop()
        await self.links.stop()
        self.passing_on.close()
        if self.source.delivers_locally:
            await self.forwarding.stop()
            await self.delivery.clear(self.decider.lingering(self.now()))
        await self.hooks.close(_LAST_CALLS)

    # -- what a speaker asks of them ---------------------------------------------------------------

    def now(self) -> float:
        """Return the time that the decider lives by, which the event loop counts by, too."""
        return time.monotonic()

    def tell(self, hear: Callable[..., None], *facts: object) -> None:
        """Tell the decider something, and carry out what follows."""
        hear(*facts, self.now())
        self._driver.flush()

    def flush(self) -> None:
        """Carry out what follows of what the decider was told."""
        self._driver.flush()

    def want(self, refused: frozenset[str]) -> None:
        """Follow what the source wants now, but for services that are `refused`."""
        self._look_at_peers()
        if self.source.delivers_locally:
            self.forwarding.want(self._runnable(refused))

    @property
    def not_passing_on(self) -> str:
        """Why connections of others cannot be passed on, though that is wanted; "" when they can."""
        return self.passing_on.problem if self.source.settings.keep_connections else ""

    async def look_at_connections(self) -> None:
        """Count the connections that are open on this host, where its own sockets have them."""
        await self.counting.look(self.decider.state.plan.local)
        await self.forwarding.look()

    def connections(self, address: IPAddress) -> int | None:
        """Return how many connections to `address` are open on this host, None where that is not counted."""
        if address in self.forwarding.addresses:
            return self.forwarding.connections_of(address)
        return self.counting.open_now(address, self.decider.state.plan.local)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something be done beside the loop's work, until `close`; what it raises is logged."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    # -- what comes in ---------------------------------------------------------------------------

    def _drain(self) -> None:
        """Take what has arrived: what came in time must not count as missing; do what waited for a wake."""
        self.probes.drain()
        self.announcer.hear_peers()
        self.vrrp.drain()
        self._unhurried.wake(self.now())

    def _await_answers(self) -> None:
        """Take the answers that come at once, and see to what they bring."""
        self.probes.await_answers()
        if self.decider.has_effects:
            self._driver.flush()

    def _on_links(self, links: tuple[Link, ...]) -> None:
        self.tell(self.decider.set_links, links)
        self.forwarding.set_links(links, self.decider.state.announcing_links)
        self.checks.take_links(links)
        self._hold_own(links)
        self._links_changed(links)
        if self.source.delivers_locally:
            self.spawn(self.delivery.verify())

    def _on_client(self, sighting: Sighting, at: float) -> None:
        self.decider.asked(sighting, at, self.now())
        self._driver.flush()

    def _hold_own(self, links: Sequence[Link]) -> None:
        if self.pings is not None:
            self.pings.hold(each.ip for link in links for each in link.addresses)

    def _on_members(self) -> None:
        members = self.cluster.members()
        faults = self.records.faults
        faults.reached(str(each.endpoint) for each in members if each.verdict.active)
        faults.lost(str(each.endpoint) for each in members if not each.verdict.active)
        self.tell(partial(self.decider.set_members, members, unheard=self.cluster.unheard))
        self.announcer.meet(frozenset(self.decider.state.address_book.names))
        self._look_at_peers()
        self.on_members()

    def _look_at_peers(self) -> None:
        peers = [each for each in self.cluster.members() if each.name != self.source.settings.node]
        self.records.reach.follow(peers, self.source.desired.digest, self.now())

    def _on_fault(self, fault: Fault) -> None:
        left = (each.endpoint for each in self.cluster.members() if each.verdict is Verdict.LEAVING)
        if fault.kind != "exchange-failed" or fault.source not in left:  # who has left does not answer
            self.records.faults.take(fault, self.now())
            self.records.reach.fault(fault, self.now())

    def _on_delivered(self) -> None:
        ready = self.delivery.ready | self.forwarding.ready
        refused = {**self.delivery.undeliverable, **self.forwarding.undeliverable}
        self.tell(self.decider.delivered, ready, refused)

    def _runnable(self, refused: frozenset[str]) -> list[Service]:
        """Return the services that this host can run."""
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
            self.tell(self.decider.source_trouble, troubled)
        self.records.reach.lasting(self.decider.stand_ins, self.now())
        self._unhurried.later(_LOOK, self._look_around)

    # -- parts of the above ------------------------------------------------------------------------

    def _make_cluster(self) -> Cluster:
        config = self.source.settings
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
            tap=self.records.recorder.datagram,
            frame_tap=self.records.recorder.frame,
            listener=Listener(
                members=self._on_members,
                synchronized=lambda: self.tell(self.decider.synchronized),
                accused=partial(self.tell, self.decider.accused),
                namesake=lambda where, told: self.tell(self.decider.namesake, where, told.macs),
                word=partial(self.tell, self.decider.hear),
                fault=self._on_fault,
            ),
        )

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a task failed: %s", error, exc_info=error)

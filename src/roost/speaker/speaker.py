"""One node's parts and the changes that go from one to the next.

    source, links -> Election <- Cluster         Election -> plan -> Announcer, LocalDelivery
                                                        Announcer (claims heard) -> Handover, WireTruth

What lives here: wiring. What it must not know: packet formats, file formats, how a command line looks.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from roost.announce.announcer import Announcer
from roost.membership.cluster import Cluster
from roost.membership.metadata import Metadata, MetadataError
from roost.membership.witnessing import Witnessing
from roost.model.address import IPAddress, canonical
from roost.model.complaint import Complaint
from roost.model.election import Election, Move, Prepared
from roost.model.node import Candidate, Verdict
from roost.model.service import Service
from roost.observe.histogram import Histogram
from roost.protocols import draining, sightings
from roost.protocols.errors import PacketError
from roost.protocols.memberlist.profile import PROFILES
from roost.protocols.witness.machine import TIMINGS
from roost.runtime.links import Link, LinkWatcher, on_host
from roost.settings import SpeakerSettings, diff
from roost.speaker import census, complaints
from roost.speaker.clients import Clients
from roost.speaker.delivery import Delivery
from roost.speaker.drain import Drain
from roost.speaker.forwarding import Forwarding
from roost.speaker.handover import Handover
from roost.speaker.history import History
from roost.speaker.lease import BEAT, Lease
from roost.speaker.plan import Plan, plan
from roost.speaker.self_description import LINKS_TOLD, own_metadata
from roost.speaker.source import Source
from roost.speaker.standing import Standing
from roost.speaker.wire import WireTruth

__all__ = ["Speaker"]

_log = logging.getLogger("roost.speaker")

_LEAVE_WITHIN: Final = 1.0  # seconds for telling the peers that this node leaves
_QUIET: Final = 1.0  # seconds without packets for its addresses after which a leaving node ends
_POLL: Final = 0.05  # seconds
_HOSTS_ASKED: Final = 4  # clients that may prove that this node's link works
_PEERS_REMEMBERED: Final = 1024
_LOST: Final = frozenset({Verdict.DEAD, Verdict.UNREACHABLE, Verdict.PROCESS_GONE})


class Speaker:
    """The node's parts: `start`, then changes flow by themselves, then `hand_over` and `stop`."""

    def __init__(self, source: Source) -> None:
        config = source.settings
        self.source = source
        self.config = config
        self.started = self.loaded = datetime.now(UTC)
        self.config_error: str | None = None
        self.waiting_for = ""  # what has to be there before it starts
        self.history = History(lambda: datetime.now(UTC))
        self.election = Election(source.desired.services)
        self.links = LinkWatcher(self._on_links)
        self.announcer = Announcer(
            interfaces=config.interfaces,
            rate=config.announce.gratuitous_rate,
            refresh=config.announce.gratuitous_refresh,
            on_claim=self._on_claim,
            on_client=self._on_client,
            on_heard=self._on_heard,
            may_answer=lambda: self._lease.valid(self._loop.time()),
        )
        self._standing = Standing(
            lambda: bool(self.source.trouble), lambda: bool(self._informed()), self._on_standing
        )
        self.cluster = self._make_cluster(config)
        self.clients = Clients(config.node, self.announcer, self.election, self.cluster.tell)
        self.drain = Drain(
            config.node,
            self.cluster.tell,
            measure=self._measure_drain,
            changed=self._on_drain,
            clock=time.monotonic,  # what the event loop counts by, too
        )
        self.wire = WireTruth()
        self.plan = Plan()
        self.complaints: Sequence[Complaint] = ()  # of this source on this host
        self.witnessing = Witnessing(
            config.node,
            TIMINGS.get(config.membership.profile) if config.membership else None,
            tell=self.cluster.tell,
            declare=self.cluster.declare_dead,
            hold=self.cluster.hold,
            on_cut_off=self._on_cut_off,
            on_return=self._on_return,
            hosts=self._known_hosts,
        )
        self.delivery = Delivery(config.status.socket.parent / f"{config.node}.state", self._announce)
        self.on_answering: Callable[[], None] = lambda: None  # called when other addresses are answered for
        self.failovers = Histogram()  # from a lost leader's last sign of life to the announcement here
        self._running = False
        self._handover = Handover()
        self._forwarding = Forwarding(self._forwards, self._announce)
        self._led_when_cut_off: frozenset[IPAddress] = frozenset()
        self._macs: dict[bytes, str] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._refused: frozenset[str] = frozenset()  # services that this host cannot run

    @property
    def name(self) -> str:
        """This node's name."""
        return self.config.node

    async def start(self) -> None:
        """Prepare addresses and sockets, then join; claims nothing before membership has settled.

        Raises LocalDeliveryError, CapabilityError, BindError or OSError, whose texts name the cure.
        """
        self._loop = asyncio.get_running_loop()
        self._lease = Lease(self._loop.time())
        await self.links.start()
        self.election.update_services(self.source.desired.services)
        self._check_environment()
        self.announcer.set_links(self.links.links)
        self._take_members()
        self._running = True
        if self.source.delivers_locally:
            await self.delivery.set(self.plan.local)
            self._spawn(self.delivery.verify_for_ever())
        self.cluster.set_metadata(self._metadata())
        await self.cluster.start()
        self._spawn(self._beat())
        self._spawn(self._standing.watch())
        self._spawn(self.clients.run())

    async def hand_over(self) -> None:
        """Leave the cluster, and answer for each address until its successor was heard or time is up."""
        led = len(self._answered())
        _log.info("handing over", extra={"addresses": led})
        await self.cluster.leave(_LEAVE_WITHIN)
        self._on_members(frozenset({self.name}))
        while self._handover.held:  # noqa: ASYNC110 - the machine has a deadline of its own
            await asyncio.sleep(0.01)
        if led and self.plan.passed_on:
            await self._serve_stragglers()

    async def _serve_stragglers(self) -> None:
        """Go on forwarding and serving until no packets for the addresses have come for a while."""
        self.clients.follow(self.plan, frozenset())
        begin = self._loop.time()
        while self._loop.time() - max(begin, self.clients.stragglers.last_packet) < _QUIET:  # noqa: ASYNC110 - the kernel counts
            await asyncio.sleep(_POLL)
        _log.info("no packets come here any more", extra={"packets": self.clients.stragglers.packets})

    async def stop(self) -> None:
        """End at once: fall silent, take the addresses from the host, close everything."""
        for task in self._tasks:
            task.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self.witnessing.close()
        self._forwarding.close()
        self.clients.close()
        self.announcer.close()
        await self.cluster.stop()
        await self.links.stop()
        if self.source.delivers_locally:
            await self.delivery.clear()

    def reload(self, source: Source, prepared: Prepared) -> Iterator[None]:
        """Put another source in force, whose settings passed `in_force`: only the difference is applied.

        `prepared` are its rankings. It goes in steps, between which the event loop may have its turn.
        Raises as `update`.
        """
        config = source.settings
        changed = diff(self.config, config)
        self.source = source
        self.config = config
        self.config_error = None
        self.loaded = datetime.now(UTC)
        self.announcer.configure(
            interfaces=config.interfaces,
            rate=config.announce.gratuitous_rate,
            refresh=config.announce.gratuitous_refresh,
        )
        if config.membership and "membership.keys" in changed:
            self.cluster.set_keys(config.membership.keys)
        self.announcer.set_links(self.links.links)
        yield
        yield from self._in_steps("the configuration changed", prepared)
        _log.info(
            "configuration loaded",
            extra={"services": len(self.election.rankings), "changed": ",".join(sorted(changed))},
        )

    def update(self, why: str) -> None:
        """Follow what the source wants now. Raises MetadataError when that was too much to gossip."""
        for _ in self._in_steps(why):
            pass

    def _in_steps(self, why: str, prepared: Prepared | None = None) -> Iterator[None]:
        if not self._running:
            return  # `start` looks at the source itself
        services = self.source.desired.services
        self._check_environment()
        yield
        moves = self.election.update_services(services, prepared)
        self._await_proxy(moves)
        yield
        self._take_members()
        yield
        self._record(moves, why)
        self.history.keep({service.name for service in services})
        self.cluster.set_metadata(self._metadata())

    def refuse(self, errors: Sequence[str]) -> None:
        """Keep the last good configuration and remember why the new one is not in force."""
        self.config_error = "; ".join(errors)
        for error in errors:
            _log.error("the last good configuration stays in force: %s", error)

    # -- what comes in ---------------------------------------------------------------------------

    def _on_links(self, links: tuple[Link, ...]) -> None:
        self.announcer.set_links(links)
        self._check_environment()
        self._gossip()
        self._take_members()
        self._spawn(self.delivery.verify())

    def _on_members(self, _names: frozenset[str]) -> None:
        self._take_members()

    def _on_settled(self) -> None:
        here = (Move(name, None, self.name) for name in self.election.led_by(self.name))
        self._await_proxy(here)  # this node may have started a moment ago, and its proxy, too
        self._take_members()
        self._apply()

    def _on_claim(self, address: IPAddress, mac: bytes, interface: str, peer: str | None) -> None:
        """Hear that another machine claims an address: its successor, a peer, or a stranger."""
        peer = peer or self._foreign_leader(address)
        if peer is None:
            return
        if self._handover.claimed(address):
            _log.info(
                "handed over", extra={"address": canonical(address), "to": peer, "interface": interface}
            )
            self._announce()
        elif address in self.plan.leading and (why := self._why_yield(peer, address)):
            if self.wire.heard(address, peer, self._loop.time()):
                _log.warning(
                    "yielding an address to a peer that answers for it, %s",
                    why,
                    extra={"address": canonical(address), "peer": peer, "mac": mac.hex(":")},
                )
                self.cluster.rejoin_now()
            self._announce()

    def _on_client(self, sighting: sightings.Sighting) -> None:
        self.clients.new(sighting)

    def _on_heard(self) -> None:
        self.witnessing.lan_heard()

    def _on_return(self, alone: bool) -> None:  # noqa: FBT001 - as Witnessing calls it
        """Hear on the wire that a lost peer, or the whole LAN, is there again: gossip comes next."""
        self.cluster.rejoin_now()
        if alone:  # what others led is answered by others; whether any of them lives is asked first
            self._standing.accused()
            self._gossip()
            self.cluster.resettle(after_cut=True)
            self._apply()

    def _known_hosts(self) -> list[tuple[IPAddress, bytes]]:
        clients = self.announcer.clients.of(self.plan.known)
        return [(each.client, each.mac) for each in itertools.islice(clients, _HOSTS_ASKED)]

    def _on_cut_off(self) -> None:
        """Find that nobody is heard: tell those whom gossip may reach, and keep what is led."""
        self._led_when_cut_off = frozenset(self.plan.leading)
        self._gossip()

    def _on_silent(self) -> None:
        self.witnessing.accused()

    def _on_standing(self) -> None:
        self._gossip()
        self._take_members()

    def _on_drain(self) -> None:
        _log.info("draining" if self.drain.draining else "draining no more")
        if not self._running:
            return  # `start` tells it
        self._gossip()
        self._take_members()

    def _gossip(self) -> None:
        """Let the cluster know what this node says about itself now."""
        try:
            self.cluster.set_metadata(self._metadata())
        except MetadataError as error:
            _log.error("what this node says about itself stays as it was: %s", error)

    def _on_message(self, payload: bytes) -> None:
        with suppress(PacketError):
            self.clients.receive(*sightings.decode(payload))
            return
        with suppress(PacketError):
            self.drain.receive(draining.decode(payload))
            return
        self.witnessing.receive(payload)

    # -- what goes on ----------------------------------------------------------------------------

    def _take_members(self) -> None:
        members = self.cluster.members()
        for member in members:
            for mac in member.metadata.macs if member.name != self.name else ():
                if len(self._macs) < _PEERS_REMEMBERED:
                    self._macs[mac] = member.name
        self.announcer.set_peers(self._macs)
        if not self._standing.blind:  # gossip sees them, and this node knows what they know
            self.wire.forget(frozenset(m.name for m in members if m.verdict.active and m.name != self.name))
        before = dict(self.election.candidates)
        own = [link.name for link in self.announcer.announcing[:LINKS_TOLD]]  # what the others know of
        moves = self.election.update_candidates(
            census.candidates(
                members,
                self.name,
                own,
                self.source.desired.nodes,
                assumed=self.config.membership is None,
            )
        )
        self._await_proxy(moves)
        self._apply()  # first of all: clients wait for this, nobody waits for the record
        self._measure(moves)
        self.clients.follow(self.plan, census.peers(members, self.name))
        led = census.led_by_peers(
            members, self.election.rankings.values(), self.source.desired.digest, self._refused
        )
        self.witnessing.update(self.announcer.announcing, members, led)
        self._record(moves, "", before)

    def _await_proxy(self, moves: Iterable[Move]) -> None:
        """Let who led go on answering until this node passes traffic on; after a failure wait for nothing."""
        for move in moves:
            ranking = self.election.rankings.get(move.service)
            lost = move.old_leader is not None and self._is_lost(move.old_leader)
            if ranking and ranking.service.health_port and move.new_leader == self.name and not lost:
                self._forwarding.expect(ranking.service, move.old_leader)
            else:
                self._forwarding.release(move.service)
        self._forwarding.release_from(self._is_lost)

    async def _forwards(self, service: Service) -> bool:
        return await self.source.forwards(service)

    def _measure(self, moves: Sequence[Move]) -> None:
        """Note how long the addresses that came here by a failure went without a living leader."""
        now = self._loop.time()
        for move in moves:
            if move.new_leader == self.name and move.old_leader and self._is_lost(move.old_leader):
                heard = self.witnessing.last_heard(move.old_leader)
                if heard is not None:
                    self.failovers.observe(now - heard)

    def _measure_drain(self) -> tuple[int, int, float]:
        stragglers = self.clients.stragglers
        leads = len(self.election.led_by(self.name)) + len(self._handover.held)
        return leads, stragglers.packets, stragglers.last_packet

    def _record(self, moves: Sequence[Move], why: str, before: Mapping[str, Candidate] | None = None) -> None:
        for move in moves:
            reason = why or census.reason(move, before or {}, self.election.candidates)
            self.history.record(move.service, move.new_leader, reason)
            _log.info(
                "lead moved",
                extra={
                    "service": move.service,
                    "from": move.old_leader,
                    "to": move.new_leader,
                    "why": reason,
                },
            )

    def _apply(self) -> None:
        """Work out what this node does now, and do what has changed."""
        # Who hears nobody is most likely the one cut off: what others led is led by others now.
        only = self._led_when_cut_off if self.witnessing.cut_off else None
        self.plan = plan(
            self.name, self.election.rankings.values(), self.election.candidates, self._refused, only
        )
        self._handover.lead(
            self.plan.leading if self.cluster.settled else (), self.plan.passed_on, self._loop.time()
        )
        self._announce()
        if self.source.delivers_locally and not self.delivery.covers(self.plan.local):
            self._spawn(self.delivery.follow(self.plan.local))

    def _announce(self) -> None:
        self.announcer.set_known(self.plan.known)
        answered = self._answered()
        if answered != self.announcer.announcements:
            self._loop.call_soon(self.on_answering)
        self.announcer.set_announcements(answered)
        self._arm()

    def _answered(self) -> dict[IPAddress, tuple[str, ...] | None]:
        """The addresses that this node answers for: led and ready here, or held for their successor."""
        leading = self.plan.leading if self.cluster.settled else {}
        before, awaited = self.announcer.announcements, self._forwarding.awaited
        answered = {
            address: patterns
            for address, patterns in leading.items()
            if (address in self.delivery.ready or address not in self.plan.local)
            and (address in before or address not in awaited)
            and not self.wire.holder(address)
        }
        for address in self._handover.held & before.keys():
            answered.setdefault(address, before[address])
        return answered

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = [when for when in (self._handover.next_wake(), self.wire.next_wake()) if when is not None]
        if due:
            self._timer = self._loop.call_at(min(due), self._wake)

    def _wake(self) -> None:
        now = self._loop.time()
        unclaimed = self._handover.wake(now)
        silent, ask = self.wire.wake(now)
        for address in silent:
            _log.warning(
                "taking over an address whose holder fell silent", extra={"address": canonical(address)}
            )
        self.announcer.ask(ask | unclaimed)
        self._announce()

    async def _beat(self) -> None:
        """Renew the lease; when it had run out, claim nothing before the cluster is known again."""
        self._lease.renew(self._loop.time())
        while True:
            await asyncio.sleep(BEAT)
            if not self._lease.renew(self._loop.time()):
                _log.warning("this process did not run for a while: asking the others before it answers")
                self.cluster.resettle()
                self._apply()

    def _check_environment(self) -> None:
        """Hold the source against this host's addresses: what cannot run here is refused, alone."""
        before, self.complaints = self.complaints, self.source.complaints(*on_host(self.links.links))
        complaints.tell(self.complaints, before)
        self._refused = frozenset(
            each.service for each in self.complaints if each.service and each.severity == "error"
        )

    def _foreign_leader(self, address: IPAddress) -> str | None:
        """Return who leads `address`, if that node runs another speaker, whose MACs nobody gossips."""
        ranking = self.election.ranking_of(address)
        if ranking is None or ranking.leader in (None, self.name):
            return None
        member = next((each for each in self.cluster.members() if each.name == ranking.leader), None)
        return ranking.leader if member and not member.metadata.version else None

    def _is_lost(self, peer: str) -> bool:
        """Tell whether gossip has lost `peer`; the claims of those that it reaches end by themselves."""
        candidate = self.election.candidates.get(peer)
        return candidate is None or candidate.verdict in _LOST

    def _informed(self) -> frozenset[str]:
        """Return the peers that hear of changes."""
        return census.informed(self.cluster.members(), self.name)

    def _why_yield(self, peer: str, address: IPAddress) -> str:
        """Return why the claim of `peer` for an address that this node leads counts more, or ""."""
        ranking = self.election.ranking_of(address)
        if self._is_lost(peer) and ranking is not None and ranking.is_before(peer, self.name):
            return "that ranks before this node, and that gossip does not reach"
        if self._standing.blind and peer in self._informed():
            return "that hears of changes, which this node does not"
        return ""

    def _metadata(self) -> Metadata:
        return own_metadata(
            self.announcer.announcing,
            self.config,
            digest=self.source.desired.digest,
            draining=self.drain.draining,
            deaf=self.witnessing.cut_off,
            blind=self._standing.blind,
            outdated=self._standing.outdated,
            waits=self._standing.waits,
        )

    def _make_cluster(self, config: SpeakerSettings) -> Cluster:
        membership = config.membership
        if membership is None:
            return Cluster(config.node, bind=None, on_change=self._on_members, on_settled=self._on_settled)
        return Cluster(
            config.node,
            bind=membership.bind,
            advertise=membership.advertise,
            keys=membership.keys,
            label=membership.label,
            profile=PROFILES[membership.profile],
            join=[str(target) for target in membership.join],
            on_change=self._on_members,
            on_settled=self._on_settled,
            on_message=self._on_message,
            on_accused=self._standing.accused,
            on_silent=self._on_silent,
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

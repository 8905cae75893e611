"""All that a decider knows, in one place, and the small questions that its parts ask about it.

What lives here: state. What it must not hold: a decision.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from roost.decide.address_book import AddressBook
from roost.decide.announcing import Announcing
from roost.decide.answer_lease import AnswerLease
from roost.decide.answers import Answers
from roost.decide.asking import Asking
from roost.decide.clients.clients import Clients
from roost.decide.connections.holders import Holders
from roost.decide.connections.own import Own
from roost.decide.delivery import Delivered
from roost.decide.fates import FateBook
from roost.decide.handover import Handover
from roost.decide.members import ClusterMember
from roost.decide.namesakes import Namesakes
from roost.decide.outbox import Outbox
from roost.decide.patrol import Patrol
from roost.decide.plan import Plan
from roost.decide.readiness import Readiness
from roost.decide.rejoining import Rejoining
from roost.decide.roles import Roles
from roost.decide.settings import DeciderSettings
from roost.decide.settling import Settling
from roost.decide.sharing.presence import Presence
from roost.decide.sharing.roll_call import RollCall
from roost.decide.sharing.shares import Shares
from roost.decide.spreading.taking import Taking
from roost.decide.standing.drain import Drain
from roost.decide.standing.inability import Inability
from roost.decide.standing.isolation import Isolation
from roost.decide.standing.standing import Standing
from roost.decide.standing.tracking import Tracking
from roost.decide.succession import Succession
from roost.decide.tenures import TenureBook
from roost.decide.vouching import Vouching
from roost.decide.vrrp.routers import VirtualRouters
from roost.decide.witnessing.duties import duties, witnesses
from roost.decide.witnessing.watch import Watch
from roost.decide.yielding import Yielding
from roost.model.address import IPAddress
from roost.model.election import Election
from roost.model.lead import Lead
from roost.model.link import Link
from roost.model.node import Verdict
from roost.model.service import DesiredState
from roost.model.sharing import Weights
from roost.protocols.machine import Endpoint, Randomness
from roost.protocols.witness.budget import Budget

__all__ = ["State"]


_JUST: Final = 3.0  # seconds


class _Ring(NamedTuple):
    """Who of these members runs Roost, and whom this node watches: worked out once for them.

    SWIM suspects the `suspects`; `deaf`: it misses so many, or so wholly, that what others find out hardly
    comes here.
    """

    members: tuple[ClusterMember, ...] = ()
    nodes: frozenset[str] = frozenset()
    duties: Mapping[str, frozenset[str]] = MappingProxyType({})
    suspects: frozenset[str] = frozenset()
    deaf: bool = False


class State:
    """What node `settings.node` knows."""

    unheard = False  # whether gossip has asked somebody and others for help, and heard nobody

    def __init__(self, settings: DeciderSettings, random: Randomness) -> None:
        self.me = me = settings.node
        self.settings = settings
        self.random = random
        self.outbox = Outbox()
        # What comes from outside.
        self.desired = DesiredState()
        self.refused: frozenset[str] = frozenset()  # services that this host cannot run
        self.members: tuple[ClusterMember, ...] = ()
        self._ring = _Ring()
        self.came: dict[str, float] = {}  # active members -> since when they are
        self.links: tuple[Link, ...] = ()
        self.announcing_links: tuple[Link, ...] = ()  # by index
        self.leaving = False
        self.spreads = False  # whether this host's kernel can spread connections over nodes
        self.passes_on = True  # whether this host can pass connections on that it does not know
        self.delivery = Delivered()
        self.address_book = AddressBook(me)
        self.namesakes = Namesakes()
        self.fates = FateBook(me)
        # Who leads, and what speaks for or against answering here.
        self.election = Election()
        self.tenures = TenureBook(me)
        self.routers = VirtualRouters()
        self.budget = budget = Budget(settings.arp_rate)  # of questions by ARP, of all parts together
        self.presence = Presence()
        self.roll_call = RollCall(budget)
        shares = Shares(
            me,
            self.presence,
            self.roll_call,
            witnesses=self.knowing_of,
            reserves=self.reserves,
            unknown=self.unknown,
        )
        self.plan = Plan(me, self.election, shares, self.routers.announcements)
        self.succession = Succession(budget)
        self.handover = Handover(budget=budget)
        self.yielding = Yielding(budget=budget)
        self.asking = Asking(budget)
        self.readiness = Readiness()
        self.patrol = Patrol(budget)
        self.answers = Answers(
            plan=self.plan,
            succession=self.succession,
            handover=self.handover,
            yielding=self.yielding,
            asking=self.asking,
            delivered=self.delivery,
            readiness=self.readiness,
            links=lambda: self.announcing_links,
            me=me,
        )
        # Who is there, and how this node stands.
        self.lease = AnswerLease()
        self.settling = Settling(alone=settings.bind is None)
        self.watch = Watch(me, settings.timing if settings.bind else None, budget)
        self.vouching = Vouching(self.watch)
        self.isolation = Isolation()
        self.standing = Standing()
        self.inability = Inability(me)
        self.tracking = Tracking(me)
        self.roles = Roles()
        self.drain = Drain(me, self.drained)
        self.rejoining = Rejoining(settings.join, settings.rejoin_interval, random, self.is_worth_joining)
        # Who has to be told.
        self.announcing = Announcing(settings.gratuitous_rate, settings.gratuitous_refresh, budget)
        self.clients = Clients(me, self.plan.answerers, lambda: frozenset(self.address_book.names))
        # Connections that outlive the move of their address.
        self.holders = Holders(me)
        self.own_connections = Own(me)
        self.taking = Taking(me)
        self.spread_here: frozenset[IPAddress] = frozenset()  # where the kernel itself looks for connections

    def verdict(self, name: str | None) -> Verdict | None:
        """Return what is held of a node, None where it is not known."""
        candidate = self.election.candidates.get(name) if name else None
        return candidate.verdict if candidate else None

    def machine_at(self, address: IPAddress, mac: bytes | None) -> str:
        """Return the member at an address, or with a hardware address (6 bytes); else the address's text."""
        if mac is not None and (known := self.address_book.name_of(mac)):
            return known
        told = (each.name for each in self.members if address in each.metadata.addresses)
        return next(told, str(address))

    def is_lost(self, peer: str) -> bool:
        """Tell whether gossip has lost `peer`; the claims of those that it reaches end by themselves."""
        verdict = self.verdict(peer)
        return verdict is None or verdict.lost

    def is_out_of_reach(self, peer: str) -> bool:
        """Tell whether gossip has lost `peer`, misses it, or saw it leave: what is held of it may be old."""
        return self.is_lost(peer) or self.verdict(peer) in (Verdict.SUSPECT, Verdict.LEAVING)

    def has_just_come(self, peer: str, now: float) -> bool:
        """Tell whether `peer` was lost a moment ago: what it holds of others is from before that."""
        return now - self.came.get(peer, now) < _JUST

    @property
    def duties(self) -> Mapping[str, frozenset[str]]:
        """Whom this node watches, each with its other witnesses."""
        return self._ring_now().duties

    @property
    def suspects(self) -> frozenset[str]:
        """Whom SWIM suspects; what they wish of themselves, as to drain, hides it in their verdicts."""
        return self._ring_now().suspects

    def _ring_now(self) -> _Ring:
        if self._ring.members is not self.members:
            nodes = frozenset(each.name for each in self.members if each.is_roost)
            suspects = frozenset(each.name for each in self.members if each.verdict is Verdict.SUSPECT)
            others = nodes - {self.me}
            missed = len(suspects & others)
            # Who suspects many asks ever slower, and has not asked them all for long: Lifeguard.
            deaf = (self.unheard and missed > 0) or (missed > 1 and 2 * missed >= len(others))
            self._ring = _Ring(self.members, nodes, duties(self.me, nodes), suspects, deaf)
        return self._ring

    def knowing_of(self, name: str, lead: Lead) -> frozenset[str]:
        """Return who finds out that `name`, one of those that share `lead`, is mute, if this node is one.

        Those are its witnesses but those that are mute themselves; where none of them shares the address,
        others of those that do, or else of those that would rather not. A node without gossip looks itself.
        """
        if self._ring_now().deaf:
            return frozenset({self.me}) - {name}
        nodes, mute = self._ring_now().nodes, self.roll_call.mute(lead.address) - {name}
        watching = witnesses(name, nodes - mute if mute else nodes)  # mostly one that is remembered
        if watching.isdisjoint(lead.sharers):
            others = frozenset(lead.sharers) - mute - {name} or frozenset(self.reserves(lead))
            watching |= witnesses(name, others | {name})
        return watching if self.me in watching else frozenset()

    def reserves(self, lead: Lead) -> list[str]:
        """Return who may lead and does not share: it would rather not, or is unfit; in order."""
        ranking = self.election.rankings.get(lead.service)
        places = ranking.places if ranking is not None else ()
        return [each.node for each in places if each.node not in lead.sharers and self.may_lead(each.node)]

    def unknown(self, lead: Lead) -> Weights:
        """Return who answers on the LAN, is not known to gossip, and may answer as far as is known."""
        ranking = self.election.rankings.get(lead.service)
        if ranking is None or ranking.service.sharing is None:
            return ()
        service = ranking.service
        names = (
            name
            for name in self.presence.nodes - self.election.candidates.keys()
            if any(each.covers(name, {}) for each in service.advertisements)
            and (service.endpoint_nodes is None or name in service.endpoint_nodes)
        )
        return ranking.service.sharing.weights_of(names)

    def may_lead(self, name: str) -> bool:
        """Tell whether a node can lead, gladly or not."""
        verdict = self.verdict(name)
        return verdict is not None and (verdict.active or verdict.reluctant)

    def would_lead(self, name: str) -> bool:
        """Tell whether a node leads gladly what it can."""
        verdict = self.verdict(name)
        return verdict is not None and verdict.active

    def wants_others(self, name: str) -> bool:
        """Tell whether a node wants other services than this one."""
        return any(each.name == name and each.wants_others(self.desired.digest) for each in self.members)

    def was_witnessed(self, name: str) -> bool:
        """Tell whether what is held of a node was seen on the wire, or said by itself."""
        return self.verdict(name) not in (None, Verdict.DEAD)

    def may_be_old(self, now: float) -> bool:
        """Tell whether what a peer says now may have waited while this process did not run."""
        return not self.lease.valid(now) or self.settling.may_be_old(now)

    @property
    def keeps_leads(self) -> bool:
        """Whether all nodes can know of leads that stay: who runs another speaker goes by rank."""
        foreign = any(member.verdict.active and not member.metadata.version for member in self.members)
        return self.settings.bind is not None and (self.desired.nodes is None or not foreign)

    def is_worth_joining(self, endpoint: Endpoint) -> bool:
        """Tell whether no active member is at `endpoint`."""
        return all(each.endpoint != endpoint for each in self.members if each.verdict.active)

    def foreign_leader(self, address: IPAddress) -> str | None:
        """Return who leads `address`, if that node runs another speaker, whose MACs nobody gossips."""
        lead = self.plan.lead(address)
        leader = lead.node
        if leader in (None, self.me) or lead.sharers:
            return None
        member = next((each for each in self.members if each.name == leader), None)
        return leader if member and not member.metadata.version else None

    def drained(self, now: float) -> tuple[int, int, float, int]:
        """Return how many addresses are led or held here, packets for others' so far, seconds without any.

        Last come the connections for such addresses that are open here.
        """
        followed, own, rankings = self.clients.followed, self.own_connections, self.election.rankings
        led = {each for name in self.election.led_by(self.me) for each in rankings[name].service.addresses}
        quiet = now - followed.last_packet if own.counted else 0.0
        return len(led | self.handover.held), followed.packets, quiet, own.connections

    @property
    def may_be_missing_others(self) -> bool:
        """Whether nodes may be on the LAN that gossip does not reach."""
        return self.never_gossiped or any(member.verdict.lost for member in self.members)

    @property
    def never_gossiped(self) -> bool:
        """Whether gossip ought to have reached somebody by now, and never has."""
        return not self.settling.gossiped and self.rejoining.has_targets

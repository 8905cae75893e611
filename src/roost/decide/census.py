"""Members of the cluster as the election, the witnesses and the record of moves want them. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from roost.decide.members import ClusterMember
from roost.decide.plan import Plan
from roost.model.address import IPAddress
from roost.model.election import Election, Move
from roost.model.fitness import FIT, Fitness
from roost.model.node import Candidate, Node, Verdict

__all__ = ["Census", "informed", "led_by_peers", "peers", "reason"]

_ARRIVALS: Final = {
    Verdict.DRAINING: "the drain of {} was ended, and it stands first",
    Verdict.DAMPED: "{} may lead again and stands first",
    Verdict.NOT_READY: "{} is ready again and stands first",
    Verdict.OUTDATED: "{} hears of changes again and stands first",
}


@dataclass(frozen=True, slots=True)
class Census:
    """Who can lead, as node `me` has to see it.

    `own` are the names of this node's announcing links. `known` are the nodes as the source of services
    knows them, None where gossip alone does; then members that run another speaker are no speakers.
    `assumed`: nobody gossips, so every node that the source knows is taken for a speaker. `unable` are the
    addresses that nodes cannot hold, by their own word.
    """

    me: str
    own: tuple[str, ...] = ()
    known: Mapping[str, Node] | None = None
    assumed: bool = False
    leaving: bool = False
    unable: Mapping[str, frozenset[IPAddress]] = field(default_factory=lambda: MappingProxyType({}))

    def candidates(self, members: Sequence[ClusterMember]) -> list[Candidate]:
        """Return all candidates: the members, and where nobody gossips the source's nodes."""
        foreign = any(member.verdict.active and not member.metadata.version for member in members)
        # Who runs another speaker would not know of a node's wish not to lead.
        obliging = self.known is None or not foreign
        found = [self._candidate(member, obliging=obliging) for member in members]
        if not self.assumed or self.known is None:
            return found
        others = [node for node in self.known.values() if node.name != self.me]
        return [_assumed(node) for node in (*(each.node for each in found), *others)]

    def _candidate(self, member: ClusterMember, *, obliging: bool) -> Candidate:
        node = self._node(member)
        if member.name == self.me and self.leaving:
            return Candidate(node, Verdict.LEAVING, "asked to leave")
        if obliging and member.verdict.active and (wish := _wish(member)):
            return Candidate(node, *wish, deaf=member.metadata.deaf)
        return Candidate(node, member.verdict, member.evidence)

    def _node(self, member: ClusterMember) -> Node:
        told = member.metadata
        mine = member.name == self.me
        roost = mine or bool(told.version)
        base = Node(member.name, told.labels) if self.known is None else self.known.get(member.name)
        return replace(
            base or Node(member.name, registered=False),
            speaker=roost or self.known is not None,
            shares=roost,
            can_announce=bool(self.own) if mine else bool(told.macs) or not roost,
            interfaces=self.own if mine else told.interfaces,
            networks=told.networks,
            # What it said before it came back, or took back unheard, counts no more.
            unable=self.unable.get(member.name, frozenset()) if mine or told.unable else frozenset(),
        )


def _wish(member: ClusterMember) -> tuple[Verdict, str] | None:
    """Return why a member would rather not lead, by its own word."""
    told = member.metadata
    if told.draining:
        return Verdict.DRAINING, "asked for by an operator"
    waits = f"it was lost {told.waits} times of late and waits before it leads again" if told.waits else ""
    if told.deaf:
        heard = "by its own word it hears nobody on its links, or only since a moment ago"
        return Verdict.DAMPED, waits or heard
    if told.outdated:
        return Verdict.OUTDATED, "it does not hear of changes, and others do"
    return (Verdict.DAMPED, waits) if waits else None


def informed(members: Iterable[ClusterMember], me: str) -> frozenset[str]:
    """Return the names of the other active Roost nodes that hear of changes."""
    return peers((member for member in members if not member.metadata.blind), me)


def peers(members: Iterable[ClusterMember], me: str) -> frozenset[str]:
    """Return the names of the other Roost nodes that are active."""
    return frozenset(member.name for member in members if member.is_roost and member.name != me)


def _assumed(node: Node) -> Candidate:
    if node.ready:
        return Candidate(node, Verdict.ALIVE, "assumed: nobody gossips")
    return Candidate(node, Verdict.NOT_READY, "its Node object says that it is not ready")


def led_by_peers(
    members: Iterable[ClusterMember],
    plan: Plan,
    election: Election,
    *,
    digest: str,
    before: Mapping[str, IPAddress],
    mute: Collection[IPAddress],
    in_vain: Mapping[str, IPAddress] = MappingProxyType({}),
) -> dict[str, IPAddress]:
    """Return an address of each peer that it answers for: the one of `before` as long as it leads that.

    A new one only of those that want the same services as this node: others may not know of it. Those in
    `mute` are answered by somebody else. Best is one that is shared: no claim of another takes it away. Who
    was asked `in_vain` for one gets the next.
    """
    led = {name: address for name, address in before.items() if plan.lead(address).is_answered_by(name)}
    same = [member.name for member in members if digest and member.metadata.digest == digest]
    for name in same:
        if name in led:
            continue
        rankings = [election.rankings[service] for service in sorted(election.led_by(name))]
        addresses = [
            address
            for ranking in sorted(rankings, key=lambda each: not each.sharers)
            if ranking.service.vrrp is None  # another may have taken over a moment ago
            for address in ranking.service.addresses
            if plan.lead(address).is_answered_by(name) and address not in mute
        ]
        if addresses:
            past = in_vain.get(name)
            led[name] = addresses[(addresses.index(past) + 1) % len(addresses) if past in addresses else 0]
    return led


def reason(
    move: Move,
    before: Mapping[str, Candidate],
    now: Mapping[str, Candidate],
    fitness: Mapping[str, Fitness] = MappingProxyType({}),
    *,
    isolated: bool = False,
    failback: str = "",
) -> str:
    """One clause on why the lead moved: the old leader's fate, or the new one's arrival.

    `fitness` is how well nodes serve that service, of those that do not simply. A node that is `isolated`
    cannot know the fate of others. `failback` is what has left the lead with its new leader, as the
    configuration has it.
    """
    if move.old_leader and (fate := _fate(move.old_leader, now.get(move.old_leader), isolated=isolated)):
        return fate
    if move.new_leader is None:
        return "no node can lead it"
    if why := _of_fitness(move, fitness):
        return why
    if failback:
        return f"{move.new_leader} has taken the lead (failback: {failback})"
    return _of_arrival(move.new_leader, before)


def _of_fitness(move: Move, fitness: Mapping[str, Fitness]) -> str:
    if move.new_leader and not fitness.get(move.new_leader, FIT).fit:
        return f"no node is fit, and {move.new_leader} stands first"
    if move.old_leader and not (told := fitness.get(move.old_leader, FIT)).fit:
        return f"{move.old_leader} is unfit: {told.why}"
    return ""


def _of_arrival(name: str, before: Mapping[str, Candidate]) -> str:
    known = before.get(name)
    if known is None or not known.verdict.active:
        was = known.verdict if known else Verdict.DEAD
        return _ARRIVALS.get(was, "{} came and stands first").format(name)
    return f"{name} stands first now"


def _fate(name: str, candidate: Candidate | None, *, isolated: bool) -> str:
    """Return why the node `name` leads no more, "" where nothing is wrong with it."""
    if candidate is None:
        return f"{name} is no longer known"
    if candidate.verdict.lost and isolated:
        return f"this node hears nobody, and cannot know whether {name} lives"
    if not candidate.verdict.active:
        return candidate.verdict.of(name) + (f": {candidate.evidence}" if candidate.evidence else "")
    return "" if candidate.node.can_announce else f"{name} has no interface that can announce"

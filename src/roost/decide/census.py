"""Members of the cluster as the election, the witnesses and the record of moves want them. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from roost.membership.cluster import ClusterMember
from roost.model.address import IPAddress
from roost.model.election import Move
from roost.model.node import Candidate, Node, Verdict
from roost.model.ranking import Ranking

__all__ = ["candidate", "candidates", "informed", "led_by_peers", "peers", "reason"]


def candidate(
    member: ClusterMember,
    own: Sequence[str] | None,
    known: Mapping[str, Node] | None = None,
    *,
    obliging: bool = True,
) -> Candidate:
    """Return a member as a candidate; `own` are this node's announcing interfaces if it is this node.

    `known` are the nodes as the source of services knows them; then members that run another speaker are
    speakers, too. Without `obliging`, a node that would rather not lead does: others in the cluster do not
    understand that wish.
    """
    told = member.metadata
    mine = own is not None
    roost = mine or bool(told.version)
    base = Node(member.name, told.labels) if known is None else known.get(member.name)
    node = replace(
        base or Node(member.name, registered=False),
        speaker=roost or known is not None,
        can_announce=bool(own) if mine else bool(told.macs) or not roost,
        interfaces=tuple(own) if own is not None else told.interfaces,
        networks=told.networks,
    )
    if not obliging or not member.verdict.active:
        return Candidate(node, member.verdict, member.evidence)
    if told.draining:
        return Candidate(node, Verdict.DRAINING, "asked for by an operator")
    if told.deaf:
        return Candidate(node, Verdict.DAMPED, "it hears nobody on its links, though gossip reaches it")
    if told.outdated:
        return Candidate(node, Verdict.OUTDATED, "it does not hear of changes, and others do")
    if told.waits:
        evidence = f"it was lost {told.waits} times of late and waits before it leads again"
        return Candidate(node, Verdict.DAMPED, evidence)
    return Candidate(node, member.verdict, member.evidence)


def informed(members: Iterable[ClusterMember], me: str) -> frozenset[str]:
    """Return the names of the other active Roost nodes that hear of changes."""
    return peers((member for member in members if not member.metadata.blind), me)


def peers(members: Iterable[ClusterMember], me: str) -> frozenset[str]:
    """Return the names of the other Roost nodes that are active."""
    return frozenset(
        member.name
        for member in members
        if member.verdict.active and member.metadata.version and member.name != me
    )


def candidates(
    members: Sequence[ClusterMember],
    me: str,
    own: Sequence[str],
    known: Mapping[str, Node] | None,
    *,
    assumed: bool,
) -> list[Candidate]:
    """Return all candidates: the members, of whom `me` announces on `own`.

    Where nobody gossips (`assumed`), every node that the source knows is taken for a speaker, and one that
    the control plane gave up leads only what no other can.
    """
    foreign = any(member.verdict.active and not member.metadata.version for member in members)
    obliging = known is None or not foreign
    found = [
        candidate(member, own if member.name == me else None, known, obliging=obliging) for member in members
    ]
    if not assumed or known is None:
        return found
    others = [node for node in known.values() if node.name != me]
    return [_assumed(node) for node in (*(each.node for each in found), *others)]


def _assumed(node: Node) -> Candidate:
    if node.ready:
        return Candidate(node, Verdict.ALIVE, "assumed: nobody gossips")
    return Candidate(node, Verdict.NOT_READY, "its Node object says that it is not ready")


def led_by_peers(
    members: Sequence[ClusterMember],
    rankings: Iterable[Ranking],
    config_digest: str,
    refused: Collection[str],
) -> dict[str, IPAddress]:
    """Return an address of each peer that it answers for: only of those that want the same services."""
    if not config_digest:
        return {}
    same = {member.name for member in members if member.metadata.digest == config_digest}
    led: dict[str, IPAddress] = {}
    for ranking in rankings:
        if ranking.leader in same and ranking.service.name not in refused:
            led.setdefault(ranking.leader, ranking.service.addresses[0])
    return led


def reason(move: Move, before: Mapping[str, Candidate], now: Mapping[str, Candidate]) -> str:
    """One clause on why the lead moved: the old leader's fate, or the new one's arrival."""
    old = now.get(move.old_leader) if move.old_leader else None
    if old is not None and not old.verdict.active:
        return f"{move.old_leader} is {old.verdict.value}" + (f": {old.evidence}" if old.evidence else "")
    if move.old_leader and old is None:
        return f"{move.old_leader} is no longer known"
    if move.new_leader is None:
        return "no node can lead it"
    known = before.get(move.new_leader)
    if known is None or not known.verdict.active:
        return f"{move.new_leader} came and stands first"
    return f"{move.new_leader} stands first now"

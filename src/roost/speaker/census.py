"""Members of the cluster as the election, the witnesses and the record of moves want them. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from roost.membership.cluster import ClusterMember
from roost.model.address import IPAddress
from roost.model.election import Move
from roost.model.node import Candidate, Node, Verdict
from roost.model.ranking import Ranking

__all__ = ["candidate", "led_by_peers", "peers", "reason"]


def candidate(member: ClusterMember, own: Sequence[str] | None) -> Candidate:
    """Return a member as a candidate; `own` are this node's announcing interfaces if it is this node."""
    told = member.metadata
    mine = own is not None
    node = Node(
        member.name,
        told.labels,
        speaker=mine or bool(told.version),
        can_announce=bool(own) if mine else bool(told.macs),
        interfaces=tuple(own) if own is not None else told.interfaces,
    )
    if member.verdict.active and told.draining:
        return Candidate(node, Verdict.DRAINING, "asked for by an operator")
    if member.verdict.active and told.deaf:
        return Candidate(node, Verdict.DAMPED, "it hears nobody on its links, though gossip reaches it")
    if member.verdict.active and told.waits:
        evidence = f"it was lost {told.waits} times of late and waits before it leads again"
        return Candidate(node, Verdict.DAMPED, evidence)
    return Candidate(node, member.verdict, member.evidence)


def peers(members: Iterable[ClusterMember], me: str) -> frozenset[str]:
    """Return the names of the other Roost nodes that are active."""
    return frozenset(
        member.name
        for member in members
        if member.verdict.active and member.metadata.version and member.name != me
    )


def led_by_peers(
    members: Sequence[ClusterMember],
    rankings: Iterable[Ranking],
    config_digest: str,
    refused: Collection[str],
) -> dict[str, IPAddress]:
    """Return an address of each peer that it answers for: only of those that want the same services."""
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

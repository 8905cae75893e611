"""A ranking as plain data for people and programs: a view, no decision is made here."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from roost.model.address import canonical
from roost.model.eligibility import Exclusion, impediment, interfaces_of
from roost.model.node import Candidate, willing
from roost.model.ranking import Place, Ranking
from roost.model.tenure import failback_text

__all__ = ["explain", "why_kept", "why_placed"]


def explain(ranking: Ranking, candidates: Mapping[str, Candidate]) -> dict[str, Any]:
    """Return every node's place for a service, or why it is out, as JSON-able data.

    `candidates` are those that the ranking was made of. Digests are hexadecimal; positions count from
    1; `interfaces` are the patterns that the leader may use, None for all. Where the service is shared,
    `share` is the part of all askers that a node answers, or of all connections that it takes, `weight` what
    it weighs; else both are None.
    """
    service, weights, parts = ranking.service, dict(ranking.weights), ranking.parts
    leading = candidates.get(ranking.leader) if ranking.leader else None  # VRRP's need be no member
    return {
        "service": service.name,
        "addresses": [canonical(address) for address in service.addresses],
        "elected_on": canonical(service.elected_on),
        "leader": ranking.leader,
        "failback": failback_text(service.failback),
        "why_kept": why_kept(ranking, candidates),
        "sharing": None if service.sharing is None else {"by": service.sharing.by},
        "interfaces": interfaces_of(service, leading.node) if leading else [],
        "places": [
            _place(position, place, ranking, candidates)
            | {
                "share": parts.get(place.node, 0.0) if weights else None,
                "weight": weights.get(place.node),
            }
            for position, place in enumerate(ranking.places, 1)
        ],
        "exclusions": [_exclusion(exclusion) for exclusion in ranking.exclusions],
    }


def why_kept(ranking: Ranking, candidates: Mapping[str, Candidate]) -> str:
    """Return one clause on why the leader leads although another node stands first, "" where none does."""
    first = _first(ranking, candidates)
    if ranking.leader is None or ranking.leader != ranking.holder or first in (None, ranking.leader):
        return ""
    how = failback_text(ranking.service.failback)
    then = "" if how == "never" else ", and leads once it has been well for so long"
    return f"{ranking.leader} leads because failback is {how}; {first} stands first by rank{then}"


def why_placed(ranking: Ranking, candidate: Candidate, *, kept: bool = False) -> str:
    """Return one clause on why a placed node leads, does not lead yet, or cannot lead now.

    `kept`: the leader leads although another node stands first.
    """
    place = _of(ranking, candidate.node.name)
    answers = candidate.node.name in ranking.answerers
    does = "answers its share" if ranking.sharers else "leads"
    if place is not None and not place.fitness.fit and candidate.verdict.active:
        told = f"unfit ({place.fitness.why})"
        return f"{does} although it is {told}: no node is fit" if answers else told
    if ranking.takers and not (barred := impediment(candidate)) and place is not None and place.fitness.fit:
        return "leads, and takes its share of connections" if answers else "takes its share of connections"
    if barred := impediment(candidate):
        told = f"{does} although it is {barred.detail}: no other node can"
        return told if answers else f"cannot lead: {barred.detail}"
    if ranking.sharers:
        return does
    leader = _of(ranking, ranking.leader) if ranking.leader else None
    if leader is None or place is None:
        return ""
    return _why_kept(ranking, place, leader) if kept else _why_in_order(place, leader)


def _first(ranking: Ranking, candidates: Mapping[str, Candidate]) -> str | None:
    """Return the node that would lead by rank alone."""
    return replace(ranking, holder=None).led_by_first(*willing(candidates)).leader


def _why_kept(ranking: Ranking, place: Place, leader: Place) -> str:
    how = failback_text(ranking.service.failback)
    if place is leader:
        return f"leads because failback is {how}"
    if ranking.places.index(place) < ranking.places.index(leader):
        return f"stands before {leader.node}, which keeps the lead: failback is {how}"
    return _why_behind(place, leader)


def _why_in_order(place: Place, leader: Place) -> str:
    return "leads: first of the active nodes" if place is leader else _why_behind(place, leader)


def _why_behind(place: Place, leader: Place) -> str:
    if place.score != leader.score:
        told = f": {place.fitness.why}" if place.fitness.weight else ""
        return f"less preferred than {leader.node} ({place.score} < {leader.score}){told}"
    if leader.preferred:
        return f"the service prefers {leader.node}"
    if place.shunned:
        return "another address of the service prefers it"
    return f"its hash comes after that of {leader.node}"


def _of(ranking: Ranking, node: str) -> Place | None:
    return next((place for place in ranking.places if place.node == node), None)


def _place(
    position: int, place: Place, ranking: Ranking, candidates: Mapping[str, Candidate]
) -> dict[str, Any]:
    candidate = candidates[place.node]
    return {
        "position": position,
        "node": place.node,
        "verdict": candidate.verdict.value,
        "evidence": candidate.evidence,
        "score": place.score,
        "credits": [{"advertisement": each.advertisement, "weight": each.weight} for each in place.credits],
        "fitness": {"fit": place.fitness.fit, "weight": place.fitness.weight, "why": place.fitness.why},
        "digest": place.digest.hex(),
        "why": why_placed(ranking, candidate, kept=bool(why_kept(ranking, candidates))),
    }


def _exclusion(exclusion: Exclusion) -> dict[str, Any]:
    return {"node": exclusion.node, "reason": exclusion.reason.value, "why": exclusion.detail}

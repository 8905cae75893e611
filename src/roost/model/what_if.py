"""What would move if nodes went down, came or drained: the election itself, on changed candidates."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from roost.model.address import IPAddress, canonical
from roost.model.election import Election, Fitnesses
from roost.model.eligibility import impediment
from roost.model.explain import why_kept
from roost.model.node import Candidate, Node, Verdict
from roost.model.ranking import Ranking
from roost.model.service import Service

__all__ = ["ContradictionError", "Prospect", "UnknownNameError", "WhatIf", "what_if"]


class UnknownNameError(LookupError):
    """A node, address or service that was asked for does not exist; the text names it."""


class ContradictionError(ValueError):
    """What is to be supposed cannot be, or is so already; the text is one line for the user."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """Who leads a service before and after the supposed change, and one clause on why.

    `shares_before` and `shares_after` are the parts of all askers, or connections, by node, where the service
    is shared. Not `known`: nobody here can tell who leads after it (VRRP).
    """

    service: Service
    before: str | None
    after: str | None
    why: str
    shares_before: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    shares_after: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    known: bool = True

    @property
    def moves(self) -> bool:
        """Whether another node leads it, or others share it."""
        return self.before != self.after or self.shares_before != self.shares_after

    def as_data(self) -> dict[str, Any]:
        """Return the prospect as JSON-able data."""
        addresses = [canonical(address) for address in self.service.addresses]
        return {
            "service": self.service.name,
            "addresses": addresses,
            "before": self.before,
            "after": self.after,
            "known": self.known,
            "why": self.why,
            "sharing": None if self.service.sharing is None else {"by": self.service.sharing.by},
            "shares": {"before": dict(self.shares_before), "after": dict(self.shares_after)}
            if self.service.sharing is not None
            else None,
        }


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The services that would move, by name, out of `total`; one asked for is listed even if it stays."""

    moves: tuple[Prospect, ...]
    staying: int
    total: int

    def as_data(self) -> dict[str, Any]:
        """Return the answer as JSON-able data."""
        return {
            "moves": [each.as_data() for each in self.moves],
            "staying": self.staying,
            "total": self.total,
        }


def what_if(
    services: Iterable[Service],
    candidates: Iterable[Candidate],
    *,
    down: Collection[str] = (),
    add: Collection[str] = (),
    drain: Collection[str] = (),
    address: str | None = None,
    fitness: Fitnesses | None = None,
    holders: Mapping[IPAddress, str] | None = None,
    foreseen: Mapping[str, Prospect] = MappingProxyType({}),
    outsiders: Collection[str] = (),
) -> WhatIf:
    """Return what the election would do if nodes went `down`, came (`add`) or drained.

    A node to add that was lost comes back to life; an unknown one comes without labels. `address` limits the
    answer to the service with that address or name; `fitness` is what nodes say of themselves, `holders` who
    has the lead of services that stay. `foreseen` is what becomes of services that this election does not
    decide about, `outsiders` are the machines that only those know.

    Raises UnknownNameError, and ContradictionError for a node to add that is a member, or of which two things
    are supposed at once.
    """
    election = Election(services)
    election.update_candidates(candidates, fitness, holders)
    before = dict(election.rankings)
    asked = _asked(election, address)
    election.update_candidates(_supposed(election.candidates, down, add, drain, outsiders), holders=holders)
    prospects = [
        foreseen[name] if name in foreseen else _prospect(before[name], ranking, election.candidates)
        for name, ranking in sorted(election.rankings.items())
        if asked in (None, name)
    ]
    moves = [each for each in prospects if each.moves]
    shown = prospects if asked else moves
    return WhatIf(tuple(shown), staying=len(prospects) - len(moves), total=len(prospects))


def _asked(election: Election, key: str | None) -> str | None:
    if key is None:
        return None
    ranking = election.find(key)
    if ranking is None:
        raise UnknownNameError(f"no service has the name or address {key}")
    return ranking.service.name


def _supposed(
    known: Mapping[str, Candidate],
    down: Collection[str],
    add: Collection[str],
    drain: Collection[str],
    outsiders: Collection[str],
) -> list[Candidate]:
    if unknown := sorted({*down, *drain} - known.keys() - {*add, *outsiders}):
        raise UnknownNameError(f"no node has the name {', '.join(unknown)}")
    if members := sorted(name for name in {*add} if name in known and known[name].verdict.active):
        raise ContradictionError(f"{', '.join(members)}: a member already, so it cannot come")
    for name in sorted({*down, *add, *drain}):
        if len(kinds := [kind for kind, names in _kinds(down, add, drain) if name in names]) > 1:
            raise ContradictionError(f"{name} cannot {' and '.join(kinds)} at once: ask one after the other")
    supposed = dict(known)
    for name in add:
        node = known[name].node if name in known else Node(name)
        supposed[name] = Candidate(node, Verdict.ALIVE, "supposed to come")
    for names, verdict, evidence in (
        (down, Verdict.DEAD, "supposed to go down"),
        (drain, Verdict.DRAINING, "supposed to drain"),
    ):
        for name in {*names} & supposed.keys():
            supposed[name] = replace(supposed[name], verdict=verdict, evidence=evidence)
    return list(supposed.values())


def _kinds(
    down: Collection[str], add: Collection[str], drain: Collection[str]
) -> tuple[tuple[str, Collection[str]], ...]:
    return ("go down", down), ("come", add), ("drain", drain)


def _prospect(before: Ranking, after: Ranking, candidates: Mapping[str, Candidate]) -> Prospect:
    why = _why_shared(before, after, candidates) if after.weights else _why(before, after, candidates)
    return Prospect(after.service, before.leader, after.leader, why, before.parts, after.parts)


def _why_shared(before: Ranking, after: Ranking, candidates: Mapping[str, Candidate]) -> str:
    """Return whose share goes where, and who gets one."""
    old, new = before.parts, after.parts
    gone = [impediment(candidates[name]) for name in old if name not in new]
    came = [name for name in new if name not in old]
    if after.takers or before.takers:
        leaves, comes = "of all connections begin elsewhere", "takes {:.0%} of all connections that begin"
    else:
        leaves, comes = "of all askers find another node", "answers {:.0%} of all that ask anew"
    told = [f"{each.node}: {each.detail}; {old[each.node]:.0%} {leaves}" for each in gone if each is not None]
    told += [f"{name} {comes.format(new[name])}; who uses another stays there" for name in came]
    if not new:
        told.append("no other node can")
    elif after.takers and before.leader != after.leader:
        told.append(f"{after.leader} leads then, and sends them where they are")
    return "; ".join(told) or "stays"


def _why(before: Ranking, after: Ranking, candidates: Mapping[str, Candidate]) -> str:
    if before.leader == after.leader:
        if after.leader is None:
            return "no node can lead it, before or after"
        return f"stays: {why}" if (why := why_kept(after, candidates)) else "stays"
    gone = impediment(candidates[before.leader]) if before.leader else None
    if after.leader is None:
        reason = "no other node can lead"
    elif gone or before.leader is None:
        reason = f"{after.leader} is next in the order"
    else:
        reason = f"{after.leader} comes before {before.leader} in the order"
    return f"{before.leader}: {gone.detail}; {reason}" if gone else reason

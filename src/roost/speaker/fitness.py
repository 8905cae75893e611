"""What this node's checks say, and who is unfit, as data, problems and metrics."""

from collections.abc import Iterator
from typing import Any

from roost.model.check import Check
from roost.model.fitness import FIT
from roost.observe.metrics import Metric
from roost.observe.moment import rfc3339
from roost.speaker.problem_kinds import Problem, listed
from roost.speaker.speaker import Speaker
from roost.speaker.status_types import FitnessView

__all__ = ["check_views", "fitness_metrics", "fitness_problems", "fitness_view"]


def fitness_view(speaker: Speaker, service: str) -> FitnessView | None:
    """Return how fit this node is for a service, None for one that tracks nothing here."""
    tracking = speaker.decider.state.tracking
    if not tracking.of(service):
        return None
    own = tracking.own(service)
    return {"fit": own.fit, "weight": own.weight, "why": own.why}


def check_views(speaker: Speaker, service: str) -> list[dict[str, Any]]:
    """Return this node's checks for a service: how each stands, since when, and what it said last."""
    return [_check(speaker, check) for check in speaker.decider.state.tracking.of(service)]


def _check(speaker: Speaker, check: Check) -> dict[str, Any]:
    found = speaker.decider.state.tracking.checks[check]
    health, last = found.health, found.last
    known = {True: "well", False: "failing", None: "not known yet"}
    return {
        "check": str(check),
        "state": known[health.up] if last is not None else known[None],
        "since": rfc3339(speaker.moment(found.since)) if found.since is not None else None,
        "against": health.streak,
        "weight": check.weight if check.weight is not None else found.weight or None,
        "why": last.why if last is not None else "",
        "output": last.output if last is not None else "",
    }


def fitness_problems(speaker: Speaker) -> Iterator[Problem]:
    """Yield what is led by nobody fit, and what this node is unfit for: a line for each reason."""
    state = speaker.decider.state
    nobody: dict[str, list[str]] = {}
    unfit: dict[str, list[str]] = {}
    for name, nodes in sorted(state.election.fitness.items()):
        ranking = state.election.rankings.get(name)
        if ranking is None:
            continue
        if ranking.leader is not None and not (led := nodes.get(ranking.leader, FIT)).fit:
            serves = f"{ranking.leader} leads" if ranking.service.sharing is None else "all share it"
            nobody.setdefault(f"no node is fit, {serves} all the same: {led.why}", []).append(name)
        elif not (own := nodes.get(speaker.name, FIT)).fit:
            unfit.setdefault(own.why, []).append(name)
    for kind, found in (("nobody fit", nobody), ("unfit", unfit)):
        for why, names in found.items():
            yield Problem(kind, f"{listed(names)}: {why}")


def fitness_metrics(speaker: Speaker) -> Iterator[Metric]:
    """Yield how fit this node is for what it tracks."""
    tracking = speaker.decider.state.tracking
    services = [ranking.service.name for ranking in speaker.decider.state.election.rankings.values()]
    tracked = [name for name in services if tracking.of(name)]
    fit: dict[tuple[str, ...], float] = {(name,): float(tracking.own(name).fit) for name in tracked}
    weights: dict[tuple[str, ...], float] = {(name,): float(tracking.own(name).weight) for name in tracked}
    checks: dict[tuple[str, ...], float] = {
        (name, str(check)): float(tracking.checks[check].health.up is True)
        for name in tracked
        for check in tracking.of(name)
    }
    about = "1 while this node is fit to lead the service"
    yield Metric("roost_service_fit", about, "gauge", ("service",), fit)
    about = "What this node's checks add to its score for the service"
    yield Metric("roost_service_weight", about, "gauge", ("service",), weights)
    yield Metric("roost_check_well", "1 while the check is well", "gauge", ("service", "check"), checks)

"""What a speaker counts and measures, as metrics."""

import time
from collections import Counter
from collections.abc import Iterable

from roost.model.address import canonical
from roost.observe.metrics import Metric
from roost.speaker.balanced import backend_metrics
from roost.speaker.fitness import fitness_metrics
from roost.speaker.problem_kinds import KINDS
from roost.speaker.problems import problems
from roost.speaker.speaker import Speaker
from roost.speaker.vrrp import vrrp_metrics

__all__ = ["metrics"]


def metrics(speaker: Speaker) -> Iterable[Metric]:
    """Return a snapshot of all counters and gauges."""
    announced: dict[tuple[str, ...], float] = {
        (ranking.service.name, canonical(address)): float(address in speaker.decider.announcements)
        for ranking in speaker.decider.state.election.rankings.values()
        for address in ranking.service.addresses
    }
    verdicts: Counter[tuple[str, ...]] = Counter(
        (member.verdict.value,) for member in speaker.adapters.cluster.members()
    )
    yield Metric(
        "roost_speaker_announced", "1 while this node answers", "gauge", ("service", "ip"), announced
    )
    yield Metric(
        "roost_speaker_settled",
        "1 once this node may claim",
        "gauge",
        (),
        {(): float(speaker.decider.state.settling.settled)},
    )
    yield Metric("roost_members", "Members by verdict", "gauge", ("verdict",), verdicts)
    yield Metric(
        "roost_config_stale",
        "1 while the last reload was refused",
        "gauge",
        (),
        {(): float(speaker.config_error is not None)},
    )
    for part, counters in (
        ("membership", speaker.adapters.cluster.counters),
        ("announce", speaker.adapters.announcer.counters),
    ):
        samples: dict[tuple[str, ...], float] = {(event,): float(count) for event, count in counters.items()}
        yield Metric(f"roost_{part}_events", f"What happened in {part}", "counter", ("event",), samples)
    yield Metric(
        "roost_source_trouble",
        "Kinds of objects that the API server does not tell about now",
        "gauge",
        (),
        {(): float(len(speaker.source.trouble))},
    )
    yield Metric(
        "roost_failover_seconds",
        "From a lost leader's last sign of life to the announcement here, for each address taken over",
        "histogram",
        histogram=speaker.records.failovers,
    )
    yield Metric(
        "roost_hook_failures",
        "Calls of hooks that did not exit with 0",
        "counter",
        (),
        {(): float(speaker.adapters.hooks.failures)},
    )
    yield from fitness_metrics(speaker)
    yield from vrrp_metrics(speaker)
    yield _problem_metric(speaker)
    yield from _layer2_metrics(speaker)
    yield from backend_metrics(speaker)
    if speaker.config.metallb_metrics:
        yield from _metallb_metrics(speaker)


def _metallb_metrics(speaker: Speaker) -> Iterable[Metric]:
    """The same facts under MetalLB's names; its counters lack the suffix that Prometheus wants."""
    tallies = speaker.adapters.announcer.tallies
    for event, name in (
        ("requests", "metallb_layer2_requests_received"),
        ("responses", "metallb_layer2_responses_sent"),
        ("gratuitous", "metallb_layer2_gratuitous_sent"),
    ):
        samples: dict[tuple[str, ...], float] = {
            (canonical(address),): float(count)
            for address, tally in tallies.items()
            if (count := getattr(tally, event))
        }
        yield Metric(name, f"As roost_layer2_{event}", "untyped", ("ip",), samples)
    rankings = speaker.decider.state.election.rankings
    announced: dict[tuple[str, ...], float] = {
        (rankings[name].service.known_as, "layer2", speaker.name, canonical(address)): 1.0
        for name in speaker.decider.state.election.led_by(speaker.name)
        for address in rankings[name].service.addresses
        if address in speaker.decider.announcements
    }
    labels = ("service", "protocol", "node", "ip")
    yield Metric("metallb_speaker_announced", "1 while this node answers", "gauge", labels, announced)
    for name, value in (("loaded", True), ("stale", speaker.config_error is not None)):
        yield Metric(
            f"metallb_k8s_client_config_{name}_bool", "As MetalLB's", "gauge", (), {(): float(value)}
        )


def _layer2_metrics(speaker: Speaker) -> Iterable[Metric]:
    tallies = speaker.adapters.announcer.tallies
    for event, about in (
        ("requests", "ARP and ND requests for an address that this node answers for"),
        ("responses", "Answers sent to them"),
        ("gratuitous", "Gratuitous ARP and unsolicited NA frames sent"),
        ("packets", "IP packets for the address, where the kernel answers and counts"),
        ("spread", "Of these, those sent on to the nodes of their connections"),
    ):
        samples: dict[tuple[str, ...], float] = {
            (canonical(address),): float(getattr(tally, event)) for address, tally in tallies.items()
        }
        yield Metric(f"roost_layer2_{event}", about, "counter", ("ip",), samples)


def _problem_metric(speaker: Speaker) -> Metric:
    """Return the number of problems of each kind: a rule can tell 0 from a kind that does not exist."""
    found = Counter(each.kind for each in problems(speaker, time.monotonic()))
    samples: dict[tuple[str, ...], float] = {(kind,): float(found[kind]) for kind in KINDS}
    return Metric("roost_problems", "Problems as `roost status` lists them", "gauge", ("kind",), samples)

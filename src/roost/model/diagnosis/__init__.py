"""From facts about a host, its LAN and its cluster to findings, each with evidence and cure. Pure.

    facts.py -> kernel.py, firewall.py, lan.py, cluster.py -> Finding

What is gathered, and how, is not known here. A rule speaks only of what hurts: a setting that is unusual
and harmless in its place is no finding.
"""

from collections.abc import Iterator

from roost.model.diagnosis import cluster, firewall, kernel, lan
from roost.model.diagnosis.facts import Facts
from roost.model.diagnosis.finding import Finding

__all__ = ["judge"]


def judge(facts: Facts) -> tuple[Finding, ...]:
    """Return all findings, critical ones first, each once."""
    found = dict.fromkeys(_all(facts))
    return tuple(sorted(found, key=lambda each: each.severity != "critical"))


def _all(facts: Facts) -> Iterator[Finding]:
    yield from cluster.of_the_file(facts)
    yield from kernel.findings(facts)
    yield from firewall.findings(facts)
    yield from lan.findings(facts)
    yield from cluster.of_the_speaker(facts)

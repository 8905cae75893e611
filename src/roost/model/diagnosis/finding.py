"""What a diagnosis found: a word for programs, the evidence, and the cure."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

__all__ = ["KINDS", "Finding", "Severity"]

Severity = Literal["critical", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong. `kind` is a word that programs may rely on.

    `text` says what is wrong, `evidence` what shows it, `cure` what to do, one line each.
    `critical`: clients are hurt, or this host cannot do its part; `warning`: the next fault will hurt.
    """

    kind: str
    text: str
    evidence: str
    cure: str
    severity: Severity = "warning"


# Every kind that is found here; the speaker's own problems come beside, with kinds of their own.
KINDS: Final[Mapping[str, Severity]] = MappingProxyType(
    {
        "configuration": "critical",
        "rights": "critical",
        "settings read-only": "critical",
        "kernel feature": "warning",
        "interface": "critical",
        "reverse path filter": "warning",
        "kernel answers ARP": "critical",
        "kernel is silent": "warning",
        "proxy ARP": "critical",
        "strict ARP off": "critical",
        "learning off": "warning",
        "IPv6 off": "critical",
        "route_localnet": "warning",
        "conntrack strict": "warning",
        "conntrack full": "critical",
        "neighbours full": "critical",
        "neighbours kept long": "warning",
        "bond rewrites ARP": "critical",
        "promiscuous mode needed": "warning",
        "addresses removed": "warning",
        "firewall drops gossip": "critical",
        "firewall drops echo": "warning",
        "firewall drops connections": "warning",
        "firewall drops ARP": "warning",
        "gossip blocked": "critical",
        "wrong key": "critical",
        "duplicate address": "critical",
        "MTU": "warning",
        "clock": "warning",
        "ARP inspected": "warning",
        "ARP limited": "warning",
        "broadcast suppressed": "critical",
        "multicast suppressed": "critical",
    }
)


def found(kind: str, text: str, evidence: str, cure: str) -> Finding:
    """Return a finding of a known kind, with the severity of that kind."""
    return Finding(kind, text, evidence, cure, KINDS[kind])

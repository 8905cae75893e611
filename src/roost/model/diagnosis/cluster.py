"""What the configuration and the running speaker say is wrong."""

from collections.abc import Iterator, Mapping
from typing import Any

from roost.model.diagnosis.facts import Facts
from roost.model.diagnosis.finding import Finding, Severity
from roost.model.diagnosis.kernel import announcing

__all__ = ["of_the_file", "of_the_speaker"]


def of_the_file(facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with the configuration, held against this host; and that no link can announce."""
    for severity, text, cure in facts.file_errors:
        yield Finding("configuration", text, "roost check", cure, severity)
    if facts.host.links and not announcing(facts) and facts.status is None:
        names = ", ".join(each.name for each in facts.host.links if not each.loopback) or "none"
        patterns = " ".join(facts.wish.interfaces or ()) or "all"
        yield Finding(
            "interface",
            "no link of this host can announce",
            f"`interfaces` allows {patterns}; links here: {names}",
            "bring the link up and give it an address, or correct `interfaces`",
            "critical",
        )


def of_the_speaker(facts: Facts) -> Iterator[Finding]:
    """Yield the running speaker's own problems: they have been judged where they are seen."""
    for each in (facts.status or {}).get("problems") or ():
        if isinstance(each, Mapping):
            yield _problem(each)


def _problem(told: Mapping[str, Any]) -> Finding:
    severity: Severity = "critical" if told.get("severity") == "critical" else "warning"
    kind, text, cure = (str(told.get(key, "")) for key in ("kind", "text", "cure"))
    return Finding(kind, text, "roost status", cure, severity)

"""Why a node was declared dead, told beside memberlist's own message, which has no room for it."""

from dataclasses import dataclass

from roost.model.node import Verdict

__all__ = ["Ground"]


@dataclass(frozen=True, slots=True)
class Ground:
    """What `subject` was found to be, and what shows it, in words for people; a verdict that ends a lead."""

    subject: str
    verdict: Verdict
    evidence: str

"""What is done to a lab, and what comes next."""

from dataclasses import dataclass

__all__ = ["Coming", "Event"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was done at `at` (CLOCK_MONOTONIC seconds); `label` is for people."""

    label: str
    node: str
    at: float
    addresses: tuple[str, ...] = ()  # those that the node led at that moment


@dataclass(frozen=True, slots=True)
class Coming:
    """What comes next, for people: at `at` (CLOCK_MONOTONIC seconds), or by then at the latest if awaited."""

    what: str
    at: float | None = None
    waits: bool = False

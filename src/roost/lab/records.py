"""What a client saw, and what it means: segments of one answerer, outages in a window of time. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Outage", "Pings", "Segment", "load", "outage", "segments"]


@dataclass(frozen=True, slots=True)
class Pings:
    """All pings of one client to one address: when each was sent (seconds), who answered ("" nobody)."""

    sent: Sequence[float]
    answered: Sequence[str]


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of pings with the same answerer ("" nobody), from its first ping to the next run's."""

    begin: float
    end: float
    node: str


@dataclass(frozen=True, slots=True)
class Outage:
    """The longest time without an answer in a window (seconds), and the pings lost of those sent.

    `moves` is how often an answer came from another node than the answer before, be that before the window.
    """

    longest: float
    lost: int
    sent: int
    moves: int = 0


def segments(pings: Pings) -> Iterator[Segment]:
    """Yield the runs in order; they touch each other."""
    begin, node = None, ""
    for when, who in zip(pings.sent, pings.answered, strict=True):
        if begin is None:
            begin, node = when, who
        elif who != node:
            yield Segment(begin, when, node)
            begin, node = when, who
    if begin is not None:
        yield Segment(begin, pings.sent[-1], node)


def outage(pings: Pings, begin: float, end: float) -> Outage:
    """Judge the pings sent in [begin, end).

    An outage lasts from the first ping lost to the first one answered again; one that is not over at
    `end` lasts until the last ping before it.
    """
    window = [
        (when, who) for when, who in zip(pings.sent, pings.answered, strict=True) if begin <= when < end
    ]
    before = next((who for when, who in _backwards(pings) if when < begin and who), None)
    answers = [*([before] if before else []), *(who for _, who in window if who)]
    moves = sum(one != other for one, other in pairwise(answers))
    longest = max(_outages(window), default=0.0)
    return Outage(longest, sum(not who for _, who in window), len(window), moves)


def _backwards(pings: Pings) -> Iterator[tuple[float, str]]:
    return zip(reversed(pings.sent), reversed(pings.answered), strict=True)


def _outages(window: Sequence[tuple[float, str]]) -> Iterator[float]:
    """Yield the length of every run of lost pings."""
    since = None
    for when, who in window:
        if who and since is not None:
            yield when - since
            since = None
        elif not who and since is None:
            since = when
    if since is not None:
        yield window[-1][0] - since


def load(document: Mapping[str, tuple[list[float], list[str]]]) -> dict[str, Pings]:
    """Return the pings by address from what `roost.lab.client` wrote."""
    return {address: Pings(sent, answered) for address, (sent, answered) in document.items()}

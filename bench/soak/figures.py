"""From what a watcher heard and what was done to the nodes: silences and double answers. Pure.

All times are seconds on one clock.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

__all__ = [
    "JOIN",
    "Done",
    "Double",
    "Span",
    "counted",
    "distribution",
    "doubles",
    "pauses",
    "silences",
    "well",
]

JOIN: Final = 3.0  # seconds that a started process may take until it has to know its peers
_MERGE: Final = 0.5  # seconds without a double answer that do not end a stretch of them
# Who has this cannot answer or not hear.
_OUT: Final = frozenset({"freeze", "cut", "carrier", "mute", "deaf"})
_DOWN: Final = frozenset({"kill", "term", "crash"})
_APART: Final = _OUT | {"gossip"}  # who has this cannot join
_LIMITS: Final = (0.3, 0.5, 1.0)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From `begin` to `end`."""

    begin: float
    end: float

    @property
    def length(self) -> float:
        """Seconds, not negative."""
        return max(0.0, self.end - self.begin)

    def overlap(self, other: "Span") -> "Span":
        """What both cover; of length 0 when they do not meet."""
        return Span(max(self.begin, other.begin), min(self.end, other.end))


@dataclass(frozen=True, slots=True)
class Done:
    """A fault that hit `node`: from before it was made until it was undone, or the process started again."""

    fault: str
    node: str
    span: Span
    note: str = ""


@dataclass(frozen=True, slots=True)
class Double:
    """A stretch in which requests were answered by several; `span` is from the first to the last."""

    span: Span
    macs: frozenset[str]
    requests: int


def well(node: str, record: Iterable[Done], whole: Span, join: float = JOIN) -> list[Span]:
    """Return when `node` ran, was joined, unfrozen and linked: then it could have answered.

    After a start it is joined once `join` seconds have passed in which nothing kept it from its peers.
    """
    mine = [each for each in record if each.node == node]
    apart = _merged(each.span for each in mine if each.fault in _APART)
    out = [each.span for each in mine if each.fault in _OUT]
    down = [each.span for each in mine if each.fault in _DOWN]
    out += [Span(span.begin, _joined(span.end, apart, join)) for span in down]
    return list(_gaps(_merged(out), whole))


def _joined(started: float, apart: Iterable[Span], join: float) -> float:
    """Return the end of the first `join` seconds since `started` outside of all `apart`, in order."""
    for span in apart:
        if span.begin >= started + join:
            break
        started = max(started, span.end)
    return started + join


def silences(requests: Sequence[float], answers: Sequence[float], floor: float = 0.06) -> Iterator[Span]:
    """Yield, from the first request without an answer to the next answer, what is at least `floor` long.

    Both are in order. A silence that has not ended lasts until the last request.
    """
    last = float("-inf")
    for answer in [*answers, None]:
        at = bisect_right(requests, last)
        end = requests[-1] if answer is None and requests else answer
        if at < len(requests) and end is not None and end - requests[at] >= floor:
            yield Span(requests[at], end)
        last = answer if answer is not None else last


def pauses(requests: Sequence[float], interval: float) -> list[Span]:
    """Return when the watcher itself was late with its requests: nothing is known of these times."""
    return [Span(one + interval, other) for one, other in pairwise(requests) if other - one > 2 * interval]


def counted(silence: Span, wells: Iterable[Sequence[Span]], paused: Iterable[Span]) -> float:
    """Return for how many seconds of `silence` one and the same node was well and could have answered."""
    late = list(paused)
    return max(
        (
            both.length - sum(both.overlap(each).length for each in late)
            for spans in wells
            for both in (silence.overlap(span) for span in spans)
        ),
        default=0.0,
    )


def doubles(
    requests: Sequence[float], answers: Iterable[tuple[float, str]], merge: float = _MERGE
) -> list[Double]:
    """Return the stretches of requests that were answered with two MACs before the next request was made.

    Stretches less than `merge` seconds apart are one. A single such request makes a stretch of length 0.
    """
    macs: dict[int, set[str]] = {}
    for when, mac in answers:
        macs.setdefault(bisect_right(requests, when) - 1, set()).add(mac)
    found: list[Double] = []
    for at in sorted(number for number, seen in macs.items() if number >= 0 and len(seen) > 1):
        when, seen = requests[at], frozenset(macs[at])
        if found and when - found[-1].span.end < merge:
            before = found[-1]
            found[-1] = Double(Span(before.span.begin, when), before.macs | seen, before.requests + 1)
        else:
            found.append(Double(Span(when, when), seen, 1))
    return found


def distribution(lengths: Iterable[float]) -> Mapping[str, float]:
    """Return the number, those over 0.3, 0.5 and 1.0 s, the median, the 99th percentile and the longest."""
    ordered = sorted(lengths)
    over = {f"over_{limit:g}": sum(length > limit for length in ordered) for limit in _LIMITS}
    if not ordered:
        return {"count": 0, **over, "p50": 0.0, "p99": 0.0, "longest": 0.0}

    def rank(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)

    return {
        "count": len(ordered),
        **over,
        "p50": rank(0.5),
        "p99": rank(0.99),
        "longest": round(ordered[-1], 3),
    }


def _merged(spans: Iterable[Span]) -> list[Span]:
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.begin <= found[-1].end:
            found[-1] = Span(found[-1].begin, max(found[-1].end, span.end))
        else:
            found.append(span)
    return found


def _gaps(taken: Iterable[Span], whole: Span) -> Iterator[Span]:
    """Yield what of `whole` is outside of all `taken`, which are in order and apart from each other."""
    begin = whole.begin
    for span in taken:
        if span.begin > begin:
            yield Span(begin, min(span.begin, whole.end))
        begin = max(begin, span.end)
        if begin >= whole.end:
            return
    yield Span(begin, whole.end)

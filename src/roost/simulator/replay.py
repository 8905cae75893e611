"""What happened in a run, for people: a timeline in text, and one as a picture. Pure.

Outcome -> lines: every fault, every change of who answers, what the nodes report, the violation
        -> an SVG: a lane per node with its faults, per address and switch, per client and address
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from roost.simulator.campaign import Outcome
from roost.simulator.faults import Schedule
from roost.simulator.world import Entry

__all__ = ["draw", "timeline"]

_COLOURS: Final = ("#4c78a8", "#f2a93b", "#59a14f", "#b279a2", "#76b7b2", "#9c755f", "#8da0cb", "#bab0ac")
_NOBODY: Final = "#d62728"
_FAULT: Final = "#555555"
_LEFT, _RIGHT, _TOP, _BOTTOM = 190, 30, 70, 50  # pixels
_WIDTH: Final = 1180
_LANE, _GAP = 16, 5
_WATCHED: Final = ("answers", "ping")


def timeline(outcome: Outcome) -> Iterator[str]:
    """Yield a line for each thing that happened; what clients' pings met is left to the picture."""
    for entry in outcome.record:
        if entry.what != "ping":
            yield f"{entry.at:9.3f}  {entry.who:9} {entry.what:13} {entry.text}".rstrip()
    if outcome.violation is not None:
        yield f"{outcome.violation.at:9.3f}  VIOLATION {outcome.violation.rule:13} {outcome.violation.text}"


@dataclass(frozen=True, slots=True)
class _Span:
    """A stretch of a lane (seconds): who answered, names joined by blanks, "" for nobody."""

    begin: float
    end: float
    who: str


def draw(schedule: Schedule, outcome: Outcome) -> str:
    """Return an SVG document; times on the axis are seconds of the run."""
    end = outcome.violation.at if outcome.violation else schedule.seconds
    colours = {name: _COLOURS[at % len(_COLOURS)] for at, name in enumerate(schedule.names)}
    lanes = _lanes(outcome.record, end)
    owners = [*schedule.names, "LAN"]
    bottom = _TOP + (len(owners) + len(lanes)) * (_LANE + _GAP)
    scale = (_WIDTH - _LEFT - _RIGHT) / max(end, 1e-9)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{bottom + _BOTTOM}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{_WIDTH}" height="{bottom + _BOTTOM}" fill="#ffffff"/>',
        f'<text x="16" y="22" font-size="15" font-weight="bold">{escape(_title(schedule, outcome))}</text>',
        *_legend(colours),
        *_axis(end, scale, bottom),
    ]
    for at, owner in enumerate(owners):
        parts += _faults(schedule, owner, end, scale, _TOP + at * (_LANE + _GAP))
    for at, (label, spans) in enumerate(lanes.items(), len(owners)):
        parts += _lane(label, spans, colours, scale, _TOP + at * (_LANE + _GAP))
    return "\n".join([*parts, "</svg>\n"])


def _title(schedule: Schedule, outcome: Outcome) -> str:
    about = f"seed {schedule.seed}, {schedule.nodes} nodes, {schedule.switches} switches"
    return f"{about}: {outcome.violation.rule if outcome.violation else 'nothing wrong'}"


def _lanes(record: Sequence[Entry], end: float) -> Mapping[str, list[_Span]]:
    """Return who answered whom when, by lane: observers first, then clients."""
    begun: dict[str, tuple[float, str]] = {}
    lanes: dict[str, list[_Span]] = {}
    for entry in sorted((each for each in record if each.what in _WATCHED), key=lambda each: each.what):
        address, _, who = entry.text.partition(" ")
        label = f"{entry.who}  {address}"
        if label in begun:
            lanes[label].append(_Span(begun[label][0], entry.at, begun[label][1]))
        else:
            lanes[label] = []
        begun[label] = (entry.at, "" if who == "nobody" else who)
    for label, (since, who) in begun.items():
        lanes[label].append(_Span(since, end, who))
    return lanes


def _lane(
    label: str, spans: Sequence[_Span], colours: Mapping[str, str], scale: float, y: float
) -> Iterator[str]:
    yield f'<text x="{_LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(label)}</text>'
    for span in spans:
        names = span.who.split() or [""]
        for at, name in enumerate(names):
            height = _LANE / len(names)
            part = _Span(span.begin, span.end, name or "nobody")
            yield _bar(part, scale, (y + at * height, height), colours.get(name, _NOBODY))


def _bar(span: _Span, scale: float, band: tuple[float, float], colour: str) -> str:
    """Return a bar; `band` is its upper edge and its height, in pixels."""
    x, width = _LEFT + span.begin * scale, max((span.end - span.begin) * scale, 1.0)
    y, height = band
    told = f"{span.who}, {span.begin:.3f} s to {span.end:.3f} s"
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}">'
        f"<title>{escape(told)}</title></rect>"
    )


def _faults(schedule: Schedule, owner: str, end: float, scale: float, y: float) -> Iterator[str]:
    yield f'<text x="{_LEFT - 8}" y="{y + 12}" text-anchor="end">{owner}  faults</text>'
    for fault in schedule.faults:
        if (fault.node or "LAN") == owner and fault.at < end:
            span = _Span(fault.at, min(fault.end, end), fault.told())
            yield _bar(span, scale, (y + 10, _LANE - 10), _FAULT)
            yield f'<text x="{_LEFT + fault.at * scale:.1f}" y="{y + 9}" font-size="9">{fault.kind}</text>'


def _legend(colours: Mapping[str, str]) -> Iterator[str]:
    for at, (label, colour) in enumerate([*colours.items(), ("nobody", _NOBODY)]):
        left = 16 + at * 70
        yield f'<rect x="{left}" y="34" width="11" height="11" fill="{colour}"/>'
        yield f'<text x="{left + 15}" y="44">{label}</text>'


def _axis(end: float, scale: float, bottom: float) -> Iterator[str]:
    step = next((step for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20) if end / step <= 24), 50)
    for number in range(int(end / step) + 1):
        x = _LEFT + number * step * scale
        yield f'<line x1="{x:.1f}" y1="{_TOP - 4}" x2="{x:.1f}" y2="{bottom}" stroke="#e4e4e4"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle" fill="#555">{number * step:g}</text>'
    yield f'<text x="{_LEFT - 8}" y="{bottom + 16}" text-anchor="end" fill="#555">seconds</text>'

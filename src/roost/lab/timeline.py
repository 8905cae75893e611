"""The whole lab as one picture: a lane per client and address, coloured by who answered. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

from roost.lab.lab import Event
from roost.lab.records import Pings, Segment, segments
from roost.lab.report import Row, Sightings

__all__ = ["draw"]

COLOURS: Final = ("#4c78a8", "#f2a93b", "#59a14f", "#b279a2", "#76b7b2", "#9c755f", "#8da0cb", "#bab0ac")
_LOST: Final = "#d62728"
_LEFT, _RIGHT, _TOP = 190, 30, 110  # pixels
_WIDTH: Final = 1180
_LANE, _GAP = 20, 8
_LABEL: Final = 150  # pixels that an event's label takes
Scale = Callable[[float], float]

_GLITCH: Final = 0.004  # seconds: a run of lost pings shorter than two is drawn this wide, to be seen


def draw(
    title: str,
    nodes: Sequence[str],
    *,
    began: float,
    events: Sequence[Event],
    seen: Sightings,
    found: Sequence[Row],
) -> str:
    """Return an SVG document; times on the axis are seconds since `began`."""
    lanes = [
        (client, address, pings)
        for client, by_address in seen.items()
        for address, pings in by_address.items()
    ]
    first = min((pings.sent[0] for _, _, pings in lanes if pings.sent), default=began)
    last = max((pings.sent[-1] for _, _, pings in lanes if pings.sent), default=began + 1)
    colours = {node: COLOURS[at % len(COLOURS)] for at, node in enumerate(nodes)}
    height = _TOP + len(lanes) * (_LANE + _GAP) + 60

    def x(when: float) -> float:
        return _LEFT + (when - first) / max(last - first, 1e-9) * (_WIDTH - _LEFT - _RIGHT)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="24" font-size="16" font-weight="bold">{escape(title)}</text>',
        *_legend(colours),
    ]
    bottom = _TOP + len(lanes) * (_LANE + _GAP)
    parts += _axis(first, last, began, x, bottom)
    for at, (client, address, pings) in enumerate(lanes):
        y = _TOP + at * (_LANE + _GAP)
        parts.append(
            f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(client)}  {escape(address)}</text>'
        )
        parts += [_segment(segment, x, y, colours) for segment in _visible(pings)]
    parts += _events(events, found, x, bottom)
    parts.append("</svg>\n")
    return "\n".join(parts)


def _visible(pings: Pings) -> list[Segment]:
    """Return the runs, answered ones first: what was lost is drawn on top, wide enough to be seen."""
    runs = list(segments(pings))
    return [run for run in runs if run.node] + [
        Segment(run.begin, max(run.end, run.begin + _GLITCH), "") for run in runs if not run.node
    ]


def _segment(segment: Segment, x: Scale, y: int, colours: Mapping[str, str]) -> str:
    colour = colours.get(segment.node, _LOST)
    width = max(x(segment.end) - x(segment.begin), 1.0)
    tip = f"{segment.node or 'no answer'}, {(segment.end - segment.begin) * 1e3:.0f} ms"
    return (
        f'<rect x="{x(segment.begin):.1f}" y="{y}" width="{width:.1f}" height="{_LANE}" fill="{colour}">'
        f"<title>{escape(tip)}</title></rect>"
    )


def _legend(colours: Mapping[str, str]) -> list[str]:
    parts = []
    for at, (label, colour) in enumerate([*colours.items(), ("no answer", _LOST)]):
        left = 16 + at * 84
        parts.append(f'<rect x="{left}" y="38" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{left + 17}" y="48">{escape(label)}</text>')
    return parts


def _axis(first: float, last: float, began: float, x: Scale, bottom: int) -> list[str]:
    step = next((step for step in (1, 2, 5, 10, 20, 50) if (last - first) / step <= 24), 100)
    parts = [f'<text x="{_LEFT - 8}" y="{bottom + 18}" text-anchor="end" fill="#555">seconds</text>']
    for tick in range(int(first - began) + 1, int(last - began) + 1):
        if tick % step == 0:
            at = x(began + tick)
            parts.append(
                f'<line x1="{at:.1f}" y1="{_TOP - 4}" x2="{at:.1f}" y2="{bottom}" stroke="#e4e4e4"/>'
            )
            parts.append(
                f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle" fill="#555">{tick}</text>'
            )
    return parts


def _events(events: Sequence[Event], found: Sequence[Row], x: Scale, bottom: int) -> list[str]:
    parts = []
    free = [0.0, 0.0]  # where labels may begin again, in two rows
    for event in events:
        longest = max((row.longest for row in found if row.event is event), default=0.0)
        at = f"{x(event.at):.1f}"
        label = escape(f"{event.node} {event.label}: {longest * 1e3:.0f} ms")
        line = f'x1="{at}" y1="{_TOP - 16}" x2="{at}" y2="{bottom}" stroke="#222" stroke-dasharray="4 3"'
        parts.append(f"<line {line}><title>{label}</title></line>")
        anchor, begin = (
            ("end", x(event.at) - _LABEL) if x(event.at) > _WIDTH - 200 else ("start", x(event.at))
        )
        row = next((row for row, end in enumerate(free) if end <= begin), None)
        if row is not None:
            free[row] = begin + _LABEL
            y = _TOP - 20 - 14 * row
            parts.append(f'<text x="{at}" y="{y}" text-anchor="{anchor}">{label}</text>')
    return parts

"""The whole lab as one picture: lanes over time, coloured by who answered. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from roost.lab.events import Event
from roost.lab.records import Pings, Segment, segments
from roost.lab.report import Row, Sightings

__all__ = ["draw"]

COLOURS: Final = ("#4c78a8", "#f2a93b", "#59a14f", "#b279a2", "#76b7b2", "#9c755f", "#8da0cb", "#bab0ac")
_LOST: Final = "#d62728"
_LEFT, _RIGHT = 190, 30  # pixels
_HEAD: Final = 74  # pixels above the labels of events
_WIDTH: Final = 1180
_LANE, _GAP = 20, 8
_JOINT: Final = 60  # pixels of a lane that shows many addresses
_MOST_LANES: Final = 48  # of single addresses; more are shown together
_ROW: Final = 14  # pixels of a row of labels
_LETTER: Final = 6.6  # pixels, on the safe side
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
    """Return an SVG document; times on the axis are seconds since `began`.

    A lane for each client and address; where they are many, one for each client and node: the addresses that
    the node answered first for, as shares of the lane.
    """
    every = [pings for by_address in seen.values() for pings in by_address.values()]
    first = min((pings.sent[0] for pings in every if pings.sent), default=began)
    last = max((pings.sent[-1] for pings in every if pings.sent), default=began + 1)
    colours = {node: COLOURS[at % len(COLOURS)] for at, node in enumerate(nodes)}

    def x(when: float) -> float:
        return _LEFT + (when - first) / max(last - first, 1e-9) * (_WIDTH - _LEFT - _RIGHT)

    labels, rows = _labels(events, found, x)
    top = _HEAD + _ROW * rows + 8
    joint = len(every) > _MOST_LANES
    lanes = _joint_lanes(seen, colours, x) if joint else _single_lanes(seen, colours, x)
    tall = _JOINT if joint else _LANE
    bottom = top + len(lanes) * (tall + _GAP)
    height = bottom + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="24" font-size="16" font-weight="bold">{escape(title)}</text>',
        *_legend(colours),
        *_axis((first, last), began, x, top, bottom),
    ]
    for at, (name, bars) in enumerate(lanes):
        y = top + at * (tall + _GAP)
        middle = y + tall / 2 + 4
        parts.append(f'<text x="{_LEFT - 8}" y="{middle:g}" text-anchor="end">{escape(name)}</text>')
        parts += [bar.drawn(y, tall) for bar in bars]
    parts += [each.drawn(top, bottom) for each in labels]
    parts.append("</svg>\n")
    return "\n".join(parts)


@dataclass(frozen=True, slots=True)
class _Bar:
    """A rectangle of a lane; `share` is (from, to) of the lane's height, from its foot."""

    left: float
    right: float
    colour: str
    tip: str
    share: tuple[float, float] = (0.0, 1.0)

    def drawn(self, y: float, tall: float) -> str:
        """Return it for a lane at `y`."""
        low, high = self.share
        place = f'x="{self.left:.1f}" y="{y + tall * (1 - high):.4g}"'
        size = f'width="{self.right - self.left:.1f}" height="{tall * (high - low):.4g}"'
        return f'<rect {place} {size} fill="{self.colour}"><title>{escape(self.tip)}</title></rect>'


_Lanes = list[tuple[str, list[_Bar]]]


def _single_lanes(seen: Sightings, colours: Mapping[str, str], x: Scale) -> _Lanes:
    return [
        (f"{client}  {address}", [_bar(segment, x, colours) for segment in _visible(pings)])
        for client, by_address in seen.items()
        for address, pings in by_address.items()
    ]


def _joint_lanes(seen: Sightings, colours: Mapping[str, str], x: Scale) -> _Lanes:
    lanes = []
    for client, by_address in seen.items():
        groups: dict[str, list[Pings]] = {}
        for pings in by_address.values():
            groups.setdefault(next(filter(None, pings.answered), ""), []).append(pings)
        for node, together in sorted(groups.items()):
            name = f"{client}  {len(together)} of {node or 'nobody'}"
            lanes.append((name, list(_shares(together, colours, x))))
    return lanes


def _shares(together: Sequence[Pings], colours: Mapping[str, str], x: Scale) -> Iterator[_Bar]:
    """Yield the bars of addresses shown as one: how many of them each node answered for in each pixel."""
    columns: list[Counter[str]] = [Counter() for _ in range(_WIDTH)]
    for pings in together:
        for at, who in _by_pixel(pings, x).items():
            columns[at][who] += 1
    begin = 0
    for at in range(1, _WIDTH + 1):
        if at < _WIDTH and columns[at] == columns[begin]:
            continue
        foot = 0
        for who in (*colours, *sorted(columns[begin].keys() - colours.keys())):  # what was lost is on top
            if count := columns[begin][who]:
                share = (foot / len(together), (foot + count) / len(together))
                tip = f"{who or 'no answer'}: {count} of {len(together)}"
                yield _Bar(begin, at, colours.get(who, _LOST), tip, share)
                foot += count
        begin = at


def _by_pixel(pings: Pings, x: Scale) -> dict[int, str]:
    """Return who answered in each pixel between the first and the last ping; a lost one wins."""
    found: dict[int, str] = {}
    for run in segments(pings):
        left, right = int(x(run.begin)), int(x(run.end))
        for at in range(left, max(right, left + 1)):
            if found.get(at, "-"):
                found[at] = run.node
    return found


def _visible(pings: Pings) -> list[Segment]:
    """Return the runs, answered ones first: what was lost is drawn on top, wide enough to be seen."""
    runs = list(segments(pings))
    return [run for run in runs if run.node] + [
        Segment(run.begin, max(run.end, run.begin + _GLITCH), "") for run in runs if not run.node
    ]


def _bar(segment: Segment, x: Scale, colours: Mapping[str, str]) -> _Bar:
    left = x(segment.begin)
    tip = f"{segment.node or 'no answer'}, {(segment.end - segment.begin) * 1e3:.0f} ms"
    return _Bar(left, max(x(segment.end), left + 1.0), colours.get(segment.node, _LOST), tip)


def _legend(colours: Mapping[str, str]) -> list[str]:
    parts = []
    for at, (label, colour) in enumerate([*colours.items(), ("no answer", _LOST)]):
        left = 16 + at * 84
        parts.append(f'<rect x="{left}" y="38" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{left + 17}" y="48">{escape(label)}</text>')
    return parts


def _axis(span: tuple[float, float], began: float, x: Scale, top: int, bottom: int) -> list[str]:
    first, last = span
    step = next((step for step in (1, 2, 5, 10, 20, 50) if (last - first) / step <= 24), 100)
    parts = [f'<text x="{_LEFT - 8}" y="{bottom + 18}" text-anchor="end" fill="#555">seconds</text>']
    for tick in range(int(first - began) + 1, int(last - began) + 1):
        if tick % step == 0:
            at = x(began + tick)
            parts.append(f'<line x1="{at:.1f}" y1="{top - 4}" x2="{at:.1f}" y2="{bottom}" stroke="#e4e4e4"/>')
            parts.append(
                f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle" fill="#555">{tick}</text>'
            )
    return parts


@dataclass(frozen=True, slots=True)
class _Label:
    """An event's line through all lanes, and its text in a row above them where nothing else stands."""

    at: float
    text: str
    anchor: str
    row: int  # 0 is next to the lanes

    def drawn(self, top: int, bottom: int) -> str:
        """Return both."""
        y = top - 10 - _ROW * self.row
        line = f'x1="{self.at:.1f}" y1="{y + 3}" x2="{self.at:.1f}" y2="{bottom}" stroke="#222"'
        return (
            f'<line {line} stroke-dasharray="4 3"><title>{escape(self.text)}</title></line>\n'
            f'<text x="{self.at:.1f}" y="{y}" text-anchor="{self.anchor}">{escape(self.text)}</text>'
        )


def _labels(events: Sequence[Event], found: Sequence[Row], x: Scale) -> tuple[list[_Label], int]:
    """Return a label for every event, and the number of rows that they take."""
    labels = []
    free: list[float] = []  # where each row may begin again
    for event in events:
        longest = max((row.longest for row in found if row.event is event), default=0.0)
        text = f"{event.node} {event.label}: {longest * 1e3:.0f} ms"
        if broken := sum(row.broken for row in found if row.event is event):
            text += f", {broken} connections broken"
        at, wide = x(event.at), len(text) * _LETTER
        anchor = "end" if at + wide > _WIDTH - _RIGHT / 2 else "start"
        begin = at - wide if anchor == "end" else at
        row = next((row for row, end in enumerate(free) if end <= begin), len(free))
        free[row : row + 1] = [begin + wide + _LETTER]
        labels.append(_Label(at, text, anchor, row))
    return labels, len(free)

"""Detection times of a simulation as an SVG: the share of trials in which all knew by then. Pure."""

from collections.abc import Sequence
from typing import Final

from roost.simulator.trials import Figures, Options

__all__ = ["draw"]

_WIDTH, _HEIGHT = 640, 360  # pixels
_LEFT, _TOP, _RIGHT, _BOTTOM = 60, 50, 20, 50
_COLOURS: Final = (("first node knows", "#4c78a8"), ("all nodes know", "#f2a93b"))


def draw(options: Options, figures: Figures) -> str:
    """Return an SVG document."""
    longest = max([*figures.first, *figures.all, 1e-3]) * 1.05
    title = f"{options.fault}: {options.nodes} nodes, profile {options.profile}, {options.trials} trials"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="24" font-size="15" font-weight="bold">{title}</text>',
        *_axes(longest),
    ]
    for at, ((label, colour), times) in enumerate(zip(_COLOURS, (figures.first, figures.all), strict=True)):
        parts.append(f'<rect x="{_LEFT + 160 * at}" y="32" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{_LEFT + 14 + 160 * at}" y="41">{label}</text>')
        parts.append(_steps(times, options.trials, longest, colour))
    return "\n".join([*parts, "</svg>\n"])


def _axes(longest: float) -> list[str]:
    bottom = _HEIGHT - _BOTTOM
    parts = []
    for share in (0, 25, 50, 75, 100):
        y = _y(share / 100)
        parts.append(
            f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" stroke="#e4e4e4"/>'
        )
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#555">{share} %</text>')
    for tick in range(6):
        x = _LEFT + (_WIDTH - _LEFT - _RIGHT) * tick / 5
        label = f"{longest * 1e3 * tick / 5:.0f}"
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle" fill="#555">{label}</text>')
    parts.append(
        f'<text x="{_WIDTH / 2:.0f}" y="{_HEIGHT - 12}" text-anchor="middle">ms after the fault</text>'
    )
    return parts


def _steps(times: Sequence[float], trials: int, longest: float, colour: str) -> str:
    points = [f"{_LEFT},{_y(0):.1f}"]
    for number, seconds in enumerate(sorted(times)):
        x = _LEFT + (_WIDTH - _LEFT - _RIGHT) * seconds / longest
        points += [f"{x:.1f},{_y(number / trials):.1f}", f"{x:.1f},{_y((number + 1) / trials):.1f}"]
    return f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>'


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

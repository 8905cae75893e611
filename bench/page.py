"""Failover, handover, connections, and answers beside peers and kernel: a page with a plot for the docs."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import log10
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from bench import arp, connections, failover, handover, track, vrrp

__all__ = ["main"]

_WIDTH, _BAR, _LEFT, _RIGHT, _TOP = 760, 30, 230, 110, 56  # pixels
_FIRST, _LAST = 10.0, 10_000.0  # milliseconds on the axis
_ASKED = (
    *("question", "cores", "who", "p50 us", "p99 us", "ratio"),
    *("requests/s", "answered %", "speaker's CPU %"),
)
_OURS, _PEERS = "#4c78a8", "#bab0ac"


def main(arguments: list[str]) -> None:
    """Run these benchmarks and write measurements.md and failover.svg into a folder."""
    parser = argparse.ArgumentParser(prog="bench page", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("docs/reference"))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    cuts = failover.run(options.rounds)
    stops = handover.run(1)
    moves = connections.run(200)
    masters = vrrp.run(options.rounds)
    tracked = track.run(options.rounds)
    (options.folder / "failover.svg").write_text(chart(cuts))
    (options.folder / "measurements.md").write_text(page(cuts, stops, moves, masters, tracked, arp.run()))


def page(
    cuts: Sequence[Mapping[str, Any]],
    stops: Sequence[Mapping[str, Any]],
    moves: Sequence[Mapping[str, Any]],
    masters: Sequence[Mapping[str, Any]],
    tracked: Sequence[Mapping[str, Any]],
    answers: Sequence[Mapping[str, Any]],
) -> str:
    """Return the page in Markdown."""
    day = datetime.now(UTC).date().isoformat()
    rows = [[who["who"], who["median_ms"], who["worst_ms"], who["ratio"]] for who in cuts]
    lost = [
        [each["who"], each["client"], f"{each['lost'][0]} of {each['sent']}", each["worst_ms"]]
        for each in stops
    ]
    broken = [
        [
            each["move"],
            each["keepConnections"],
            f"{each['broken']} of {each['open']}",
            each["longest_echo_ms"],
        ]
        for each in moves
    ]
    vrrps = [[each[key] for key in ("who", "median_ms", "worst_ms", "rfc_ms", "ratio")] for each in masters]
    ended = [
        [each["who"], each["client_median_ms"], each["client_worst_ms"], each["announced_median_ms"]]
        for each in tracked
    ]
    asked = [list(each.values()) for each in answers]
    return f"""# Measurements

Written by `python -m bench page` on {day}, in namespaces on one machine with two cores, everything in one
run. Absolute times say as much about that machine; the ratios are what to look at.

## The leader is cut off silently

Three nodes, the leader's switch port blocked, a client that pings every 2 ms: the longest time without an
answer over {cuts[0]["rounds"]} rounds. Ratio: of medians, to keepalived with adverts every 0.1 s. Plain
memberlist moves nothing: its row is the time until agents with its LAN timers, MetalLB's, have called the
node dead.

![Outage of each, on a logarithmic scale](failover.svg)

{_table(["", "median ms", "worst ms", "ratio"], rows)}

## The leader is asked to leave

500 packets/s from one client, 6 s from SIGTERM on; keepalived with adverts every 0.1 s.

{_table(["", "client", "lost", "longest outage ms"], lost)}

## Connections are open while the address moves

TCP, half of them IPv6, each echoing ten times a second on hosts. Without `keepConnections` the new leader
refuses what it does not know, as any host does without
passing on (keepalived and MetalLB pass nothing on; not measured).

{_table(["move", "keepConnections", "broken", "longest echo ms"], broken)}

## A VRRP master is cut off silently

Three nodes in one virtual router, the master's switch port blocked, a client that pings every 2 ms: from the
last advert that got through to the first answer of the next master, over {masters[0]["rounds"]} rounds. By
the RFC it takes 3 intervals and the skew. Ratio: of medians, to keepalived with the same interval.

{_table(["adverts every", "median ms", "worst ms", "by the RFC ms", "ratio"], vrrps)}

## Tracked processes

The server's process on the leader ends, a client begins a connection every 2 ms: until one is answered by
another node's server, over {tracked[0]["rounds"]} rounds, and until another node announces the address.

{_table(["", "median ms", "worst ms", "announced median ms"], ended)}

## A question is answered

ARP requests and Neighbor Solicitations of one client: 3,000 one after the other, then 100,000/s for 4 s, as
far as the machine can send them. Ratio: of medians, to the kernel that answers for an address of its own.

{_table(_ASKED, asked)}
"""


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def chart(cuts: Sequence[Mapping[str, Any]]) -> str:
    """Return an SVG of the median outages, the quickest first, on a logarithmic axis."""
    ordered = sorted(cuts, key=lambda each: float(each["median_ms"]))
    height = _TOP + len(ordered) * _BAR + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        '<text x="16" y="24" font-size="15" font-weight="bold">',
        "Leader cut off silently: time without an answer</text>",
    ]
    for tick in (10, 30, 100, 300, 1000, 3000, 10_000):
        x = f"{_x(tick):.0f}"
        parts.append(f'<line x1="{x}" y1="{_TOP - 8}" x2="{x}" y2="{height - 36}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{x}" y="{height - 20}" text-anchor="middle" fill="#555">{tick} ms</text>')
    for at, each in enumerate(ordered):
        y, median = _TOP + at * _BAR, float(each["median_ms"])
        colour = _OURS if each["who"].startswith("roost") else _PEERS
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(each["who"])}</text>')
        size = f'x="{_LEFT}" y="{y}" width="{_x(median) - _LEFT:.0f}" height="{_BAR - 10}"'
        parts.append(f'<rect {size} fill="{colour}"/>')
        parts.append(f'<text x="{_x(median) + 6:.0f}" y="{y + 14}">{median:.0f}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _x(milliseconds: float) -> float:
    share = log10(max(milliseconds, _FIRST) / _FIRST) / log10(_LAST / _FIRST)
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

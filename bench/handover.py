"""The leader is asked to leave while a client sends 500 packets/s: how many go unanswered.

Roost and keepalived take turns on fresh LANs of three nodes, with a client that hears everything and with
one that drops whatever is not sent to it alone.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.system.pinging import client, echo, make_deaf, make_known
from tests.system.speakers import lan

from bench.contenders import VIP, Contender, Keepalived, Roost
from roost.lab.records import Outage, outage

__all__ = ["main", "run"]

_INTERVAL = 0.002  # seconds between pings
_PEACE = 1.0  # seconds before the stop, in which all has to be quiet
_CONTENDERS: tuple[Callable[[], Contender], ...] = (lambda: Roost("default"), lambda: Keepalived(0.1))


def main(arguments: list[str]) -> None:
    """Print one JSON line per contender and kind of client: pings lost, and the longest outage."""
    parser = argparse.ArgumentParser(prog="bench handover", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--watch", type=float, default=6.0, help="seconds of watching after the stop")
    options = parser.parse_args(arguments)
    for line in run(options.rounds, options.watch):
        print(json.dumps(line))


def run(rounds: int, watch: float = 6.0) -> list[dict[str, Any]]:
    """Return a line of figures for each contender and kind of client; `watch` is in seconds."""
    seen: dict[tuple[str, bool], list[Outage]] = {}
    for _ in range(rounds):
        for deaf in (False, True):
            for make in _CONTENDERS:
                contender = make()
                seen.setdefault((contender.name, deaf), []).append(_stop(contender, watch, deaf=deaf))
    return [
        {
            "bench": "handover",
            "who": who,
            "client": "deaf to broadcasts" if deaf else "ordinary",
            "rounds": len(outages),
            "lost": [each.lost for each in outages],
            "sent": sum(each.sent for each in outages),
            "worst_ms": round(max(each.longest for each in outages) * 1e3, 1),
        }
        for (who, deaf), outages in seen.items()
    ]


def _stop(contender: Contender, watch: float, *, deaf: bool) -> Outage:
    with tempfile.TemporaryDirectory() as folder, lan(Path(folder), 3) as nodes, echo(nodes):
        try:
            contender.start(nodes)
            if deaf:
                make_known(nodes)  # keepalived does not teach its kernel
                make_deaf(nodes)
            with client(nodes, Path(folder), VIP, _INTERVAL) as pinger:
                pinger.answered_by()
                time.sleep(_PEACE)
                leader = pinger.answered_by()
                at = time.monotonic()
                contender.stop_politely(next(each for each in nodes.speakers if each.name == leader))
                time.sleep(watch)
                return outage(pinger.finish(), at, float("inf"))
        finally:
            contender.close()

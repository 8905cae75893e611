"""The leader's port is blocked silently: how long a client that pings every 2 ms has no answer.

Roost's profiles and keepalived take turns on fresh LANs of three nodes. Plain memberlist, which detects and
moves nothing, runs beside them: from the cut to the moment when a Go agent with memberlist's LAN timers, as
MetalLB uses them, calls the node dead.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from tests.interop.peers import GoAgent, go_agent
from tests.system.pinging import client, echo
from tests.system.speakers import lan, until

from bench.contenders import VIP, Contender, Keepalived, Roost
from roost.lab.records import outage

__all__ = ["main", "run"]

_INTERVAL = 0.002  # seconds between pings
_BASE = "keepalived 0.1 s"  # what everybody is compared with
_DETECTOR = "memberlist LAN, detection alone"
_PEACE = 1.0  # seconds before the cut, in which all has to be quiet
_AFTER = 0.5  # seconds of watching after the move


def main(arguments: list[str]) -> None:
    """Print one JSON line per contender: outages in milliseconds, ratios of medians to keepalived."""
    parser = argparse.ArgumentParser(prog="bench failover", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="leave out what takes seconds to detect")
    options = parser.parse_args(arguments)
    for line in run(options.rounds, quick=options.quick):
        print(json.dumps(line))


def run(rounds: int, *, quick: bool = False) -> list[dict[str, object]]:
    """Return a line of figures for each contender."""
    outages: dict[str, list[float]] = {}
    for _ in range(rounds):
        for contender in _contenders(quick=quick):
            outages.setdefault(contender.name, []).append(_cut(contender))
        if not quick:
            outages.setdefault(_DETECTOR, []).append(asyncio.run(_detection()))
    return _table(outages)


def _contenders(*, quick: bool) -> list[Contender]:
    everybody: list[Contender] = [Roost("default"), Keepalived(0.1), Roost("fast")]
    return everybody if quick else [*everybody, Keepalived(1.0), Roost("lan")]


def _cut(contender: Contender) -> float:
    """Return the outage in seconds."""
    with tempfile.TemporaryDirectory() as folder, lan(Path(folder), 3) as nodes, echo(nodes):
        try:
            contender.start(nodes)
            with client(nodes, Path(folder), VIP, _INTERVAL) as pinger:
                pinger.answered_by()
                time.sleep(_PEACE)
                before = pinger.answered_by()
                at = time.monotonic()
                nodes.cut(next(each for each in nodes.speakers if each.name == before))
                until(lambda: pinger.answered_by() != before, "another node answers", 30.0)
                time.sleep(_AFTER)
                return outage(pinger.finish(), at, float("inf")).longest
        finally:
            contender.close()


async def _detection() -> float:
    """Return the seconds from the cut until every other agent has called the node dead."""
    with tempfile.TemporaryDirectory() as folder, lan(Path(folder), 3) as nodes:
        async with AsyncExitStack() as stack:
            agents: list[GoAgent] = []
            for node in nodes.speakers:
                inside = ("ip", "netns", "exec", node.namespace.name)
                join = ("-join", agents[0].target) if agents else ()
                starting = go_agent(node.name, *join, address=node.address, inside=inside)
                agents.append(await stack.enter_async_context(starting))
            for agent in agents:
                for other in agents:
                    if other is not agent:
                        await agent.saw("join", other.name)
            await asyncio.sleep(_PEACE)
            at = time.monotonic()
            nodes.cut(nodes.speakers[0])
            for agent in agents[1:]:
                await asyncio.wait_for(agent.saw("leave", nodes.speakers[0].name), 30)
            return time.monotonic() - at


def _table(outages: Mapping[str, Sequence[float]]) -> list[dict[str, object]]:
    base = statistics.median(outages[_BASE])
    return [
        {
            "bench": "failover",
            "who": who,
            "rounds": len(seconds),
            "median_ms": round(statistics.median(seconds) * 1e3, 1),
            "worst_ms": round(max(seconds) * 1e3, 1),
            "ratio": round(statistics.median(seconds) / base, 2),
        }
        for who, seconds in outages.items()
    ]

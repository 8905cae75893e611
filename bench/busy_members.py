"""10 Roost and 3 Go members on one host while spinning processes keep every core busy: false verdicts."""

import argparse
import asyncio
import contextlib
import itertools
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.interop.peers import go_agent, loopback, until

from bench.member import PORT
from roost.protocols.memberlist.profile import PROFILES, Profile

__all__ = ["main"]

_SPIN = "import sys, time\nend = time.monotonic() + float(sys.argv[1])\nwhile time.monotonic() < end: pass"
_INCIDENT = 5.0  # seconds: verdicts about one member that are closer belong together


@dataclass
class _RoostMember:
    """A member's process and what it has told so far."""

    name: str
    process: Process
    changes: list[dict[str, Any]] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reading = asyncio.create_task(self._read())

    async def finish(self) -> None:
        """Let it tell its counters and end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.reading

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            told = json.loads(line)
            if "counters" in told:
                self.counters = told["counters"]
            else:
                self.changes.append(told)

    def alive(self) -> set[str]:
        latest = {change["member"]: change["verdict"] for change in self.changes}
        return {name for name, verdict in latest.items() if verdict == "alive"}


def main(arguments: list[str]) -> None:
    """Print one JSON line: per implementation its members' false deaths, accusations and refutations."""
    parser = argparse.ArgumentParser(prog="bench busy_members", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--profile", default="default", choices=sorted(PROFILES))
    parser.add_argument("--roost", type=int, default=10, help="Roost members")
    parser.add_argument("--go", type=int, default=3, help="Go members")
    parser.add_argument("--spinners", type=int, default=6)
    options = parser.parse_args(arguments)
    print(json.dumps(asyncio.run(_measure(options))))


async def _measure(options: argparse.Namespace) -> dict[str, object]:
    async with contextlib.AsyncExitStack() as stack:
        first = loopback()
        roosts = []
        for number in range(options.roost):
            address = first if number == 0 else loopback()
            join = [] if number == 0 else [f"{first}:{PORT}"]
            running = _roost_member(f"r{number}", address, options.profile, join)
            roosts.append(await stack.enter_async_context(running))
        flags = _go_flags(PROFILES[options.profile])
        flags = (*flags, f"-join={first}:{PORT}")
        gos = [
            await stack.enter_async_context(go_agent(f"g{number}", *flags, port=PORT))
            for number in range(options.go)
        ]
        everybody = {member.name for member in roosts} | {agent.name for agent in gos}
        await until(lambda: all(member.alive() == everybody for member in roosts), "all see all", 60.0)
        marks = [len(member.changes) for member in roosts], [len(agent.events) for agent in gos]
        logs = [len(agent.log) for agent in gos]
        await _spin(options.spinners, options.seconds)
        roost_changes = [member.changes[mark:] for member, mark in zip(roosts, marks[0], strict=True)]
        go_events = [agent.events[mark:] for agent, mark in zip(gos, marks[1], strict=True)]
        go_logs = [agent.log[mark:] for agent, mark in zip(gos, logs, strict=True)]
        for member in roosts:
            await member.finish()
    deaths = _deaths(roost_changes, go_events)
    total = sum((Counter(member.counters) for member in roosts), Counter[str]())
    return {
        "bench": "busy_members",
        "profile": options.profile,
        "seconds": options.seconds,
        "spinners": options.spinners,
        "roost": {
            "members": len(roosts),
            "false_deaths": _incidents(deaths, {member.name for member in roosts}),
            "deaths_declared": total["member_dead"],
            "accusations": sum(
                change["verdict"] == "suspect" and f"suspected by {member.name}" in change["evidence"]
                for member, changes in zip(roosts, roost_changes, strict=True)
                for change in changes
            ),
            "refutes": total["refutations"],
            "probes": total["probes"],
            "probes_failed": total["probes_failed"],
            "late_wakes": total["late_wakes"],
        },
        "go": {
            "members": len(gos),
            "false_deaths": _incidents(deaths, {agent.name for agent in gos}),
            "deaths_declared": sum(event["event"] == "leave" for events in go_events for event in events),
            "accusations": sum(text.count("has failed, no acks received") for text in go_logs),
            "refutes": sum(text.count("Refuting a ") for text in go_logs),
        },
    }


@contextlib.asynccontextmanager
async def _roost_member(
    name: str, address: str, profile: str, join: Iterable[str]
) -> AsyncIterator[_RoostMember]:
    argv = (sys.executable, "-m", "bench.member", name, address, profile, *join)
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, cwd=Path(__file__).parents[1]
    )
    member = _RoostMember(name, process)
    try:
        await until(lambda: member.changes or process.returncode is not None, f"{name} runs")
        yield member
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await member.reading


def _go_flags(profile: Profile) -> tuple[str, ...]:
    """The same timers for Go, so that only the implementations differ."""
    return (
        f"-probe-interval={profile.probe_interval}s",
        f"-probe-timeout={profile.probe_timeout}s",
        f"-gossip-interval={profile.gossip_interval}s",
        f"-push-pull-interval={profile.push_pull_interval}s",
    )


async def _spin(count: int, seconds: float) -> None:
    spinners = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", _SPIN, str(seconds)) for _ in range(count)
    ]
    for spinner in spinners:
        await spinner.wait()


def _deaths(
    roost: Iterable[list[dict[str, Any]]], go: Iterable[list[dict[str, Any]]]
) -> list[tuple[str, float]]:
    """Return (member, time) of every time that anybody saw somebody die; nobody did."""
    seen = [
        (change["member"], change["time"])
        for changes in roost
        for change in changes
        if change["verdict"] == "dead"
    ]
    seen += [
        (event["node"]["name"], event["time"])
        for events in go
        for event in events
        if event["event"] == "leave"
    ]
    return seen


def _incidents(deaths: list[tuple[str, float]], names: set[str]) -> int:
    incidents = 0
    for name in names:
        times = sorted(time for dead, time in deaths if dead == name)
        gaps = itertools.pairwise(times)
        incidents += bool(times) + sum(later - earlier > _INCIDENT for earlier, later in gaps)
    return incidents

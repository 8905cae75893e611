"""SIGHUP with thousands of services: the longest moment in which the speaker's event loop stood still.

Its lease ends 0.28 s after the last renewal, its peers' witnesses ask every few tens of milliseconds.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.system.netns import network

from roost.observe.logs import configure
from roost.speaker.process import serve
from roost.speaker.reloading import Reloader
from roost.speaker.speaker import Speaker
from roost.standalone.loader import load
from roost.standalone.source import FileSource

__all__ = ["main"]

_TICK: Final = 0.001  # seconds
_PATIENCE: Final = 60.0  # seconds


def main(arguments: list[str]) -> None:
    """Print one JSON line for each number of services."""
    parser = argparse.ArgumentParser(prog="bench reload", description=__doc__)
    parser.add_argument("--services", type=int, nargs="+", default=[500, 2000, 5000])
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.inside:
        configure("error", "human")
        asyncio.run(_measured(options.inside, options.services[0]))
        return
    for count in options.services:
        with tempfile.TemporaryDirectory() as folder, network() as net:
            node = net.add("n1")
            net.lan(node)
            node.ip("addr add 192.0.2.11/24 dev eth0")
            inside = ["ip", "netns", "exec", node.name, sys.executable, "-m", "bench", "reload"]
            subprocess.run([*inside, "--inside", folder, "--services", str(count)], check=True, timeout=300)


async def _measured(folder: Path, count: int) -> None:
    path = folder / "roost.yaml"
    path.write_text(_text(folder, range(count)))
    config = load(path).config
    assert config is not None
    speaker = Speaker(FileSource(path, config))
    reloader = Reloader(speaker, path)

    async def beside() -> None:
        await asyncio.sleep(12)  # the gratuitous packets of the start are over
        found: dict[str, object] = {"bench": "reload", "services": count}
        for what, services in _changes(count):
            path.write_text(_text(folder, services))
            found[what] = await _reloaded(speaker, reloader)
        print(json.dumps(found), flush=True)

    await serve(speaker, beside=beside)


async def _reloaded(speaker: Speaker, reloader: Reloader) -> dict[str, float]:
    before, begin = speaker.loaded, time.perf_counter()
    reloader.request()
    work = asyncio.create_task(reloader.run())
    gaps = _Gaps()
    async with asyncio.timeout(_PATIENCE):
        while speaker.loaded == before:
            await gaps.tick()
        took = time.perf_counter() - begin
        for _ in range(1000):  # what the new configuration lets loose counts, too
            await gaps.tick()
    work.cancel()
    return {
        "longest_gap_ms": round(1000 * gaps.longest, 1),
        "most_own_work_ms": round(1000 * gaps.busiest, 1),
        "took_ms": round(1000 * took),
    }


class _Gaps:
    """The longest time between two turns of the loop, beyond what was slept; and of processor time in it.

    The second is what the machine's other work has no part in.
    """

    def __init__(self) -> None:
        self.longest = self.busiest = 0.0

    async def tick(self) -> None:
        begin, busy = time.perf_counter(), time.thread_time()
        await asyncio.sleep(_TICK)
        self.longest = max(self.longest, time.perf_counter() - begin - _TICK)
        self.busiest = max(self.busiest, time.thread_time() - busy)


def _changes(count: int) -> Iterator[tuple[str, range]]:
    yield "nothing_changed", range(count)
    yield "one_more", range(count + 1)
    yield "half_replaced", range(count // 2, count + count // 2)


def _text(folder: Path, services: range) -> str:
    head = [f"node: n1\nstatus: {{socket: {folder}/n1.sock}}\nservices:"]
    return "\n".join([*head, *(f"  - {{name: s{at}, addresses: [{_vip(at)}]}}" for at in services)])


def _vip(number: int) -> str:
    return f"198.{18 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"

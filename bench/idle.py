"""What idle speakers cost: processor, wakes and packets, beside a loop that does next to nothing.

`--beside` runs another source tree at the same time, so that a change is compared on the same busy machine.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.system.speakers import Lan, Speaker, lan

from bench.cost import busy_seconds

__all__ = ["main"]

_SERVICES = 4
_SETTLING = 8.0  # seconds: the gratuitous packets of the start have to be over
_FLOOR_WAKES = 25.0  # a second, as many as the profile `default` has beats
_FLOOR_PACKETS = 2  # sent and received at each
_PATIENCE = 6  # times that speakers may need the tests' deadline to find each other: the machine may be busy
_STEP = 0.3  # seconds between two starts: ten interpreters at once take long to start


def main(arguments: list[str]) -> None:
    """Print a JSON line for the speakers of each tree, and one for the loop."""
    parser = argparse.ArgumentParser(prog="bench idle", description=__doc__)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--profile", default="default")
    parser.add_argument("--seconds", type=float, default=25.0)
    parser.add_argument("--beside", type=Path, help="the `src` folder of another tree")
    parser.add_argument("--floor", action="store_true", help=argparse.SUPPRESS)  # be that loop
    options = parser.parse_args(arguments)
    if options.floor:
        asyncio.run(_do_next_to_nothing())
        return
    trees = {"this tree": None, **({"beside": options.beside} if options.beside else {})}
    with ExitStack() as stack:
        running = {
            name: stack.enter_context(_speakers(options.nodes, options.profile, source))
            for name, source in trees.items()
        }
        floor = stack.enter_context(_floor())
        time.sleep(_SETTLING)
        before = {name: [_look(each) for each in nodes.running()] for name, nodes in running.items()}
        floor_before, begin = (busy_seconds(floor), _wakes(floor)), time.monotonic()
        time.sleep(options.seconds)
        seconds = time.monotonic() - begin
        for name, nodes in running.items():
            after = [_look(each) for each in nodes.running()]
            rows = [
                [(now - then) / seconds for then, now in zip(*each, strict=True)]
                for each in zip(before[name], after, strict=True)
            ]
            _tell(name, options, rows)
        spent = (busy_seconds(floor) - floor_before[0]) / seconds
        _tell(
            "a loop that does next to nothing",
            options,
            [[spent, (_wakes(floor) - floor_before[1]) / seconds]],
        )


def _tell(who: str, options: argparse.Namespace, rows: list[list[float]]) -> None:
    """Print the means over nodes: share of a core, wakes, packets sent and received."""
    processor, wakes, *packets = (sum(column) / len(column) for column in zip(*rows, strict=True))
    told = {
        "bench": "idle",
        "who": who,
        "profile": options.profile,
        "nodes": options.nodes,
        "cpu_percent": round(100 * processor, 2),
        "wakes_per_s": round(wakes, 1),
        "us_per_wake": round(1e6 * processor / wakes) if wakes else None,
        "load": round(os.getloadavg()[0], 1),
    }
    if packets:
        told["packets_per_s"] = round(sum(packets), 1)
    print(json.dumps(told))


@contextmanager
def _speakers(count: int, profile: str, source: Path | None) -> Iterator[Lan]:
    """Run speakers of the tree at `source`, None for the one that is installed."""
    before = os.environ.get("PYTHONPATH")
    with tempfile.TemporaryDirectory() as folder, lan(Path(folder), count) as nodes:
        services = [
            {"name": f"s{number}", "addresses": [f"198.51.100.{number}"]}
            for number in range(1, _SERVICES + 1)
        ]
        nodes.configure(services, profile=profile)
        if source is not None:
            os.environ["PYTHONPATH"] = str(source.resolve())
        try:
            for speaker in nodes.speakers:
                speaker.start()
                time.sleep(_STEP)
        finally:
            if source is not None:
                os.environ.pop("PYTHONPATH")
                os.environ |= {"PYTHONPATH": before} if before else {}
        for _ in range(_PATIENCE):
            with suppress(AssertionError):
                nodes.whole()
                break
        yield nodes


def _look(speaker: Speaker) -> list[float]:
    """Return processor seconds, wakes, packets sent, packets received, all so far."""
    assert speaker.process is not None
    pid = speaker.process.pid
    words = Path(f"/proc/{pid}/net/dev").read_text().split("eth0:")[1].split()
    return [busy_seconds(pid), _wakes(pid), float(words[9]), float(words[1])]


def _wakes(pid: int) -> float:
    """Return how often the threads of a process have waited for something."""
    texts = (task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/status"))
    return float(sum(int(text.split("\nvoluntary_ctxt_switches:")[1].split()[0]) for text in texts))


@contextmanager
def _floor() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-m", "bench", "idle", "--floor"])
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


async def _do_next_to_nothing() -> None:
    """Wake on a beat of asyncio, send some packets and read them: what no speaker in Python can go below."""
    loop = asyncio.get_running_loop()
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def beat(planned: float) -> None:
        for _ in range(_FLOOR_PACKETS):
            here.send(bytes(60))
        for _ in range(_FLOOR_PACKETS):
            there.recv(2048)
        loop.call_at(planned + 1 / _FLOOR_WAKES, beat, planned + 1 / _FLOOR_WAKES)

    beat(loop.time())
    await loop.create_future()

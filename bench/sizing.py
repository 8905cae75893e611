"""What a node costs by size of the cluster: memory, processor and packets while nothing happens.

Prints a line of a table for each combination; docs/reference/sizing.md has it.
"""

import argparse
import contextlib
import statistics
import tempfile
import time
from pathlib import Path

from tests.system.speakers import Lan, Speaker, lan

from bench.cost import busy_seconds, resident_mb

__all__ = ["main"]

_COLUMNS = ("profile", "nodes", "addresses", "answered", "MB", "processor %", "packets/s", "kbit/s")
_START = 90.0  # seconds; on a busy machine not all are answered then, and the table says so
_LOOK = 2.0
_SETTLE = 10.0  # seconds until gratuitous packets and questions of the start are over


def main(arguments: list[str]) -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="bench sizing", description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[3, 10])
    parser.add_argument("--addresses", type=int, nargs="+", default=[10, 500, 2000])
    parser.add_argument("--profile", default="default")
    parser.add_argument("--seconds", type=float, default=20.0, help="over which packets are counted")
    options = parser.parse_args(arguments)
    print(f"| {' | '.join(_COLUMNS)} |\n|{' --- |' * len(_COLUMNS)}")
    for nodes in options.nodes:
        for addresses in options.addresses:
            figures = _measure(nodes, addresses, options.profile, options.seconds)
            print("|", " | ".join(map(str, (options.profile, nodes, addresses, *figures))), "|", flush=True)


def _measure(count: int, addresses: int, profile: str, seconds: float) -> tuple[float, ...]:
    """Return the largest memory of a node, and the mean over all nodes of what else they cost."""
    services = [{"name": f"s{number}", "addresses": [_address(number)]} for number in range(addresses)]
    with tempfile.TemporaryDirectory() as folder, lan(Path(folder), count) as nodes:
        nodes.configure(services, profile=profile)
        for speaker in nodes.speakers:
            speaker.start()
        answered = _wait(nodes, addresses)
        time.sleep(_SETTLE)
        before = [_spent(speaker) for speaker in nodes.speakers]
        begin = time.monotonic()
        time.sleep(seconds)
        after = [_spent(speaker) for speaker in nodes.speakers]
        took = time.monotonic() - begin
        busy, packets, octets = (
            statistics.mean(late[of] - early[of] for early, late in zip(before, after, strict=True)) / took
            for of in range(3)
        )
        memory = max(resident_mb(speaker.process.pid) for speaker in nodes.speakers if speaker.process)
    return answered, round(memory, 1), round(100 * busy, 1), round(packets), round(octets * 8 / 1000)


def _address(number: int) -> str:
    return f"198.51.{100 + number // 250}.{1 + number % 250}"


def _wait(nodes: Lan, addresses: int) -> int:
    """Return how many addresses are answered, when all are or the time is over."""
    end, answered = time.monotonic() + _START, 0
    while answered != addresses and time.monotonic() < end:
        time.sleep(_LOOK)  # a status of thousands of services is work that would delay what is waited for
        with contextlib.suppress(OSError):
            answered = sum(len(speaker.answering()) for speaker in nodes.speakers)
    return answered


def _spent(speaker: Speaker) -> tuple[float, int, int]:
    """Return seconds of processor time, and packets and bytes that left on eth0 so far."""
    assert speaker.process is not None
    packets, octets = (
        int(speaker.namespace.run("cat", f"/sys/class/net/eth0/statistics/{name}"))
        for name in ("tx_packets", "tx_bytes")
    )
    return busy_seconds(speaker.process.pid), packets, octets

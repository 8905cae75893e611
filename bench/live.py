"""What a page that is open in many browsers costs a speaker with many services; whether failover is slower.

Prints one JSON line: resident memory and CPU of the speaker that takes over, and the time from the cut of the
leader to the first and the last announcement on the wire, each without and with readers.
"""

import argparse
import json
import socket
import statistics
import tempfile
import threading
import time
from pathlib import Path

from tests.system.netns import network
from tests.system.speakers import Lan, Speaker, until

__all__ = ["main"]

_WATCH = 12.0  # seconds after the cut


def main(arguments: list[str]) -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(prog="bench live", description=__doc__)
    parser.add_argument("--services", type=int, default=2000)
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    found = {}
    for readers in (0, options.readers):
        # A node that is cut again and again waits before it leads again, so each cut is another cluster's.
        rounds = [_measure(options.services, readers) for _ in range(options.rounds)]
        found[readers] = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    print(json.dumps({"services": options.services, "readers": found}))


def _measure(services: int, readers: int) -> dict[str, float]:
    addresses = [f"198.18.{number // 250}.{number % 250 + 1}" for number in range(services)]
    with tempfile.TemporaryDirectory() as folder, network() as net:
        lan = Lan(net, Path(folder), 2)
        try:
            first, second = lan.speakers
            lan.configure(
                [{"name": f"s{each}", "addresses": [each]} for each in addresses], profile="default"
            )
            for speaker in lan.speakers:
                speaker.start()
            _together(lan)
            lan.client.ip("route add 198.18.0.0/15 dev eth0")
            time.sleep(5)
            before = _resident(second)
            threads = [
                threading.Thread(target=_read, args=(second, number), daemon=True)
                for number in range(readers)
            ]
            for each in threads:
                each.start()
            time.sleep(5)
            cpu = _cpu(second)
            time.sleep(5)
            cpu = (_cpu(second) - cpu) / 5
            begin, last = _failover(lan, first)
            return {
                "resident_before_mb": round(before, 1),
                "resident_mb": round(_resident(second), 1),
                "peak_mb": round(_resident(second, "VmHWM"), 1),
                "cpu_percent": round(100 * cpu, 1),
                "first_ms": round(begin * 1e3),
                "last_ms": round(last * 1e3),
            }
        finally:
            lan.close()


def _together(lan: Lan) -> None:
    """Wait until each node leads its part; looking often would be most of what the nodes do."""

    def whole() -> bool:
        time.sleep(0.5)
        return all(len(each.answering()) > 100 and len(each.verdicts()) == 2 for each in lan.speakers)

    until(whole, "each node leads its part", 90)
    time.sleep(2)


def _failover(lan: Lan, node: Speaker) -> tuple[float, float]:
    """Cut a node off; return after how many seconds the first and the last address was taken over."""
    moved = {socket.inet_aton(each) for each in until(node.answering, "the node says what it leads")}
    with lan.client.entered():
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    with raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 20)
        raw.bind(("eth0", 0x0806))
        cut = time.monotonic()
        lan.cut(node)
        seen: dict[bytes, float] = {}
        while time.monotonic() - cut < _WATCH and len(seen) < len(moved):
            raw.settimeout(0.5)
            try:
                frame = raw.recv(2048)
            except TimeoutError:
                continue
            if frame[28:32] in moved:
                seen.setdefault(frame[28:32], time.monotonic() - cut)
    assert len(seen) == len(moved), f"{len(seen)} of {len(moved)} were taken over"
    return min(seen.values()), max(seen.values())


def _read(speaker: Speaker, number: int) -> None:
    """Be a browser that shows the page, all the time; every fifth is slow."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(speaker.socket))
    connection.sendall(b"GET /v1/live HTTP/1.1\r\nHost: x\r\n\r\n")
    while connection.recv(1 << 16):
        if number % 5 == 4:
            time.sleep(0.2)


def _resident(speaker: Speaker, kind: str = "VmRSS") -> float:
    status = Path(f"/proc/{_pid(speaker)}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(kind)) / 1024


def _cpu(speaker: Speaker) -> float:
    fields = Path(f"/proc/{_pid(speaker)}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _pid(speaker: Speaker) -> int:
    assert speaker.process is not None
    return speaker.process.pid

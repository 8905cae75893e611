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
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.system.netns import network
from tests.system.speakers import Lan, Speaker, until

__all__ = ["main"]

_WATCH = 12.0  # seconds after the cut


def main(arguments: list[str]) -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(prog="bench live", description=__doc__)
    parser.add_argument("--services", type=int, default=2000, help="of the speaker whose cost is measured")
    parser.add_argument(
        "--moved", type=int, default=300, help="services of three speakers, one of which is cut"
    )
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    found: dict[int, dict[str, float]] = {}
    for readers in (0, options.readers):
        # A node that is cut again and again waits before it leads again, so each cut is another cluster's.
        rounds = [_failover(options.moved, readers) for _ in range(options.rounds)]
        found[readers] = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
        found[readers] |= _cost(options.services, readers)
    print(json.dumps({"services": options.services, "moved": options.moved, "readers": found}))


def _cost(services: int, readers: int) -> dict[str, float]:
    """Return what one speaker takes."""
    with _cluster(1, services) as lan, _looking(lan.speakers[0], readers):
        speaker = lan.speakers[0]
        time.sleep(5)
        cpu = _cpu(speaker)
        time.sleep(5)
        return {
            "cpu_percent": round(100 * (_cpu(speaker) - cpu) / 5, 1),
            "resident_mb": round(_resident(speaker), 1),
            "peak_mb": round(_resident(speaker, "VmHWM"), 1),
        }


def _failover(services: int, readers: int) -> dict[str, float]:
    """Cut a node off; return after how many ms the first and the last address was taken over by another."""
    with _cluster(3, services) as lan, ExitStack() as stack:
        node, *others = lan.speakers
        for each in others:
            stack.enter_context(_looking(each, readers))
        time.sleep(3)
        moved = {socket.inet_aton(each) for each in until(node.answering, "the node says what it leads")}
        with lan.client.entered():
            raw = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806)))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 20)
        raw.bind(("eth0", 0x0806))
        raw.settimeout(_WATCH)
        own = node.namespace.mac("eth0")
        time.sleep(1)
        cut = time.monotonic()
        lan.cut(node)
        seen: dict[bytes, float] = {}
        while len(seen) < len(moved):
            frame = raw.recv(2048)
            if frame[28:32] in moved and frame[6:12] != own:  # its own last words are here, too
                seen.setdefault(frame[28:32], time.monotonic() - cut)
        return {"first_ms": round(min(seen.values()) * 1e3), "last_ms": round(max(seen.values()) * 1e3)}


@contextmanager
def _cluster(nodes: int, services: int) -> Iterator[Lan]:
    addresses = [f"198.18.{number // 250}.{number % 250 + 1}" for number in range(services)]
    with tempfile.TemporaryDirectory() as folder, network() as net:
        lan = Lan(net, Path(folder), nodes)
        try:
            lan.configure(
                [{"name": f"s{each}", "addresses": [each]} for each in addresses], profile="default"
            )
            for each in lan.speakers:
                each.start()
            _together(lan, services // nodes // 2)
            yield lan
        finally:
            lan.close()


@contextmanager
def _looking(speaker: Speaker, readers: int) -> Iterator[None]:
    """Let browsers look, that show the page all the time; every fifth is slow."""
    connections = [socket.socket(socket.AF_UNIX) for _ in range(readers)]
    for number, each in enumerate(connections):
        threading.Thread(target=_read, args=(each, speaker, number), daemon=True).start()
    try:
        yield
    finally:
        for each in connections:
            each.close()


def _together(lan: Lan, least: int) -> None:
    """Wait until each node leads its part; a whole status is too much to be asked for again and again."""

    def whole() -> bool:
        time.sleep(0.5)
        return all(each.ask(f"/v1/drain/{each.name}").get("leads", 0) > least for each in lan.speakers)

    until(whole, "each node leads its part", 90)
    time.sleep(2)


def _read(connection: socket.socket, speaker: Speaker, number: int) -> None:
    with suppress(OSError):
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

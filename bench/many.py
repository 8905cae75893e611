"""500 addresses on the node that dies: from the successor's verdict to the last first gratuitous frame."""

import argparse
import json
import re
import signal
import socket
import statistics
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from tests.system.speakers import Lan, lan, until

__all__ = ["main"]

SO_TIMESTAMPNS = 35


def main(arguments: list[str]) -> None:
    """Print one JSON line: milliseconds from verdict to gratuitous frame, median and last address."""
    parser = argparse.ArgumentParser(prog="bench many", description=__doc__)
    parser.add_argument("--vips", type=int, default=500)
    parser.add_argument("--profile", default="fast")
    options = parser.parse_args(arguments)
    vips = [f"198.51.{100 + number // 250}.{1 + number % 250}" for number in range(options.vips)]
    services = [
        {"name": f"s{number}", "addresses": [vip], "nodes": ["n1", "n2"]} for number, vip in enumerate(vips)
    ]
    with tempfile.TemporaryDirectory() as folder, lan(Path(folder), 2) as pair:
        pair.configure(services, profile=options.profile)
        first, second = pair.speakers
        first.start()
        until(lambda: len(first.answering()) == len(vips), "n1 answers for all")
        second.start()
        pair.whole()
        until(
            lambda: len(second.answering()) + len(first.answering()) == len(vips), "the addresses are spread"
        )
        moving = first.answering()
        time.sleep(6.0)  # the repeats of the start have to be over
        heard = _Ear(pair, second.namespace.mac("eth0"))
        first.signal(signal.SIGKILL)
        until(lambda: len(second.answering()) == len(vips), "n2 answers for all")
        time.sleep(0.5)
        frames = heard.stop()
        verdict = _verdict(second.text())
    delays = sorted((frames[vip] - verdict) * 1e3 for vip in moving if vip in frames)
    print(
        json.dumps(
            {
                "bench": "many",
                "vips": len(vips),
                "moved": len(moving),
                "announced": len(delays),
                "median_ms": round(statistics.median(delays), 2),
                "last_ms": round(delays[-1], 2),
            }
        )
    )


def _verdict(log: str) -> float:
    """When the speaker logged that n1 is dead, in seconds since the epoch (its log has milliseconds)."""
    line = next(line for line in log.splitlines() if re.search(r"\bn1\b.*\bdead\b|\bdead\b.*\bn1\b", line))
    return datetime.fromisoformat(line.split()[0]).timestamp()


class _Ear:
    """Notes when the first gratuitous ARP for each address came from `mac` (kernel timestamps)."""

    def __init__(self, pair: Lan, mac: bytes) -> None:
        with pair.client.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
        self._socket.bind(("eth0", 0x0806))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.settimeout(0.1)
        self._mac = mac
        self._first: dict[str, float] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def stop(self) -> dict[str, float]:
        """Stop and return address -> seconds since the epoch."""
        self._stopped.set()
        self._thread.join()
        return self._first

    def _listen(self) -> None:
        for frame, stamp in self._frames():
            if frame[22:28] == self._mac and frame[28:32] == frame[38:42]:
                self._first.setdefault(socket.inet_ntoa(frame[28:32]), stamp)

    def _frames(self) -> Iterator[tuple[bytes, float]]:
        while not self._stopped.is_set():
            try:
                frame, control, _flags, _source = self._socket.recvmsg(128, 64)
            except TimeoutError:
                continue
            seconds, nanoseconds = struct.unpack("qq", control[0][2])
            yield frame, seconds + nanoseconds / 1e9

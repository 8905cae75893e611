"""ARP round trip and share answered in a flood: Roost's responder beside the kernel's own, in one run."""

import argparse
import json
import socket
import statistics
import tempfile
import threading
import time
from pathlib import Path

from tests.system.speakers import Lan, lan, until

__all__ = ["main"]

VIP = "192.0.2.200"
KERNEL = "192.0.2.11"


def main(arguments: list[str]) -> None:
    """Print one JSON line with both medians (microseconds), both shares and their ratios."""
    parser = argparse.ArgumentParser(prog="bench arp", description=__doc__)
    parser.add_argument("--asks", type=int, default=3000, help="sequential requests each")
    parser.add_argument("--flood", type=float, default=5.0, help="seconds of flood each, 5 at most")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, lan(Path(folder), 1) as alone:
        alone.configure([{"name": "web", "addresses": [VIP]}])
        alone.speakers[0].write(membership=None)
        alone.start()
        until(lambda: alone.answerers(VIP), "the speaker answers")
        prober = _Prober(alone)
        trips = {VIP: [], KERNEL: []}  # type: dict[str, list[float]]
        for _ in range(options.asks):  # in turn, so that drift of the machine hits both
            for address, times in trips.items():
                times.append(prober.trip(address))
        floods = {address: prober.flood(address, min(options.flood, 5.0)) for address in (KERNEL, VIP)}
    medians = {address: statistics.median(times) * 1e6 for address, times in trips.items()}
    print(
        json.dumps(
            {
                "bench": "arp",
                "roost_median_us": round(medians[VIP], 1),
                "kernel_median_us": round(medians[KERNEL], 1),
                "ratio": round(medians[VIP] / medians[KERNEL], 2),
                "roost_p99_us": round(statistics.quantiles(trips[VIP], n=100)[98] * 1e6, 1),
                "kernel_p99_us": round(statistics.quantiles(trips[KERNEL], n=100)[98] * 1e6, 1),
                "roost_flood_share": round(floods[VIP][1] / floods[VIP][0], 3),
                "kernel_flood_share": round(floods[KERNEL][1] / floods[KERNEL][0], 3),
                "roost_flood_per_s": round(floods[VIP][0] / options.flood),
                "kernel_flood_per_s": round(floods[KERNEL][0] / options.flood),
            }
        )
    )


class _Prober:
    """Asks from the client's namespace with ready-made frames over one packet socket."""

    def __init__(self, alone: Lan) -> None:
        mac = alone.client.mac("eth0")
        with alone.client.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
        self._socket.bind(("eth0", 0x0806))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        head = b"\xff" * 6 + mac + bytes.fromhex("0806 0001 0800 0604 0001")
        self._head = head + mac + socket.inet_aton("192.0.2.101") + bytes(6)

    def trip(self, address: str) -> float:
        """Seconds from sending one request to its reply; 1.0 when none comes."""
        target = socket.inet_aton(address)
        self._socket.settimeout(1.0)
        begin = time.perf_counter()
        self._socket.send(self._head + target)
        try:
            while True:
                frame = self._socket.recv(128)
                if frame[20:22] == b"\x00\x02" and frame[28:32] == target:
                    return time.perf_counter() - begin
        except TimeoutError:
            return 1.0

    def flood(self, address: str, seconds: float) -> tuple[int, int]:
        """Send as fast as one thread can for `seconds`; returns (sent, answered)."""
        frame = self._head + socket.inet_aton(address)
        answered = 0
        done = threading.Event()
        target = frame[-4:]

        def count() -> None:
            nonlocal answered
            self._socket.settimeout(0.3)
            while True:
                try:
                    reply = self._socket.recv(128)
                except TimeoutError:
                    if done.is_set():
                        return
                    continue
                answered += reply[20:22] == b"\x00\x02" and reply[28:32] == target

        counter = threading.Thread(target=count)
        counter.start()
        sent = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                self._socket.send(frame)
                sent += 1
            except OSError:  # the send queue is full: the prober's own limit
                time.sleep(0.0005)
        done.set()
        counter.join()
        return sent, answered

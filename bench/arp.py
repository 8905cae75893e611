"""ARP and Neighbor Solicitations, round trip and share answered in a flood: the kernel's own, and Roost's."""

import argparse
import ctypes
import json
import os
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

from tests.system.speakers import Lan, lan, until

from bench.cost import busy_seconds
from roost.protocols import arp, ndp
from roost.protocols import filter as filters

__all__ = ["main", "run"]

VIPS = ("192.0.2.200", "2001:db8::200")
KERNEL = ("192.0.2.11", "2001:db8::11")
CLIENT = ("192.0.2.101", "2001:db8::101")
QUESTIONS = ("ARP", "NS")
_BURST = 64  # frames in one call
_FLOODER = -15  # its niceness
_IGNORE_OUTGOING, _STATISTICS, _ATTACH_FILTER = 23, 6, 26  # socket options of packet(7), socket(7)


def main(arguments: list[str]) -> None:
    """Print a JSON line for each load and each that answers."""
    parser = argparse.ArgumentParser(prog="bench arp", description=__doc__)
    parser.add_argument("--asks", type=int, default=3000, help="sequential requests each")
    parser.add_argument("--flood", type=float, default=4.0, help="seconds of each flood, 5 at most")
    parser.add_argument("--rate", type=int, default=100_000, help="requests per second, 100000 at most")
    parser.add_argument("--spinners", type=int, default=4, help="processes that keep the cores busy")
    options = parser.parse_args(arguments)
    for row in run(options.asks, options.flood, options.rate, options.spinners):
        print(json.dumps({"bench": "arp"} | row))


def run(
    asks: int = 3000, seconds: float = 4.0, rate: int = 100_000, spinners: int = 4
) -> list[dict[str, Any]]:
    """Return a row for each question, load and each that answers; the first of these is the kernel."""
    rows = []
    with ExitStack() as stack:
        asked: tuple[dict[str, _Prober], dict[str, _Prober]] = ({}, {})
        for responder in ("tcx", "clsact", "packet"):
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            alone = stack.enter_context(_answering(Path(folder), responder))
            for number, probers in enumerate(asked):
                if not probers:
                    probers["the kernel's own"] = _Prober(alone, number, KERNEL[number])
                probers[f"roost {responder}"] = _Prober(alone, number, VIPS[number])
        for load, count in (("quiet", 0), (f"{spinners} spinning", spinners)):
            with _spinning(count):
                for question, probers in zip(QUESTIONS, asked, strict=True):
                    head = {"question": question, "load": load}
                    rows += [head | row for row in _measured(probers, asks, seconds, rate)]
    return rows


def _measured(asked: dict[str, "_Prober"], asks: int, seconds: float, rate: int) -> Iterator[dict[str, Any]]:
    trips: dict[str, list[float]] = {who: [] for who in asked}
    for _ in range(asks):  # in turn, so that drift of the machine hits all
        for who, prober in asked.items():
            trips[who].append(prober.trip())
    first = statistics.median(next(iter(trips.values())))
    for who, prober in asked.items():
        sent, answered, busy = prober.flood(min(seconds, 5.0), min(rate, 100_000))
        yield {
            "who": who,
            "p50_us": round(statistics.median(trips[who]) * 1e6, 1),
            "p99_us": round(statistics.quantiles(trips[who], n=100)[98] * 1e6, 1),
            "ratio": round(statistics.median(trips[who]) / first, 2),
            "flood_per_s": round(sent / seconds),
            "flood_answered_percent": round(100 * answered / sent, 1),
            "speaker_cpu_percent": round(100 * busy / seconds),
        }
        time.sleep(0.5)


@contextmanager
def _answering(folder: Path, responder: str) -> Iterator[Lan]:
    """Give a LAN with one speaker that answers by `responder`."""
    with lan(folder, 1) as alone:
        alone.configure([{"name": "web", "addresses": list(VIPS)}], announce={"responder": responder})
        alone.speakers[0].write(membership=None)
        alone.start()
        for vip in VIPS:
            until(partial(alone.answerers, vip), "the speaker answers")
        yield alone


@contextmanager
def _spinning(count: int) -> Iterator[None]:
    spinners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for each in spinners:
            each.kill()
            each.wait()


class _Prober:
    """Asks from the client's namespace for one address, with ready-made frames."""

    def __init__(self, alone: Lan, question: int, address: str) -> None:
        process = alone.speakers[0].process
        assert process is not None
        self._pid = process.pid
        mac, node = (each.mac("eth0") for each in (alone.client, alone.speakers[0].namespace))
        with alone.client.entered():
            self._socket, self._counter = (socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) for _ in "12")
            for each in (self._socket, self._counter):
                _take_answers(each, address)
                each.bind(("eth0", (0x0806, 0x86DD)[question]))
            self._flooding = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self._flooding.bind(("eth0", 0))
        asker = CLIENT[question]
        if question == 0:
            self._frame = arp.question(mac, IPv4Address(asker), IPv4Address(address), b"\xff" * 6)
        else:
            self._frame = ndp.question(mac, IPv6Address(asker), IPv6Address(address), node)
        self._socket.settimeout(1.0)

    def trip(self) -> float:
        """Seconds from sending one request to its reply; 1.0 when none comes."""
        begin = time.perf_counter()
        self._socket.send(self._frame)
        try:
            self._socket.recv(128)  # its filter passes answers alone
            return time.perf_counter() - begin
        except TimeoutError:
            return 1.0

    def flood(self, seconds: float, rate: int) -> tuple[int, int, float]:
        """Send `rate` requests per second; returns (sent, answered, seconds that the speaker ran)."""
        burst = _Burst(self._flooding, self._frame)
        os.setpriority(os.PRIO_PROCESS, 0, _FLOODER)  # it stands for another machine
        busy = busy_seconds(self._pid)
        self._count()
        sent, begin = 0, time.monotonic()
        while (now := time.monotonic() - begin) < seconds:
            if sent < now * rate:
                sent += burst.send()
            else:
                time.sleep(0.0001)
        busy = busy_seconds(self._pid) - busy
        os.setpriority(os.PRIO_PROCESS, 0, 0)
        answered, end = 0, time.monotonic() + 20.0
        while (more := self._after(0.5)) and time.monotonic() < end:
            answered += more  # what waited in the speaker's buffer is answered, too
        self._socket.setblocking(False)
        with suppress(BlockingIOError):
            while self._socket.recv(128):
                pass
        self._socket.settimeout(1.0)
        return sent, answered, busy

    def _after(self, seconds: float) -> int:
        time.sleep(seconds)
        return self._count()

    def _count(self) -> int:
        """Return how many answers came since the last call, as the kernel counts: nobody has to read them."""
        return int(struct.unpack("II", self._counter.getsockopt(263, _STATISTICS, 8))[0])


def _take_answers(raw: socket.socket, address: str) -> None:
    program = filters.build_claims([ip_address(address)], 128)
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    raw.setsockopt(
        socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(buffer))
    )
    raw.setsockopt(263, _IGNORE_OUTGOING, 1)


class _Burst:
    """One frame many times over, in one system call (sendmmsg(2)): Python alone is too slow for a flood."""

    def __init__(self, raw: socket.socket, frame: bytes) -> None:
        self._raw = raw
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._frame = ctypes.create_string_buffer(frame, len(frame))
        self._vector = ctypes.create_string_buffer(
            struct.pack("PN", ctypes.addressof(self._frame), len(frame))
        )
        one = struct.pack("PIxxxxPNPNixxxxIxxxx", 0, 0, ctypes.addressof(self._vector), 1, 0, 0, 0, 0)
        self._messages = ctypes.create_string_buffer(one * _BURST)

    def send(self) -> int:
        """Return how many the kernel took."""
        return max(0, int(self._libc.sendmmsg(self._raw.fileno(), self._messages, _BURST, 0)))

"""Hostile traffic on the LAN: what it costs speakers in log, memory and moved addresses.

One namespace sends, `--rate` frames a second of each kind: garbage to the gossip port, ARP and ND claims and
questions with made-up hardware addresses, TCP streams to the gossip port that never say anything. Bounded in
time, all of it in namespaces made here.
"""

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.system.speakers import Lan, Speaker, lan, until

from bench.cost import busy_seconds, resident_mb
from roost.protocols import arp, ethernet, ndp

__all__ = ["main"]

_LONGEST: Final = 60.0  # seconds
_FASTEST: Final = 1000  # frames/second of each kind
_VIPS: Final = [f"192.0.2.{200 + number}" for number in range(4)]
_VIPS6: Final = [f"2001:db8::{200 + number}" for number in range(4)]
_TICK: Final = 0.01  # seconds between two bursts, more when less than one frame falls to each
_STREAMS: Final = 400  # half-open ones held at once
_PORT: Final = 7946  # of gossip


def main(arguments: list[str]) -> None:
    """Print one JSON line with the worst of the speakers, and one for each kind of traffic alone if asked."""
    parser = argparse.ArgumentParser(prog="bench hostile", description=__doc__)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--rate", type=int, default=_FASTEST)
    parser.add_argument("--kinds", nargs="+", choices=sorted(_KINDS), default=sorted(_KINDS))
    parser.add_argument("--each", action="store_true", help="each kind alone, then all together")
    parser.add_argument("--send", choices=sorted(_KINDS), help=argparse.SUPPRESS)
    parser.add_argument("--targets", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    seconds, rate = min(options.seconds, _LONGEST), min(options.rate, _FASTEST)
    if options.send:
        _KINDS[options.send](options.targets, rate, seconds)
        return
    rounds = [[kind] for kind in options.kinds] if options.each else []
    for kinds in [*rounds, options.kinds]:
        with tempfile.TemporaryDirectory() as folder, lan(Path(folder), 3) as nodes:
            print(json.dumps({"bench": "hostile", "kinds": kinds} | _measure(nodes, kinds, rate, seconds)))


def _measure(nodes: Lan, kinds: list[str], rate: int, seconds: float) -> dict[str, Any]:
    services = [
        {"name": f"s{at}", "addresses": [four, six]}
        for at, (four, six) in enumerate(zip(_VIPS, _VIPS6, strict=True))
    ]
    nodes.configure(services, profile="default")
    nodes.start()
    leaders = {vip: nodes.leader(vip).name for vip in _VIPS}
    time.sleep(8)  # the gratuitous packets of the start are over, and so is most of what memory they took
    before = {speaker.name: _Mark(speaker) for speaker in nodes.speakers}
    inside = ["ip", "netns", "exec", nodes.client.name, sys.executable, "-m", "bench", "hostile"]
    limits = ["--seconds", str(seconds), "--rate", str(rate), "--targets"]
    limits += [speaker.address for speaker in nodes.speakers]
    senders = [subprocess.Popen([*inside, "--send", kind, *limits]) for kind in kinds]
    for sender in senders:
        assert sender.wait(seconds + 60) == 0
    until(lambda: {vip: nodes.leader(vip).name for vip in _VIPS} == leaders, "all is led as before")
    after = {speaker.name: _Mark(speaker) for speaker in nodes.speakers}
    lines = Counter(
        " ".join(line.split()[2:6]) for each in after for line in after[each].lines[len(before[each].lines) :]
    )
    return {
        "seconds": seconds,
        "frames_per_s_each": rate,
        "log_kb": round(max(after[each].bytes - before[each].bytes for each in after) / 1024, 1),
        "memory_growth_mb": round(max(after[each].resident - before[each].resident for each in after), 1),
        "cpu_percent": round(
            max(100 * (after[each].busy - before[each].busy) for each in after) / seconds, 1
        ),
        "moves": max(after[each].moves - before[each].moves for each in after),
        "most_lines": dict(lines.most_common(3)),
    }


class _Mark:
    """What a speaker has written and holds at one moment."""

    def __init__(self, speaker: Speaker) -> None:
        text = speaker.text()
        self.bytes = len(text)
        self.lines = text.splitlines()
        self.moves = text.count("lead moved")
        assert speaker.process is not None
        self.resident = resident_mb(speaker.process.pid)
        self.busy = busy_seconds(speaker.process.pid)


def _in_bursts(send: Callable[[], None], rate: int, seconds: float) -> None:
    """Call `send` `rate` times a second; what the machine does not manage in time is left out."""
    end, burst = time.monotonic() + seconds, max(1, round(rate * _TICK))
    tick = burst / rate
    while (now := time.monotonic()) < end:
        for _ in range(burst):
            send()
        time.sleep(max(0.0, now + tick - time.monotonic()))


def _gossip(targets: list[str], rate: int, seconds: float) -> None:
    random = Random(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:

        def send() -> None:
            garbage = bytes((random.randrange(16),)) + random.randbytes(random.randrange(1, 1200))
            sending.sendto(garbage, (random.choice(targets), _PORT))

        _in_bursts(send, rate, seconds)


def _arp(_: list[str], rate: int, seconds: float) -> None:
    def frame(random: Random) -> bytes:
        vip, mac = IPv4Address(random.choice(_VIPS)), _made_up(random)
        if random.random() < 0.5:
            return arp.gratuitous(mac, vip)[random.randrange(2)]
        asker = arp.Arp(arp.REQUEST, mac, IPv4Address(f"192.0.2.{random.randrange(20, 100)}"), bytes(6), vip)
        return ethernet.build(ethernet.BROADCAST, mac, ethernet.ARP, asker.encode())

    _frames(frame, rate, seconds)


def _nd(_: list[str], rate: int, seconds: float) -> None:
    def frame(random: Random) -> bytes:
        vip, mac = IPv6Address(random.choice(_VIPS6)), _made_up(random)
        if random.random() < 0.5:
            return ndp.unsolicited(mac, vip)
        source = IPv6Address(f"2001:db8::{random.randrange(0x1000, 0xFFFF):x}")
        return ndp.question(mac, source, vip, ndp.solicited_node_mac(vip))

    _frames(frame, rate, seconds)


def _frames(frame: Callable[[Random], bytes], rate: int, seconds: float) -> None:
    random = Random(2)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sending:
        sending.bind(("eth0", 0))
        _in_bursts(lambda: _sent(sending, frame(random)), rate, seconds)


def _sent(sending: socket.socket, frame: bytes) -> None:
    with suppress(OSError):  # a full queue
        sending.send(frame)


def _streams(targets: list[str], rate: int, seconds: float) -> None:
    """Connect, say nothing or half a word, and hang up when too many are held."""
    random, held = Random(3), deque[socket.socket]()

    def send() -> None:
        stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        stream.settimeout(0)
        with suppress(OSError):
            stream.connect((random.choice(targets), _PORT))
        held.append(stream)
        if len(held) > _STREAMS:
            old = held.popleft()
            with suppress(OSError):
                old.send(random.randbytes(random.randrange(8)))
            old.close()

    _in_bursts(send, rate, seconds)
    for stream in held:
        stream.close()


def _made_up(random: Random) -> bytes:
    """Return a locally administered unicast hardware address."""
    return bytes((0x02, 0xBA)) + random.randbytes(4)


_KINDS: Final = {"gossip": _gossip, "arp": _arp, "nd": _nd, "streams": _streams}

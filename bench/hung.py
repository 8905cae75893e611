"""The leading speaker hangs (SIGSTOP): when its last answer comes, and the first one of another node.

Three nodes, profile `default`; a client asks for the address every 3 ms by ARP.
"""

import argparse
import json
import signal
import socket
import statistics
import tempfile
import time
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final

from tests.system.speakers import Lan, lan

from roost.protocols import arp

__all__ = ["main", "run"]

_VIP: Final = "192.0.2.200"
_PAUSE: Final = 0.003  # seconds between two questions
_LONG: Final = 1.5  # seconds


def main(arguments: list[str]) -> None:
    """Print a JSON line for each responder."""
    parser = argparse.ArgumentParser(prog="bench hung", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    for row in run(parser.parse_args(arguments).rounds):
        print(json.dumps({"bench": "hung"} | row), flush=True)


def run(rounds: int = 3) -> list[dict[str, Any]]:
    """Return a row for each responder: medians and worst, in milliseconds after SIGSTOP."""
    return [_measured(responder, rounds) for responder in ("tcx", "clsact", "packet")]


def _measured(responder: str, rounds: int) -> dict[str, Any]:
    last, first = [], []
    with tempfile.TemporaryDirectory() as folder, lan(Path(folder), 3) as nodes:
        service = {"name": "web", "addresses": [_VIP]}
        nodes.configure([service], profile="default", announce={"responder": responder})
        nodes.start()
        for _ in range(rounds):
            leader = nodes.leader(_VIP)
            time.sleep(3)
            leader.signal(signal.SIGSTOP)
            try:
                before, after = _asked(nodes, leader.namespace.mac("eth0"))
            finally:
                leader.signal(signal.SIGCONT)
            last.append(before)
            first.append(after)
            nodes.whole()
            nodes.answered_once([_VIP])
    return {
        "responder": responder,
        "last_of_the_hung_ms": round(statistics.median(last) * 1e3),
        "worst_last_ms": round(max(last) * 1e3),
        "first_of_another_ms": round(statistics.median(first) * 1e3),
        "worst_first_ms": round(max(first) * 1e3),
    }


def _asked(nodes: Lan, hung: bytes) -> tuple[float, float]:
    """Return after how many seconds the hung node answered last, and another one first."""
    begin = time.monotonic()
    mac = nodes.client.mac("eth0")
    with nodes.client.entered():
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    raw.bind(("eth0", 0x0806))
    raw.settimeout(0)
    question = arp.question(mac, IPv4Address("192.0.2.101"), IPv4Address(_VIP), b"\xff" * 6)
    last, first = 0.0, float("inf")
    while (now := time.monotonic() - begin) < _LONG:
        raw.send(question)
        time.sleep(_PAUSE)
        while True:
            try:
                frame = raw.recv(128)
            except BlockingIOError:
                break
            if frame[:6] == mac and frame[20:22] == b"\0\2" and frame[28:32] == question[38:42]:
                last, first = (now, first) if frame[6:12] == hung else (last, min(first, now))
    raw.close()
    return last, first

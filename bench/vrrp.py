"""The VRRP master's port is blocked silently: how long until a client that pings every 2 ms is answered.

Roost and keepalived take turns at each interval between adverts, on fresh LANs of three nodes with priorities
150, 100 and 50. Time counts from the last advert that got through, so that chance has no part in it: by the
RFC it takes 3 intervals and the skew of priority 100, 3.61 intervals, until the next one leads.
"""

import argparse
import contextlib
import json
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.interop.vrrp.lan import service
from tests.system.netns import Namespace
from tests.system.pinging import client, echo
from tests.system.speakers import Lan, lan, until

from bench.contenders import VIP, Contender, Keepalived, Roost
from roost.protocols.vrrp.machine import Timing
from roost.protocols.vrrp.packet import PROTOCOL

__all__ = ["main", "run"]

_PING = 0.002  # seconds between pings
_PEACE = 1.0  # seconds before the cut, in which all has to be quiet
_AFTER = 0.5  # seconds of watching after the move
_INTERVALS = (1.0, 0.1, 0.01)  # seconds
_SECOND = 100  # priority of who takes over


class Vrrp(Roost):
    """Speakers in one virtual router, with priorities 150, 100, 50, that gossip with nobody."""

    def __init__(self, advert: float) -> None:
        super().__init__(f"{advert:g} s")
        self._advert = advert

    def start(self, lan: Lan) -> None:
        """Start on every node and wait until the first is master."""
        self._lan = lan
        for rank, speaker in enumerate(lan.speakers):
            wanted = service(51, [VIP], 150 - 50 * rank, interval=self._advert)
            status = {"socket": str(speaker.socket)}
            speaker.write(node=speaker.name, interfaces=["eth0"], services=[wanted], status=status)
            speaker.start()
        until(lambda: lan.answerers(VIP) == {lan.speakers[0].name}, "the first node is master", 30.0)


class Adverts:
    """The adverts that reach a host, which the bridge floods, with their times."""

    def __init__(self, host: Namespace) -> None:
        with host.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        self._socket.bind(("eth0", 0x0800))
        self._socket.settimeout(0.1)
        self._heard: list[tuple[float, str]] = []
        self._over = False
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._thread.join()
        self._socket.close()

    def last_from(self, address: str) -> float:
        """Return when the last advert of a node was heard."""
        return max(when for when, source in self._heard if source == address)

    def _listen(self) -> None:
        while not self._over:
            with contextlib.suppress(TimeoutError):
                frame = self._socket.recv(2048)
                if frame[23] == PROTOCOL:
                    self._heard.append((time.monotonic(), socket.inet_ntoa(frame[26:30])))


def main(arguments: list[str]) -> None:
    """Print one JSON line per contender: outages in milliseconds, ratios of medians to keepalived's."""
    parser = argparse.ArgumentParser(prog="bench vrrp", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    for line in run(options.rounds):
        print(json.dumps(line), flush=True)


def run(rounds: int) -> list[dict[str, object]]:
    """Return a line of figures for each contender."""
    lines: list[dict[str, object]] = []
    for advert in _INTERVALS:
        outages: dict[str, list[float]] = {}
        for _ in range(rounds):
            for contender in (Vrrp(advert), Keepalived(advert)):
                outages.setdefault(contender.name, []).append(_cut(contender))
        base = statistics.median(outages[f"keepalived {advert:g} s"])
        lines += [_line(who, seconds, base, advert) for who, seconds in outages.items()]
    return lines


def _cut(contender: Contender) -> float:
    """Return the seconds from the last advert to the first answer of another node."""
    with tempfile.TemporaryDirectory() as folder, lan(Path(folder), 3) as nodes, echo(nodes):
        try:
            contender.start(nodes)
            with Adverts(nodes.client) as adverts, client(nodes, Path(folder), VIP, _PING) as pinger:
                pinger.answered_by()
                time.sleep(_PEACE)
                before = next(each for each in nodes.speakers if each.name == pinger.answered_by())
                nodes.cut(before)
                until(lambda: pinger.answered_by() != before.name, "another node answers", 30.0)
                time.sleep(_AFTER)
                pings = pinger.finish()
            last = adverts.last_from(before.address)
            found = zip(pings.sent, pings.answered, strict=True)
            return next(when for when, who in found if when > last and who not in ("", before.name)) - last
        finally:
            contender.close()


def _line(who: str, seconds: Sequence[float], base: float, advert: float) -> dict[str, object]:
    return {
        "bench": "vrrp",
        "who": who,
        "rounds": len(seconds),
        "median_ms": round(statistics.median(seconds) * 1e3, 1),
        "worst_ms": round(max(seconds) * 1e3, 1),
        "rfc_ms": round(Timing.of(3, _SECOND, round(advert * 100)).master_down * 1e3, 1),
        "ratio": round(statistics.median(seconds) / base, 2),
    }

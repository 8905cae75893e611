"""Pings every address on a fixed beat and notes who answered which ping.

`python -m roost.lab.client FILE INTERVAL PORT ADDRESS...`, or `ADDRESS#NUMBER` for each of several flows to
one: runs until stdin is closed, prints one JSON line every 0.1 s (address -> node that answered last, pings
answered, and sent, since the line before, and silences that ended or go on: [since when, seconds]), and at
the end writes all pings to FILE (see `roost.lab.records`). Times are CLOCK_MONOTONIC seconds, the same for
every process of this machine.
"""

import contextlib
import json
import selectors
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Final

__all__ = ["main"]

_LINE: Final = 0.1  # seconds between two lines for the live view
_NOBODY: Final = ""
_KEPT: Final = 1_000_000  # pings of each address: half an hour at 2 ms; of a longer lab, the last ones
_LATE: Final = 0.02  # seconds that an answer may take until silence is told of


class _Target:
    """One address: its socket, when each ping was sent, and who answered it."""

    def __init__(self, address: str, port: int) -> None:
        self.address = address
        host = address.partition("#")[0]
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)  # noqa: FBT003 - the library's signature
        self._to = (host, port)
        self.sent: list[float] = []
        self.answered: list[str] = []
        self.last = _NOBODY
        self._reported = (0, 0)
        self._answers = 0
        self._dropped = 0  # pings that are not kept any more; numbers count all
        self._newest = -1  # the newest ping that was answered
        self._silences: list[tuple[float, float]] = []

    def ping(self) -> None:
        self.sent.append(time.monotonic())
        self.answered.append(_NOBODY)
        # An error says that no neighbour answers for it now: this ping is lost, and counted as such.
        with contextlib.suppress(OSError):
            self.socket.sendto(struct.pack("!Q", self._dropped + len(self.sent) - 1), self._to)
        if len(self.sent) > _KEPT:
            self._forget(_KEPT // 2)

    def read(self) -> None:
        while True:
            try:
                data = self.socket.recv(64)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error for an earlier ping
            number = struct.unpack("!Q", data[:8])[0] - self._dropped if len(data) >= 8 else -1
            if 0 <= number < len(self.sent) and not self.answered[number]:
                self.last = self.answered[number] = data[8:].decode("ascii", "replace")
                self._answers += 1
                self._heard(number)

    def report(self) -> tuple[str, int, int, list[tuple[float, float]]]:
        count = self._dropped + len(self.sent)
        before, self._reported = self._reported, (self._answers, count)
        silences, self._silences = self._silences, []
        if self._newest + 1 < len(self.sent):
            begin = self.sent[self._newest + 1]
            if (seconds := time.monotonic() - begin) > _LATE:
                silences.append((begin, seconds))
        return self.last, self._answers - before[0], count - before[1], silences

    def _forget(self, count: int) -> None:
        """Keep the oldest pings no more."""
        del self.sent[:count], self.answered[:count]
        self._dropped += count
        self._newest = max(-1, self._newest - count)

    def _heard(self, number: int) -> None:
        """Note the silence before the answer to ping `number`: from the first ping lost, as in reports."""
        if number > self._newest + 1:
            begin = self.sent[self._newest + 1]
            self._silences.append((begin, self.sent[number] - begin))
        self._newest = max(self._newest, number)


def main(file: Path, interval: float, port: int, addresses: list[str]) -> None:
    """Ping until stdin is closed, then write the file."""
    selector = selectors.DefaultSelector()
    targets = [_Target(address, port) for address in addresses]
    for target in targets:
        selector.register(target.socket, selectors.EVENT_READ, target)
    selector.register(sys.stdin, selectors.EVENT_READ, None)
    beat = line = time.monotonic()
    while True:
        now = time.monotonic()
        if now >= beat:
            for target in targets:
                target.ping()
            beat = max(beat + interval, now)  # after a pause of this process no burst makes up for it
        if now >= line:
            line = now + _LINE
            print(json.dumps({target.address: target.report() for target in targets}), flush=True)
        for key, _ in selector.select(max(0.0, beat - time.monotonic())):
            if key.data is None:
                _finish(file, targets)
                return
            key.data.read()


def _finish(file: Path, targets: list[_Target]) -> None:
    time.sleep(0.2)  # for the answers under way
    for target in targets:
        target.read()
    file.write_text(json.dumps({target.address: [target.sent, target.answered] for target in targets}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])

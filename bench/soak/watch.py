"""Asks for addresses by broadcast ARP on a fixed beat and notes every answer, with the kernel's time stamps.

`python -m bench.soak.watch FILE ADDRESS INTERVAL SECONDS VIP...` runs on eth0 of the current namespace as
ADDRESS until stdin is closed, SECONDS at most, then writes FILE: VIP -> {"requests": [time], "answers":
[[time, MAC]]} with times in seconds since the epoch, the clock of the kernel's stamps and of the logs.
"""

import contextlib
import json
import os
import selectors
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Final

__all__ = ["main"]

_SO_TIMESTAMPNS: Final = 35
_ARP: Final = 0x0806


class _Watch:
    """One packet socket and the notes."""

    def __init__(self, address: str, vips: list[str]) -> None:
        self._mac = bytes.fromhex(Path("/sys/class/net/eth0/address").read_text().strip().replace(":", ""))
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ARP))
        self.socket.bind(("eth0", _ARP))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.socket.setblocking(False)
        head = b"\xff" * 6 + self._mac + bytes.fromhex("0806 0001 0800 0604 0001") + self._mac
        self._head = head + socket.inet_aton(address) + bytes(6)
        self._targets = {socket.inet_aton(vip): vip for vip in vips}
        self.requests: dict[str, list[float]] = {vip: [] for vip in vips}
        self.answers: dict[str, list[tuple[float, str]]] = {vip: [] for vip in vips}

    def ask(self, vip: str) -> None:
        self.requests[vip].append(time.time())
        with contextlib.suppress(OSError):
            self.socket.send(self._head + socket.inet_aton(vip))

    def read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, control, _flags, _source = self.socket.recvmsg(128, 64)
                # Answers are sent to us alone; what is sent to all is a claim that nobody asked for.
                if frame[:6] == self._mac and frame[20:22] == b"\x00\x02" and frame[28:32] in self._targets:
                    seconds, nanoseconds = struct.unpack("qq", control[0][2])
                    answer = (seconds + nanoseconds / 1e9, frame[22:28].hex(":"))
                    self.answers[self._targets[frame[28:32]]].append(answer)


def main(file: Path, address: str, interval: float, seconds: float, vips: list[str]) -> None:
    """Watch until stdin is closed or `seconds` have passed, then write the file."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)  # the faults of others are no business of the watcher
    watch = _Watch(address, vips)
    selector = selectors.DefaultSelector()
    selector.register(watch.socket, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ, "stdin")
    now = time.monotonic()
    end, beat, step, turn = now + seconds, now, interval / len(vips), 0
    while now < end:
        if now >= beat:
            watch.ask(vips[turn % len(vips)])
            turn += 1
            beat = max(beat + step, now - interval)  # after a pause of this process no burst makes up for it
        for key, _ in selector.select(max(0.0, beat - time.monotonic())):
            if key.data:
                end = now
            else:
                watch.read()
        now = time.monotonic()
    time.sleep(0.1)  # for the answers under way
    watch.read()
    file.write_text(
        json.dumps({vip: {"requests": watch.requests[vip], "answers": watch.answers[vip]} for vip in vips})
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4]), sys.argv[5:])

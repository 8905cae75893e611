"""Holds TCP connections to addresses, says something on each of them all the time, and notes which break.

`python -m roost.lab.holder COUNT PORT ADDRESS...`: holds COUNT connections, to one address after the other,
until stdin is closed, and prints one JSON line every 0.1 s: how many are `held`, and which were `broken`
since the line before, [address, when]. One that breaks is opened again. Times are CLOCK_MONOTONIC seconds,
the same for every process of this machine.
"""

import json
import select
import socket
import sys
import time
from contextlib import suppress
from typing import Final

__all__ = ["main"]

_BEAT: Final = 0.1  # seconds between two bytes on a connection
_AGAIN: Final = 0.3  # seconds until one that broke, or was refused, is opened again
_PATIENCE: Final = 3.0  # seconds for opening: an address may have moved meanwhile


class _Connection:
    """One connection, now and after it broke: the next one in its place."""

    def __init__(self, address: str, port: int) -> None:
        self.address = address
        self.held = False
        self._to = (address, port)
        self._socket: socket.socket | None = None
        self._due = 0.0  # opening it begins then, or is given up

    def look(self, now: float) -> bool:
        """Open it, or say something on it and read what came back; tells whether it has just broken."""
        try:
            if self._socket is None:
                if now >= self._due:
                    self._open(now)
            elif self.held:
                self._talk(self._socket)
            elif _is_open(self._socket):
                self.held = True
            elif now >= self._due:
                self._end(now)
        except OSError:
            was_held = self.held
            self._end(now)
            return was_held
        return False

    def _open(self, now: float) -> None:
        self._due = now + _PATIENCE
        self._socket = socket.socket(socket.AF_INET6 if ":" in self.address else socket.AF_INET)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)  # noqa: FBT003 - the library's signature
        self._socket.connect_ex(self._to)  # goes on meanwhile; what becomes of it is seen later

    def _talk(self, to: socket.socket) -> None:
        with suppress(BlockingIOError):
            if not to.recv(1024):
                raise ConnectionResetError  # the other side never ends one
        with suppress(BlockingIOError):  # nobody has taken what was said for long: it is no broken one yet
            to.send(b".")

    def _end(self, now: float) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self.held, self._due = None, False, now + _AGAIN


def main(count: int, port: int, addresses: list[str]) -> None:
    """Hold connections until stdin is closed."""
    connections = [_Connection(addresses[at % len(addresses)], port) for at in range(count)]
    while not select.select([sys.stdin], [], [], _BEAT)[0]:
        now = time.monotonic()
        broken = [(each.address, now) for each in connections if each.look(now)]
        print(json.dumps({"held": sum(each.held for each in connections), "broken": broken}), flush=True)


def _is_open(opening: socket.socket) -> bool:
    """Tell whether a connection is open; raises OSError when it was refused."""
    if error := opening.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(error, "not opened")
    return bool(select.select([], [opening], [], 0)[1])


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])

"""A switch that inspects ARP: shuts a port when more than so many ARP packets come in on it in a second.

`python -m roost.lab.inspection LIMIT PORT...` runs in the switch's namespace until killed. It prints the
name of each port once, when it has to be shut, as Dynamic ARP Inspection does. Nothing is shut here.
"""

import selectors
import socket
import sys
from collections import deque
from typing import Final

from roost.lab.arp_tap import arrived, tap

__all__ = ["Meter", "main"]

_SECOND: Final = 1.0


class Meter:
    """Counts the packets of one port; more than `limit` within a second are too many. Pure."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._when: deque[float] = deque(maxlen=limit)

    def count(self, now: float) -> bool:
        """Take one packet at `now` (seconds); tells whether that is one too many."""
        too_many = len(self._when) == self._limit and now - self._when[0] < _SECOND
        self._when.append(now)
        return too_many


def main(limit: int, ports: list[str]) -> None:
    """Count until killed."""
    selector = selectors.DefaultSelector()
    for port in ports:
        selector.register(tap(port), selectors.EVENT_READ, (port, Meter(limit)))
    while selector.get_map():
        for key, _ in selector.select():
            port, meter = key.data
            assert isinstance(key.fileobj, socket.socket)  # noqa: S101 - registered above
            if meter.count(arrived(key.fileobj)):
                print(port, flush=True)
                selector.unregister(key.fileobj)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])

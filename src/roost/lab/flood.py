"""Fills a link: sends datagrams to one address at a fixed rate for a bounded time.

`python -m roost.lab.flood ADDRESS RATE SECONDS`: RATE in Mbit/s; to the discard port.
"""

import contextlib
import socket
import sys
import time
from typing import Final

__all__ = ["main"]

_SIZE: Final = 1400  # bytes
_DISCARD: Final = 9
_TICK: Final = 0.005  # seconds between two bursts


def main(address: str, rate: float, seconds: float) -> None:
    """Send until `seconds` have passed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        burst = max(1, round(rate * 1e6 / 8 / _SIZE * _TICK))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(burst):
                with contextlib.suppress(OSError):
                    sock.sendto(bytes(_SIZE), (address, _DISCARD))
            time.sleep(_TICK)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))

"""The TCP connections that a client of the lab holds, from the lab's side: how many, and which broke when."""

import json
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from roost.lab.fabric import Host

__all__ = ["Break", "Held"]

_FEWEST: Final = 8  # connections of a client, to one address after the other
_MOST: Final = 32  # with more addresses some have none
_BREAKS: Final = 4096  # remembered


@dataclass(frozen=True, slots=True)
class Break:
    """A connection to `address` that broke at `at` (CLOCK_MONOTONIC seconds)."""

    address: str
    at: float


class Held:
    """What `roost.lab.holder` on a client's host holds to these addresses."""

    def __init__(self, host: Host, port: int, addresses: Sequence[str]) -> None:
        self.wanted = min(_MOST, max(_FEWEST, len(addresses)))
        self.held = 0
        self.breaks: deque[Break] = deque(maxlen=_BREAKS)
        self.broken = 0  # all, also those that are not remembered any more
        self._process = host.spawn("roost.lab.holder", str(self.wanted), str(port), *addresses)
        threading.Thread(target=self._listen, daemon=True).start()

    def end(self) -> None:
        """Hold nothing any more; what has broken until now stays known."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=10)

    def _listen(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - spawned with a pipe
        for line in self._process.stdout:
            told = json.loads(line)
            self.held = int(told["held"])
            self.broken += len(told["broken"])
            self.breaks.extend(Break(address, float(at)) for address, at in told["broken"])

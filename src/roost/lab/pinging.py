"""A host of the lab that pings, as its program (`roost.lab.client`) tells of it."""

import json
import subprocess
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from roost.lab.fabric import Host
from roost.lab.records import Pings, load
from roost.protocols.bounded import remember

__all__ = ["Client"]

_HISTORY: Final = 60  # tenths of a second kept for the live view
_SILENCES: Final = 4096  # remembered of a client


@dataclass(eq=False)
class Client:
    """A host that pings; `seen` is target -> (who answered last, answered, sent) in the last 0.1 s.

    `lines` counts these tenths. `silences` has the times without an answer, those that go on among them:
    (address, since when in CLOCK_MONOTONIC seconds) -> seconds.
    """

    host: Host
    file: Path
    process: subprocess.Popen[bytes]
    seen: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    history: dict[str, deque[tuple[str, int, int]]] = field(default_factory=dict)
    lines: int = 0
    silences: dict[tuple[str, float], float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The client's name."""
        return self.host.name

    def listen(self) -> None:
        """Follow what the client says until it ends; runs in a thread of its own."""
        assert self.process.stdout is not None  # noqa: S101 - spawned with a pipe
        for line in self.process.stdout:
            told = json.loads(line)
            seen = {address: (str(last), int(ok), int(sent)) for address, (last, ok, sent, _) in told.items()}
            for address, entry in seen.items():
                self.history.setdefault(address, deque(maxlen=_HISTORY)).append(entry)
                for begin, seconds in told[address][3]:
                    remember(self.silences, (address, float(begin)), float(seconds), _SILENCES)
            self.seen = seen
            self.lines += 1

    def end(self) -> None:
        """Ask for the end of the pinging."""
        assert self.process.stdin is not None  # noqa: S101 - spawned with a pipe
        self.process.stdin.close()

    def pings(self) -> dict[str, Pings]:
        """Wait for the end and return all pings by address."""
        self.process.wait(timeout=10)
        return load(json.loads(self.file.read_text()))

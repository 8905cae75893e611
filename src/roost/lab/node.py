"""A host of the lab with a speaker."""

import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final

from roost.lab.fabric import Host
from roost.runtime.http_client import get

__all__ = ["Node"]

_OF_THE_PROCESS: Final = ("killed", "stopped", "frozen", "draining")  # over once another is started


@dataclass(eq=False)
class Node:
    """A host with an echo service and a speaker; `faults` is what was done to it and lasts."""

    host: Host
    folder: Path
    faults: dict[str, None] = field(default_factory=dict)
    speaker: subprocess.Popen[bytes] | None = None
    echo: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """The node's name."""
        return self.host.name

    @property
    def socket(self) -> Path:
        """Where its speaker answers questions."""
        return self.folder / f"{self.name}.sock"

    @property
    def state(self) -> str:
        """What is wrong with it, for people."""
        return ", ".join(self.faults) or "up"

    @property
    def runs(self) -> bool:
        """Whether its speaker's process is there."""
        return self.speaker is not None and self.speaker.poll() is None

    def start(self) -> None:
        """Start the speaker."""
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.speaker = self.host.spawn(
                "roost", "speaker", "--config", str(self.folder / f"{self.name}.yaml"), log=log
            )
        for fault in _OF_THE_PROCESS:
            self.faults.pop(fault, None)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the speaker."""
        if self.speaker is not None:
            self.speaker.send_signal(number)

    def status(self) -> Mapping[str, Any] | None:
        """What its speaker says, once it is settled, or None."""
        try:
            _, status = get(self.socket, "/v1/status", timeout=1.0)
        except (OSError, HTTPException):
            return None
        return status if status["settled"] else None

    def alive(self) -> set[str] | None:
        """The members that its speaker holds for alive once it is settled, or None."""
        if (status := self.status()) is None:
            return None
        return {each["name"] for each in status["members"] if each["verdict"] == "alive"}

    def shares(self) -> list[set[str]]:
        """Which nodes have a share of each service, as its speaker sees it."""
        services = (self.status() or {}).get("services", ())
        return [{name for name, part in (each["shares"] or {}).items() if part} for each in services]

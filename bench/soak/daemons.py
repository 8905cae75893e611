"""What is put under fire: Roost's speakers, and keepalived beside them. One set of processes on each node."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from tests.system.speakers import Lan, Speaker

from bench.soak.schedule import KINDS
from roost.runtime.http_client import request

__all__ = ["Daemon", "Keepalived", "Roost"]

_PATIENCE: Final = 60.0  # seconds for a start on a shared machine
_EXTRA: Final = {"name": "extra", "addresses": ["192.0.2.250"]}  # a service that nobody watches
_RATES: Final = (5000, 2000)  # gratuitous frames per second


class Daemon(Protocol):
    """Somebody who makes the nodes of a LAN answer for addresses."""

    name: str

    @property
    def kinds(self) -> Collection[str]:
        """The faults that apply."""

    def start(self, speaker: Speaker) -> None:
        """Start on a node; `speaker.process` is then the process that takes signals."""

    def ready(self, lan: Lan, addresses: Sequence[str]) -> None:
        """Wait until all nodes play together and every address is answered by one."""

    def signal(self, speaker: Speaker, number: signal.Signals) -> None:
        """Send a signal to the node's processes."""

    def reload(self, speaker: Speaker, *, changed: bool) -> None:
        """Give the node a slightly other configuration, or the first one again."""

    def drain(self, speaker: Speaker, *, wish: bool) -> None:
        """Ask the node to give away what it leads, or to take it back; raises OSError or HTTPException."""


class Roost:
    """Speakers with a profile, from the source below `source`."""

    kinds: Collection[str] = frozenset(KINDS)

    def __init__(self, lan: Lan, addresses: Sequence[str], profile: str, source: Path) -> None:
        self.name = f"roost {profile}"
        self._environment = os.environ | {"PYTHONPATH": str(source.resolve())}
        self._reloads = 0
        lan.configure(
            [
                {"name": f"s{number}", "addresses": [vip], "ports": [{"port": 7, "protocol": "UDP"}]}
                for number, vip in enumerate(addresses)
            ],
            profile=profile,
        )

    def start(self, speaker: Speaker) -> None:
        """Start the speaker; its log goes on."""
        _spawn(
            speaker, ["-m", "roost", "speaker", "--config", str(speaker.path)], environment=self._environment
        )

    def ready(self, lan: Lan, addresses: Sequence[str]) -> None:
        """Wait until all see each other."""
        lan.whole()
        _answered_once(lan, addresses)

    def signal(self, speaker: Speaker, number: signal.Signals) -> None:
        """To the one process."""
        speaker.signal(number)

    def reload(self, speaker: Speaker, *, changed: bool) -> None:
        """Add a service that nobody watches or change the rate of gratuitous packets, in turn."""
        services = [each for each in speaker.config["services"] if each != _EXTRA]
        rate = _RATES[0]
        if changed:
            self._reloads += 1
            if self._reloads % 2:
                services.append(_EXTRA)
            else:
                rate = _RATES[1]
        speaker.write(services=services, announce={"gratuitousRate": rate})
        speaker.signal(signal.SIGHUP)

    def drain(self, speaker: Speaker, *, wish: bool) -> None:
        """As `roost drain` does it, without the start of an interpreter."""
        target = f"/v1/drain/{speaker.name}?wish={'true' if wish else 'false'}"
        request("POST", speaker.socket, target, timeout=2.0)


class Keepalived:
    """VRRPv3, one instance for each address, priorities turned so that every node leads some."""

    kinds: Collection[str] = frozenset({"freeze", "kill", "term", "cut", "carrier", "mute", "deaf", "loss"})

    def __init__(self, lan: Lan, addresses: Sequence[str], advert: float) -> None:
        self.name = f"keepalived {advert:g} s"
        count = len(lan.speakers)
        for rank, speaker in enumerate(lan.speakers):
            text = "global_defs {\n  vrrp_version 3\n}\n"
            for number, vip in enumerate(addresses):
                priority = 200 - 40 * ((rank - number) % count)
                text += _instance(number, vip, priority, advert)
            speaker.path.with_suffix(".conf").write_text(text)

    @staticmethod
    def missing() -> str:
        """Tell in one line what is missing here, "" if nothing is."""
        return (
            ""
            if shutil.which("keepalived")
            else "keepalived is not installed (on Debian: apt install keepalived)"
        )

    def start(self, speaker: Speaker) -> None:
        """Start in the foreground; the pid files of a killed one are removed, or it would not start."""
        pids = [speaker.path.with_suffix(suffix) for suffix in (".main", ".vrrp")]
        for file in pids:
            file.unlink(missing_ok=True)
        options = ["-n", "-l", "-P", "-f", str(speaker.path.with_suffix(".conf"))]
        _spawn(speaker, [*options, "-p", str(pids[0]), "-r", str(pids[1])], program="keepalived")

    def ready(self, lan: Lan, addresses: Sequence[str]) -> None:
        """Wait until every address has one master."""
        _answered_once(lan, addresses)

    def signal(self, speaker: Speaker, number: signal.Signals) -> None:
        """To the parent and, where the parent would not pass it on, to its child that speaks VRRP."""
        assert speaker.process is not None
        pid = speaker.process.pid
        if number != signal.SIGTERM:
            children = Path(f"/proc/{pid}/task/{pid}/children")
            for child in children.read_text().split() if children.exists() else []:
                os.kill(int(child), number)
        speaker.process.send_signal(number)

    def reload(self, speaker: Speaker, *, changed: bool) -> None:
        """Not among the kinds."""
        raise NotImplementedError

    def drain(self, speaker: Speaker, *, wish: bool) -> None:
        """Not among the kinds."""
        raise NotImplementedError


def _spawn(
    speaker: Speaker,
    options: Sequence[str],
    *,
    program: str = "",
    environment: Mapping[str, str] | None = None,
) -> None:
    inside = ["ip", "netns", "exec", speaker.namespace.name, program or sys.executable]
    with speaker.log.open("ab") as log:
        speaker.process = subprocess.Popen([*inside, *options], stdout=log, stderr=log, env=environment)


def _answered_once(lan: Lan, addresses: Sequence[str]) -> None:
    lan.answered_once(addresses, _PATIENCE)
    time.sleep(1.0)


def _instance(number: int, vip: str, priority: int, advert: float) -> str:
    return f"""
vrrp_instance v{number} {{
  state BACKUP
  interface eth0
  virtual_router_id {51 + number}
  priority {priority}
  advert_int {advert:g}
  virtual_ipaddress {{
    {vip}/32
  }}
}}
"""

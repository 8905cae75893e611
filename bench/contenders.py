"""Those who share one address over the nodes of a LAN: Roost, and keepalived beside it."""

import subprocess
from typing import Protocol

from tests.system.speakers import Lan, Speaker, until

__all__ = ["VIP", "Contender", "Keepalived", "Roost"]

VIP = "192.0.2.200"
_PATIENCE = 30.0  # seconds for a start


class Contender(Protocol):
    """Somebody who makes one of the nodes of a LAN answer for VIP."""

    name: str

    def start(self, lan: Lan) -> None:
        """Start on every node and wait until the first answers have been given."""

    def stop_politely(self, speaker: Speaker) -> None:
        """Ask what runs on this node to hand over and leave."""

    def close(self) -> None:
        """End what is still running."""


class Roost:
    """Speakers with a profile."""

    def __init__(self, profile: str) -> None:
        self.name = f"roost {profile}"
        self._profile = profile
        self._lan: Lan | None = None

    def start(self, lan: Lan) -> None:
        """Start on every node and wait until all see each other."""
        self._lan = lan
        service = {"name": "echo", "addresses": [VIP], "ports": [{"port": 7, "protocol": "UDP"}]}
        lan.configure([service], profile=self._profile)
        lan.start()

    def stop_politely(self, speaker: Speaker) -> None:
        """SIGTERM."""
        assert speaker.process is not None
        speaker.process.terminate()

    def close(self) -> None:
        """End the speakers."""
        if self._lan is not None:
            self._lan.close()


class Keepalived:
    """VRRPv3 with priorities 150, 100, 50 and `advert` seconds between advertisements."""

    def __init__(self, advert: float) -> None:
        self.name = f"keepalived {advert:g} s"
        self._advert = advert
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, lan: Lan) -> None:
        """Start on every node and wait until the first is master."""
        for rank, speaker in enumerate(lan.speakers):
            self._processes[speaker.name] = self._spawn(speaker, 150 - 50 * rank)
        until(lambda: lan.answerers(VIP) == {lan.speakers[0].name}, "the first node is master", _PATIENCE)

    def stop_politely(self, speaker: Speaker) -> None:
        """SIGTERM: it gives up its addresses and says so (priority 0)."""
        self._processes[speaker.name].terminate()

    def close(self) -> None:
        """End the daemons."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait(10)

    def _spawn(self, speaker: Speaker, priority: int) -> subprocess.Popen[bytes]:
        folder = speaker.path.parent
        config = folder / f"{speaker.name}.conf"
        config.write_text(self._configuration(priority))
        pids = [folder / f"{speaker.name}.{kind}" for kind in ("main", "vrrp")]
        inside = ["ip", "netns", "exec", speaker.namespace.name]
        options = ["-n", "-P", "-f", str(config), "-p", str(pids[0]), "-r", str(pids[1])]
        with (folder / f"{speaker.name}.log").open("ab") as log:
            return subprocess.Popen([*inside, "keepalived", *options], stdout=log, stderr=log)

    def _configuration(self, priority: int) -> str:
        state = "MASTER" if priority == 150 else "BACKUP"
        return f"""
global_defs {{
  vrrp_version 3
}}
vrrp_instance bench {{
  state {state}
  interface eth0
  virtual_router_id 51
  priority {priority}
  advert_int {self._advert:g}
  virtual_ipaddress {{
    {VIP}/32
  }}
}}
"""

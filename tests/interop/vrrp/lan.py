"""Nodes of Roost and of other daemons in one virtual router each, on a LAN of namespaces."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.interop.vrrp.daemons import Frr, Keepalived
from tests.system.netns import network
from tests.system.speakers import Lan, Speaker, until

__all__ = ["VrrpLan", "service", "vrrp_lan"]


def service(vrid: int, addresses: Sequence[str], priority: int, **more: Any) -> dict[str, Any]:
    """A service of Roost's that VRRP decides about; adverts come every 0.1 s."""
    vrrp = {"vrid": vrid, "priority": priority, "interval": "100ms", "interface": "eth0"} | more
    return {"name": f"s{vrid}", "addresses": list(addresses), "election": {"vrrp": vrrp}}


class VrrpLan:
    """Nodes n1, n2, ... with the addresses 192.0.2.11, ...; what runs on which is the test's to say."""

    def __init__(self, lan: Lan, folder: Path) -> None:
        self.lan = lan
        self._folder = folder
        self._peers: list[Keepalived | Frr] = []

    def roost(self, number: int, *services: dict[str, Any], **more: Any) -> Speaker:
        """Start a speaker that gossips with nobody, and wait until it runs."""
        speaker = self.lan.speakers[number - 1]
        status = {"socket": str(speaker.socket)}
        speaker.write(node=speaker.name, interfaces=["eth0"], services=list(services), status=status, **more)
        speaker.start()
        until(speaker.status, f"{speaker.name} runs: {speaker.text()}")
        return speaker

    def keepalived(self, number: int) -> Keepalived:
        peer = Keepalived(self.lan.speakers[number - 1].namespace, self._folder)
        self._peers.append(peer)
        return peer

    def frr(self, number: int) -> Frr:
        peer = Frr(self.lan.speakers[number - 1].namespace)
        self._peers.append(peer)
        return peer

    def link(self, number: int, state: str) -> None:
        """Take the link of a node `down` or `up`, as its own host sees it."""
        self.lan.speakers[number - 1].namespace.ip(f"link set eth0 {state}")

    def led_by(self, number: int, addresses: Sequence[str]) -> None:
        """Wait until node `number` alone answers for each of these."""
        left = set(addresses)

        def settled() -> bool:
            left.difference_update(
                [each for each in sorted(left) if self.lan.answerers(each, 0.05) == {f"n{number}"}]
            )
            return not left

        try:
            until(settled, f"n{number} alone answers for all")
        except AssertionError as error:
            raise AssertionError(f"{sorted(left)} not answered by n{number}: {self._state()}") from error

    def _state(self) -> str:
        for speaker in self.lan.speakers:
            if speaker.log.exists():
                return speaker.text()[-3000:]
        return ""

    def close(self) -> None:
        for peer in self._peers:
            peer.close()
        self.lan.close()


@contextlib.contextmanager
def vrrp_lan(folder: Path, count: int = 2) -> Iterator[VrrpLan]:
    """Give a LAN with `count` nodes on which nothing runs yet; everything is gone at the end."""
    with network() as net:
        made = VrrpLan(Lan(net, folder, count), folder)
        try:
            yield made
        finally:
            made.close()

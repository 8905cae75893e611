"""The router in front of a lab's clients: one hardware address for all of them, as the nodes see it."""

import json
import subprocess
from collections.abc import Sequence
from typing import Final

from roost.lab.fabric import Host, command

__all__ = ["BEHIND", "GATEWAYS", "Router", "behind"]

BEHIND: Final = "br2"  # the switch behind the router
GATEWAYS: Final = ("192.0.2.1", "2001:db8::1")  # of the nodes
_INNER: Final = ("203.0.113.1", "2001:db8:1::1")  # of the clients


def behind(name: str, number: int) -> Host:
    """Return a client that is to be behind the router."""
    last = 100 + number
    addresses = [f"203.0.113.{last}/24", f"2001:db8:1::{last}/64"]
    return Host(name, addresses, switch=BEHIND, gateways=_INNER)


class Router:
    """A host of the fabric, `host`, that passes packets between the nodes and the clients."""

    def __init__(self) -> None:
        self.host = Host("router", [f"{GATEWAYS[0]}/24", f"{GATEWAYS[1]}/64"])

    def start(self) -> None:
        """Give it its second cable, and let it pass packets on; the fabric has attached it."""
        name = self.host.name
        command("ip", "link", "add", "p-inner", "type", "veth", "peer", "name", "eth1", "netns", name)
        command("ip", "link", "set", "p-inner", "master", BEHIND, "up")
        settings = {"ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1, "ipv6/conf/eth1/accept_dad": 0}
        script = "; ".join(f"echo {value} > /proc/sys/net/{key}" for key, value in settings.items())
        command("nsenter", f"--net=/run/netns/{name}", "sh", "-c", script)
        command("ip", "-n", name, "link", "set", "eth1", "up")
        for address, length in zip(_INNER, (24, 64), strict=True):
            command("ip", "-n", name, "address", "add", f"{address}/{length}", "dev", "eth1")

    def neighbours(self, addresses: Sequence[str]) -> dict[str, str]:
        """Return the hardware addresses that it sends packets for these addresses to."""
        inside = ["ip", "-n", self.host.name, "-json", "neigh", "show", "dev", "eth0"]
        told = subprocess.run(inside, capture_output=True, text=True, check=False).stdout
        found = {each["dst"]: each["lladdr"] for each in json.loads(told or "[]") if "lladdr" in each}
        return {address: found[address] for address in addresses if address in found}

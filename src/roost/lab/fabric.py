"""A LAN inside the lab: one bridge, and a network namespace with one cable for each host.

With a router there is a second LAN behind it, for hosts that the first one knows by the router alone.
"""

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

__all__ = ["ARP_LIMIT", "Fabric", "Host", "LabError", "command"]

ARP_LIMIT: Final = 15  # packets/second: what switches with Dynamic ARP Inspection shut a port above
_RUN: Final = Path("/run")
_MANY: Final = "198.18.0.0/16"  # service addresses of large labs (RFC 2544)
_LATENCY: Final = "50ms"  # the most that a full link delays a packet


class LabError(Exception):
    """The lab itself failed; the text is one line for the user."""


class Host:
    """A network namespace with `eth0` on a bridge; `addresses` have their prefix length.

    Where there are `gateways` the rest of the world is behind them, one of each family.
    """

    def __init__(
        self, name: str, addresses: Sequence[str], *, switch: str = "br0", gateways: Sequence[str] = ()
    ) -> None:
        self.name = name
        self.addresses = tuple(addresses)
        self.switch = switch
        self.gateways = tuple(gateways)
        self.port = f"p-{name}"
        self.shut = False  # by the switch, for good

    def spawn(self, *module_and_arguments: str, log: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
        """Start `python -m MODULE ARGUMENTS` inside, with pipes for stdin and stdout."""
        return subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{self.name}", sys.executable, "-m", *module_and_arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )


class Fabric:
    """The bridge and its hosts, in the network namespace of this process, which is the lab's own.

    `inspects` ARP of `nodes`: a port that sends too much of it is shut. `proxies`: it answers ARP for those
    that are cut off.
    """

    def __init__(
        self,
        nodes: Sequence[Host],
        others: Iterable[Host] = (),
        *,
        inspects: bool = False,
        proxies: bool = False,
    ) -> None:
        hosts = [*nodes, *others]
        self.ports_shut: list[str] = []  # of nodes
        self._proxy: subprocess.Popen[bytes] | None = None
        command("mount", "-t", "tmpfs", "tmpfs", str(_RUN))
        command("ip", "link", "set", "lo", "up")
        for switch in ("br0", "br1", "br2"):
            command(
                "ip", "link", "add", switch, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0"
            )
            command("ip", "link", "set", switch, "up")
        for host in hosts:
            self._attach(host)
        if inspects:
            self._inspect({node.port: node for node in nodes})
        if proxies:
            known = [f"{node.port}={node.addresses[0].split('/')[0]}={self.mac(node)}" for node in nodes]
            self._proxy = _spawn("roost.lab.arp_proxy", *known)

    def mac(self, host: Host) -> str:
        """Return the hardware address of the host's end of its cable, as text."""
        inside = ["ip", "-n", host.name, "-o", "link", "show", "dev", "eth0"]
        words = subprocess.run(inside, capture_output=True, text=True, check=True).stdout.split()
        return words[words.index("link/ether") + 1]

    def cut(self, host: Host) -> None:
        """Block the host's port without a word: its link stays up, nothing passes."""
        command("bridge", "link", "set", "dev", host.port, "state", "0")
        self._tell_proxy("down", host)

    def heal(self, host: Host) -> None:
        """Let the port forward again, unless the switch has shut it."""
        if not host.shut:
            command("bridge", "link", "set", "dev", host.port, "state", "3")
            self._tell_proxy("up", host)

    def unplug(self, host: Host) -> None:
        """Pull the host's cable: its link has no carrier."""
        command("ip", "link", "set", host.port, "down")
        self._tell_proxy("down", host)

    def plug(self, host: Host) -> None:
        """Put the cable back."""
        command("ip", "link", "set", host.port, "up")
        self._tell_proxy("up", host)
        if host.shut:
            self.cut(host)

    def split(self, hosts: Iterable[Host]) -> None:
        """Put hosts on another switch that has no way to the first one; their links stay up."""
        for host in hosts:
            command("ip", "link", "set", host.port, "master", "br1")

    def join(self, hosts: Iterable[Host]) -> None:
        """Put hosts back on the first switch."""
        for host in hosts:
            command("ip", "link", "set", host.port, "master", host.switch)

    def mute(self, host: Host) -> None:
        """Lose whatever the host sends; what is sent to it arrives."""
        _nft("", host.port, "drop", table=f"mute-{host.port}")

    def unmute(self, host: Host) -> None:
        """Let what the host sends pass again."""
        command("nft", "delete", "table", "netdev", f"mute-{host.port}")

    def deafen(self, host: Host) -> None:
        """Lose whatever is not sent to the host alone."""
        _nft(host.name, "eth0", "meta pkttype != host drop")

    def lose(self, host: Host, percent: int) -> None:
        """Lose `percent` of 100 of the frames of a host, each way."""
        _nft("", host.port, f"numgen random mod 100 < {percent} drop", table=f"lose-{host.port}")
        _nft(host.name, "eth0", f"numgen random mod 100 < {percent} drop")

    def limit(self, host: Host, megabits: int) -> None:
        """Limit what the host gets to `megabits` per second; what is too much waits, then is lost."""
        rate = ("rate", f"{megabits}mbit", "burst", "32kbit", "latency", _LATENCY)
        command("tc", "qdisc", "replace", "dev", host.port, "root", "tbf", *rate)

    def _inspect(self, nodes: Mapping[str, Host]) -> None:
        inspection = _spawn("roost.lab.inspection", str(ARP_LIMIT), *nodes)
        threading.Thread(target=self._shut_ports, args=(inspection, nodes), daemon=True).start()

    def _shut_ports(self, inspection: subprocess.Popen[bytes], nodes: Mapping[str, Host]) -> None:
        """Shut each port that the inspection names; runs in a thread of its own."""
        assert inspection.stdout is not None  # noqa: S101 - spawned with a pipe
        for line in inspection.stdout:
            host = nodes[line.decode().strip()]
            host.shut = True
            self.cut(host)
            self.ports_shut.append(host.name)

    def _tell_proxy(self, word: str, host: Host) -> None:
        if self._proxy is not None and self._proxy.stdin is not None:
            self._proxy.stdin.write(f"{word} {host.port}\n".encode())
            self._proxy.stdin.flush()

    def _attach(self, host: Host) -> None:
        command("ip", "netns", "add", host.name)
        cable = ("link", "add", host.port, "type", "veth", "peer", "name", "eth0", "netns", host.name)
        command("ip", *cable)
        command("ip", "link", "set", host.port, "master", host.switch, "up")
        inside = ("ip", "-n", host.name)
        # Without duplicate address detection the addresses are there at once; nobody else is on this LAN.
        quick = "for each in default eth0; do echo 0 > /proc/sys/net/ipv6/conf/$each/accept_dad; done"
        command("nsenter", f"--net=/run/netns/{host.name}", "sh", "-c", quick)
        command(*inside, "link", "set", "lo", "up")
        command(*inside, "link", "set", "eth0", "up")
        for address in host.addresses:
            command(*inside, "address", "add", address, "dev", "eth0")
        if host.switch == "br0":
            command(*inside, "route", "add", _MANY, "dev", "eth0")
        for gateway in host.gateways:
            command(*inside, "route", "add", "default", "via", gateway)


def _spawn(*module_and_arguments: str) -> subprocess.Popen[bytes]:
    """Start `python -m MODULE ARGUMENTS` in the switch, with pipes for stdin and stdout."""
    command_line = [sys.executable, "-m", *module_and_arguments]
    return subprocess.Popen(command_line, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _nft(namespace: str, device: str, rule: str, table: str = "lab") -> None:
    """Apply a rule to what comes in on `device` in a host's namespace, or in the lab's own ("")."""
    if shutil.which("nft") is None:
        raise LabError("missing system package for this drill: nftables (on Debian: apt install nftables)")
    inside = ("ip", "netns", "exec", namespace) if namespace else ()
    hook = f"type filter hook ingress device {device} priority 0;"
    command(*inside, "nft", f"table netdev {table} {{ chain door {{ {hook}\n{rule}\n}}\n}}\n")


def command(*words: str) -> None:
    """Run a command. Raises LabError with what it said."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")

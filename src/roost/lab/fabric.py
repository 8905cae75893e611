"""A LAN inside the lab: one bridge, and a network namespace with one cable for each host."""

import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Final

__all__ = ["Fabric", "Host", "LabError", "command"]

_RUN: Final = Path("/run")
_MANY: Final = "198.18.0.0/16"  # service addresses of large labs (RFC 2544)
_LATENCY: Final = "50ms"  # the most that a full link delays a packet


class LabError(Exception):
    """The lab itself failed; the text is one line for the user."""


class Host:
    """A network namespace with `eth0` on the bridge; `addresses` have their prefix length."""

    def __init__(self, name: str, addresses: Sequence[str]) -> None:
        self.name = name
        self.addresses = tuple(addresses)
        self.port = f"p-{name}"

    def spawn(self, *module_and_arguments: str, log: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
        """Start `python -m MODULE ARGUMENTS` inside, with pipes for stdin and stdout."""
        return subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{self.name}", sys.executable, "-m", *module_and_arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )


class Fabric:
    """The bridge and its hosts, in the network namespace of this process, which is the lab's own."""

    def __init__(self, hosts: Iterable[Host]) -> None:
        command("mount", "-t", "tmpfs", "tmpfs", str(_RUN))
        command("ip", "link", "set", "lo", "up")
        for switch in ("br0", "br1"):
            command(
                "ip", "link", "add", switch, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0"
            )
            command("ip", "link", "set", switch, "up")
        for host in hosts:
            self._attach(host)

    def cut(self, host: Host) -> None:
        """Block the host's port without a word: its link stays up, nothing passes."""
        command("bridge", "link", "set", "dev", host.port, "state", "0")

    def heal(self, host: Host) -> None:
        """Let the port forward again."""
        command("bridge", "link", "set", "dev", host.port, "state", "3")

    def split(self, hosts: Iterable[Host]) -> None:
        """Put hosts on another switch that has no way to the first one; their links stay up."""
        for host in hosts:
            command("ip", "link", "set", host.port, "master", "br1")

    def join(self, hosts: Iterable[Host]) -> None:
        """Put hosts back on the first switch."""
        for host in hosts:
            command("ip", "link", "set", host.port, "master", "br0")

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

    def _attach(self, host: Host) -> None:
        command("ip", "netns", "add", host.name)
        cable = ("link", "add", host.port, "type", "veth", "peer", "name", "eth0", "netns", host.name)
        command("ip", *cable)
        command("ip", "link", "set", host.port, "master", "br0", "up")
        inside = ("ip", "-n", host.name)
        # Without duplicate address detection the addresses are there at once; nobody else is on this LAN.
        quick = "for each in default eth0; do echo 0 > /proc/sys/net/ipv6/conf/$each/accept_dad; done"
        command("nsenter", f"--net=/run/netns/{host.name}", "sh", "-c", quick)
        command(*inside, "link", "set", "lo", "up")
        command(*inside, "link", "set", "eth0", "up")
        for address in host.addresses:
            command(*inside, "address", "add", address, "dev", "eth0")
        command(*inside, "route", "add", _MANY, "dev", "eth0")


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

"""A LAN inside the lab: one bridge, and a network namespace with one cable for each host."""

import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Final

__all__ = ["Fabric", "Host", "LabError"]

_RUN: Final = Path("/run")


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
        _run("mount", "-t", "tmpfs", "tmpfs", str(_RUN))
        _run("ip", "link", "set", "lo", "up")
        _run("ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        _run("ip", "link", "set", "br0", "up")
        for host in hosts:
            self._attach(host)

    def cut(self, host: Host) -> None:
        """Block the host's port without a word: its link stays up, nothing passes."""
        _run("bridge", "link", "set", "dev", host.port, "state", "0")

    def heal(self, host: Host) -> None:
        """Let the port forward again."""
        _run("bridge", "link", "set", "dev", host.port, "state", "3")

    def _attach(self, host: Host) -> None:
        _run("ip", "netns", "add", host.name)
        cable = ("link", "add", host.port, "type", "veth", "peer", "name", "eth0", "netns", host.name)
        _run("ip", *cable)
        _run("ip", "link", "set", host.port, "master", "br0", "up")
        inside = ("ip", "-n", host.name)
        # Without duplicate address detection the addresses are there at once; nobody else is on this LAN.
        quick = "for each in default eth0; do echo 0 > /proc/sys/net/ipv6/conf/$each/accept_dad; done"
        _run("nsenter", f"--net=/run/netns/{host.name}", "sh", "-c", quick)
        _run(*inside, "link", "set", "lo", "up")
        _run(*inside, "link", "set", "eth0", "up")
        for address in host.addresses:
            _run(*inside, "address", "add", address, "dev", "eth0")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")

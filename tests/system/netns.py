"""Network namespaces for tests: made with unique names, wired by veth pairs and bridges, removed always.

    with network() as net:
        node, client = net.add("node"), net.add("client")
        net.lan(node, client)              # eth0 of each on one bridge
        node.ip("addr add 192.0.2.1/24 dev eth0")
        with node.entered():               # sockets made in here belong to the node
            ...
        child = node.spawn(sys.executable, "-c", program)

Modules that use it say `pytestmark = NETNS`: marked, and skipped where namespaces cannot be made.
"""

import contextlib
import ctypes
import itertools
import os
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

__all__ = ["NETNS", "Namespace", "Network", "network"]

_CLONE_NEWNET = 0x40000000
_RUN = Path("/run/netns")
_LIBC = ctypes.CDLL(None, use_errno=True)
_SERIAL = itertools.count()

NETNS = [
    pytest.mark.netns,
    pytest.mark.skipif(os.geteuid() != 0, reason="making network namespaces needs root"),
    # Some processes and milliseconds on a machine that others use, too: CI looks twice, and says so.
    *([pytest.mark.flaky(reruns=1)] if os.environ.get("CI") else []),
]


@dataclass(eq=False)
class Namespace:
    """One named network namespace, with lo up and no IPv6 duplicate address detection."""

    name: str
    children: list[subprocess.Popen[str]] = field(default_factory=list)

    def run(self, *argv: str) -> str:
        """Run a command inside and return its output; an AssertionError tells what it said when it fails."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.name, *argv], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{shlex.join(argv)}: {done.stderr or done.stdout}"
        return done.stdout

    def ip(self, arguments: str) -> str:
        """Run `ip` with arguments as one would type them."""
        return _ip(f"-n {self.name} {arguments}")

    def spawn(self, *argv: str) -> subprocess.Popen[str]:
        """Start a long-running child inside, with pipes; it is killed with the network at the latest."""
        child = subprocess.Popen(
            ["ip", "netns", "exec", self.name, *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.children.append(child)  # `ip netns exec` replaces itself: the pid is the command's own
        return child

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Move this thread inside: sockets and /proc/sys/net opened here are the namespace's."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(_RUN / self.name)
            try:
                yield
            finally:
                _setns(Path(f"/proc/self/fd/{home}"))
        finally:
            os.close(home)

    def sysctl(self, key: str, value: int | None = None) -> int:
        """Read, or write and read back, `net/...` inside; `key` has slashes, as below /proc/sys."""
        path = Path("/proc/sys") / key
        with self.entered():
            if value is not None:
                path.write_text(str(value))
            return int(path.read_text())

    def mac(self, interface: str) -> bytes:
        """Return the 6 bytes of an interface's MAC address."""
        words = self.ip(f"-o link show dev {interface}").split()
        return bytes.fromhex(words[words.index("link/ether") + 1].replace(":", ""))


class Network:
    """The namespaces of one test; use `network()`, which removes them."""

    def __init__(self) -> None:
        self._prefix = f"r{os.getpid()}-{next(_SERIAL)}"
        self._namespaces: list[Namespace] = []
        self._lans = itertools.count()

    def add(self, label: str) -> Namespace:
        """Make a namespace; `label` is unique in this network."""
        namespace = Namespace(f"{self._prefix}-{label}")
        _ip(f"netns add {namespace.name}")
        self._namespaces.append(namespace)
        namespace.ip("link set lo up")
        namespace.sysctl("net/ipv6/conf/default/accept_dad", 0)
        return namespace

    def veth(self, one: Namespace, name: str, other: Namespace, other_name: str) -> None:
        """Connect two namespaces by a cable; both ends are up."""
        _ip(
            f"link add {name} netns {one.name} type veth peer name {other_name} netns {other.name}",
        )
        one.ip(f"link set {name} up")
        other.ip(f"link set {other_name} up")

    def lan(self, *members: Namespace, interface: str = "eth0") -> Namespace:
        """Connect `interface` of each member to one new bridge; returns the switch's namespace.

        In the switch the bridge is `br0` and the ports are `p0`, `p1`, ... in the order of the members.
        """
        switch = self.add(f"sw{next(self._lans)}")
        switch.ip("link add br0 type bridge forward_delay 0 mcast_snooping 0")
        switch.ip("link set br0 up")
        for number, member in enumerate(members):
            self.veth(switch, f"p{number}", member, interface)
            switch.ip(f"link set p{number} master br0")
        return switch

    def remove(self, namespaces: Sequence[Namespace]) -> None:
        """Kill their children, then remove the namespaces, whose labels are free again."""
        for namespace in namespaces:
            for child in namespace.children:
                child.kill()
                child.communicate()
        for namespace in namespaces:
            subprocess.run(["ip", "netns", "del", namespace.name], capture_output=True, check=False)
        self._namespaces = [each for each in self._namespaces if each not in namespaces]

    def close(self) -> None:
        """Remove all."""
        self.remove(self._namespaces)


@contextlib.contextmanager
def network() -> Iterator[Network]:
    """Give a network of namespaces and take all of it away at the end."""
    made = Network()
    try:
        yield made
    finally:
        made.close()


def _ip(arguments: str) -> str:
    done = subprocess.run(["ip", *shlex.split(arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {arguments}: {done.stderr}"
    return done.stdout


def _setns(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _LIBC.setns(fd, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns", str(path))
    finally:
        os.close(fd)

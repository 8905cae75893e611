"""The echo service on every node of a LAN, and a client that pings it on a fixed beat."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.system.netns import Namespace
from tests.system.speakers import Lan, until

from roost.lab.records import Pings, load

__all__ = ["Client", "client", "echo", "make_deaf", "make_known"]

_PORT = "7"


class Client:
    """A running client of one address."""

    def __init__(self, process: "subprocess.Popen[bytes]", file: Path, address: str) -> None:
        self._process, self._file, self._address = process, file, address
        self._last = ""
        threading.Thread(target=self._follow, daemon=True).start()

    def answered_by(self) -> str:
        """Return who answered within the last tenth of a second, waiting for it."""
        return str(until(lambda: self._last, "a ping is answered", 30.0))

    def finish(self) -> Pings:
        """Stop and return all pings."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        return load(json.loads(self._file.read_text()))[self._address]

    def _follow(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            who, answered, *_ = json.loads(line)[self._address]
            self._last = who if answered else ""


@contextmanager
def echo(lan: Lan) -> Iterator[None]:
    """Answer pings at every address of every node."""
    with ExitStack() as stack:
        for speaker in lan.speakers:
            stack.enter_context(_inside(speaker.namespace, "roost.lab.echo", speaker.name, _PORT))
        yield


@contextmanager
def client(lan: Lan, folder: Path, address: str, interval: float = 0.002) -> Iterator[Client]:
    """Ping `address` every `interval` seconds from the LAN's client."""
    file = folder / f"client-{time.monotonic_ns()}.json"
    with _inside(lan.client, "roost.lab.client", str(file), str(interval), _PORT, address) as process:
        yield Client(process, file, address)


def make_deaf(lan: Lan) -> None:
    """Drop every frame to all stations and to groups at the client's door."""
    lan.client.run("nft", "add", "table", "netdev", "deaf")
    chain = "{ type filter hook ingress device eth0 priority 0; }"
    lan.client.run("nft", "add", "chain", "netdev", "deaf", "door", chain)
    lan.client.run("nft", "add", "rule", "netdev", "deaf", "door", "meta", "pkttype", "!=", "host", "drop")


def make_known(lan: Lan) -> None:
    """Let the kernel of every node know where the client is."""
    mac = lan.client.mac("eth0").hex(":")
    for speaker in lan.speakers:
        speaker.namespace.ip(f"neigh replace 192.0.2.101 lladdr {mac} dev eth0 nud permanent")


@contextmanager
def _inside(namespace: Namespace, *module: str) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        ["ip", "netns", "exec", namespace.name, sys.executable, "-m", *module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()

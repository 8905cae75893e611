"""The echo service on every node of a LAN, and a client that pings it on a fixed beat."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.system.netns import Namespace
from tests.system.speakers import Lan, until

from bench.contenders import VIP
from roost.lab.records import Pings, load

__all__ = ["Client", "client", "echo", "make_deaf"]

_PORT = "7"


class Client:
    """A running client; `last` is who answered its last pings."""

    def __init__(self, process: "subprocess.Popen[bytes]", file: Path) -> None:
        self._process, self._file = process, file

    def answered_by(self) -> str:
        """Return who answered within the last tenth of a second, waiting for it."""
        return str(until(self._line, "a ping is answered", 30.0))

    def finish(self) -> Pings:
        """Stop and return all pings."""
        self._process.communicate(timeout=10)
        return load(json.loads(self._file.read_text()))[VIP]

    def _line(self) -> str:
        assert self._process.stdout is not None
        who, answered, _ = json.loads(self._process.stdout.readline())[VIP]
        return str(who) if answered else ""


@contextmanager
def echo(lan: Lan) -> Iterator[None]:
    """Answer pings at every address of every node."""
    with ExitStack() as stack:
        for speaker in lan.speakers:
            stack.enter_context(_inside(speaker.namespace, "roost.lab.echo", speaker.name, _PORT))
        yield


@contextmanager
def client(lan: Lan, folder: Path, interval: float) -> Iterator[Client]:
    """Ping VIP every `interval` seconds from the LAN's client."""
    file = folder / f"client-{time.monotonic_ns()}.json"
    with _inside(lan.client, "roost.lab.client", str(file), str(interval), _PORT, VIP) as process:
        yield Client(process, file)


def make_deaf(lan: Lan) -> None:
    """Drop every frame to all stations and to groups at the client's door; the nodes know where it is."""
    lan.client.run("nft", "add", "table", "netdev", "deaf")
    chain = "{ type filter hook ingress device eth0 priority 0; }"
    lan.client.run("nft", "add", "chain", "netdev", "deaf", "door", chain)
    lan.client.run("nft", "add", "rule", "netdev", "deaf", "door", "meta", "pkttype", "!=", "host", "drop")
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
        process.communicate()

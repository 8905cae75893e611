"""One address on many nodes: who answers whom, who notices a dead node, and what bandwidth comes of it.

64 clients with kernels of their own on three nodes: how many nodes answer each, and, when one is cut off,
whose pings stop for how long. Then each node's link is shaped to 100 Mbit/s, and 24 clients load from the
address. Beside it the same with one leader, as any election at layer 2 has it. Last, 24 connections of one
client behind a router: with one leader, and spread by connection.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from tests.system.crowd import Crowd, crowd
from tests.system.flows import Routed, routed
from tests.system.netns import Namespace
from tests.system.pinging import echo
from tests.system.speakers import Lan, heard_by, lan, until

__all__ = ["main", "run"]

_VIP: Final = "192.0.2.200"
_MODES: Final = ("leader", "per-client")
_ROUTED: Final = ("leader", "by connection")
_LOADED: Final = 5.0  # seconds of loading that count
_PORT: Final = 5000
_LOADERS: Final = 24

_SERVER: Final = f"""
import socket, threading
def serve(client):
    block = bytes(65536)
    try:
        while True:
            client.sendall(block)
    except OSError:
        client.close()
listener = socket.create_server(("", {_PORT}), backlog=64)
print("ready", flush=True)
while True:
    client, _ = listener.accept()
    threading.Thread(target=serve, args=(client,), daemon=True).start()
"""
_LOADER: Final = f"""
import socket, time
server = socket.create_connection(("{_VIP}", {_PORT}), timeout=5)
time.sleep(1)  # until everybody loads
begin, total = time.monotonic(), 0
while time.monotonic() < begin + {_LOADED}:
    total += len(server.recv(65536))
print(total)
"""


def main(arguments: list[str]) -> None:
    """Print one JSON line for each part."""
    parser = argparse.ArgumentParser(prog="bench sharing", description=__doc__)
    parser.add_argument("--clients", type=int, default=64)
    for line in run(parser.parse_args(arguments).clients):
        print(json.dumps(line), flush=True)


def run(count: int) -> Iterator[dict[str, Any]]:
    """Yield the lines of figures."""
    for mode in _MODES:
        yield _cut(count, mode)
    for mode in _MODES:
        yield _load(mode)
    for mode in _ROUTED:
        yield _load_routed(mode)


@contextlib.contextmanager
def _cluster(mode: str) -> Iterator[Lan]:
    """Give three nodes that answer for the address, shared or not."""
    with tempfile.TemporaryDirectory() as folder, lan(Path(folder), 3) as nodes, echo(nodes):
        service = {"name": "echo", "addresses": [_VIP], "sharing": mode}
        nodes.configure([service], profile="default")
        nodes.start()
        wanted = 3 if mode == "per-client" else 1
        until(lambda: sum(_VIP in each.answering() for each in nodes.speakers) == wanted, "it is answered")
        time.sleep(1.0)
        yield nodes


def _cut(count: int, mode: str) -> dict[str, Any]:
    with _cluster(mode) as nodes:
        clients = crowd(nodes.net, nodes, count, _VIP)
        answers = [len(heard_by(client, _VIP, 0.05)) for client in clients.clients]
        clients.ping(0.5)
        before = clients.ping(0.5)
        hit = clients.by_node(before).most_common(1)[0][0]
        seen = clients.ping(3.0, 0.01, then=lambda: nodes.cut(_speaker(nodes, hit)))
        return _told(clients, mode, hit, answers, before, seen)


def _told(
    clients: Crowd, mode: str, hit: str, answers: list[int], before: list[Any], seen: list[Any]
) -> dict[str, Any]:
    moved = [after for was, after in zip(before, seen, strict=True) if was.who[-1] == hit]
    others = [after for was, after in zip(before, seen, strict=True) if was.who[-1] != hit]
    outages = sorted(each.longest * 1e3 for each in moved)
    return {
        "bench": "sharing",
        "part": "node cut",
        "sharing": mode,
        "clients": len(seen),
        "answered_once": answers.count(1),
        "by_node": dict(sorted(clients.by_node(before).items())),
        "moved": len(moved),
        "moved_median_ms": round(statistics.median(outages), 1) if outages else None,
        "moved_worst_ms": round(outages[-1], 1) if outages else None,
        "others": len(others),
        "others_lost": sum(each.lost for each in others),
        "others_sent": sum(each.sent for each in others),
    }


def _load(mode: str) -> dict[str, Any]:
    with _cluster(mode) as nodes:
        _serve(nodes)
        clients = crowd(nodes.net, nodes, _LOADERS, _VIP)
        return _loaded("download", mode, clients.clients)


def _load_routed(mode: str) -> dict[str, Any]:
    """Load by 24 connections from beyond a router, which has one neighbour entry for the address."""
    with tempfile.TemporaryDirectory() as folder, routed(Path(folder)) as nodes:
        _serve(nodes)
        _start_routed(nodes, mode)
        return _loaded("one router, download", mode, [nodes.far] * _LOADERS)


def _start_routed(nodes: Routed, mode: str) -> None:
    if mode == "leader":
        nodes.configure([{"name": "web", "addresses": [_VIP]}], profile="default")
        nodes.start()
        nodes.leader(_VIP)
    else:
        nodes.services()
        nodes.start()
        nodes.spread_over({each.name for each in nodes.speakers})
    time.sleep(1.0)


def _serve(nodes: Lan) -> None:
    """Shape each node's link, and serve there."""
    for number, speaker in enumerate(nodes.speakers):
        _shape(speaker.namespace, "eth0")
        _shape(nodes.switch, f"p{number}")
        server = speaker.namespace.spawn(sys.executable, "-c", _SERVER)
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"


def _loaded(part: str, mode: str, clients: Sequence[Namespace]) -> dict[str, Any]:
    loaders: list[subprocess.Popen[str]] = [client.spawn(sys.executable, "-c", _LOADER) for client in clients]
    totals = [int(each.communicate(timeout=60)[0] or 0) for each in loaders]
    return {
        "bench": "sharing",
        "part": part,
        "sharing": mode,
        "clients": len(clients),
        "with_data": sum(total > 0 for total in totals),
        "mbit_s": round(sum(totals) * 8 / _LOADED / 1e6),
    }


def _shape(namespace: Namespace, interface: str) -> None:
    limit = ("tbf", "rate", "100mbit", "burst", "64kb", "latency", "30ms")
    namespace.run("tc", "qdisc", "add", "dev", interface, "root", *limit)


def _speaker(nodes: Lan, name: str) -> Any:
    return next(each for each in nodes.speakers if each.name == name)

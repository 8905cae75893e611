"""`deliver: forward`: connections over the death of the node that forwards them, throughput, and reloads.

Real speakers in namespaces, as the system tests have them. Throughput is set beside plain nftables DNAT on a
node of the same network, in turns.
"""

import argparse
import contextlib
import http.client
import json
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from tests.system.forwarding import VIP, Balanced, Kinds, balanced
from tests.system.netns import Namespace
from tests.system.speakers import Speaker, until

from roost.deliver.forwarding.table import NAME
from roost.runtime.nftables import NfTables

__all__ = ["main"]

_HEALTH: Final = {"tcp": True, "interval": "500ms", "timeout": "500ms"}
_PLAIN: Final = "192.0.2.201"  # translated by plain nftables
_PLAIN_CLIENT: Final = "192.0.2.102"
_PORTS: Final = 10  # of each server: a kernel knows 1,024 neighbours, in all namespaces together
_BIG_GATEWAY: Final = "198.18.255.254"

_PULL: Final = r"""
import socket, sys, time
target, source, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
with socket.create_connection((target, 80), 5, (source, 0)) as pulling:
    pulling.sendall(b"B")
    buffer, count = bytearray(1 << 20), 0
    pulling.recv_into(buffer)
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        count += pulling.recv_into(buffer)
    print(count * 8 / (time.monotonic() - begin) / 1e6)
"""

_PUSH: Final = r"""
import socket, threading
def serve(connection):
    data = bytes(1 << 20)
    try:
        connection.recv(1)
        while True:
            connection.sendall(data)
    except OSError:
        connection.close()
listening = socket.create_server(("0.0.0.0", 8081))
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()
"""

_ECHO: Final = r"""
import asyncio, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        self.transport.write(data)
async def main():
    for port in range(8080, 8090):
        await asyncio.get_running_loop().create_server(Echo, "0.0.0.0", port, backlog=4096)
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""

_MANY: Final = r"""
import asyncio, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
vip, count = sys.argv[1], int(sys.argv[2])
async def hold():
    reader, writer = await asyncio.open_connection(vip, 80)
    writer.write(b"x")
    await reader.readexactly(1)
    return reader, writer
async def works(reader, writer):
    try:
        writer.write(b"y")
        return await asyncio.wait_for(reader.readexactly(1), 20) == b"y"
    except (OSError, asyncio.IncompleteReadError, TimeoutError):
        return False
async def main():
    held = []
    for _ in range(0, count, 100):
        held += await asyncio.gather(*(hold() for _ in range(100)))
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    fine = 0
    for at in range(0, count, 500):
        fine += sum(await asyncio.gather(*(works(*each) for each in held[at : at + 500])))
    print(count - fine, flush=True)
asyncio.run(main())
"""


def main(arguments: list[str]) -> None:
    """Print one JSON line for each part."""
    parser = argparse.ArgumentParser(prog="bench forward", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--reloads", type=int, default=100)
    parser.add_argument("--only", choices=("death", "throughput", "reload"))
    options = parser.parse_args(arguments)
    if options.only in (None, "death"):
        for _ in range(options.rounds):
            print(json.dumps(death()), flush=True)
    if options.only in (None, "throughput"):
        print(json.dumps(throughput(options.rounds)), flush=True)
    if options.only in (None, "reload"):
        print(json.dumps(reloads(options.connections, options.reloads)), flush=True)


def death(profile: str = "default") -> dict[str, Any]:
    """Hold 40 connections of four kinds, cut the leader's ports, and count what is left."""
    with tempfile.TemporaryDirectory() as folder, balanced(Path(folder), nodes=3) as net:
        net.balance(health=_HEALTH, profile=profile)
        net.start()
        time.sleep(3)
        leader = net.leader(VIP)
        held = Kinds(net.client, VIP, 10, push=5.0)
        time.sleep(1)
        net.die(leader)
        time.sleep(5)
        broken = held.broken()
    return {
        "bench": "forward",
        "part": "death of the node that forwards",
        "profile": profile,
        "connections": len(held.results),
        "broken": len(broken),
        "longest_silence_ms": round(held.longest_gap * 1e3),
        "why": sorted({each["error"] for each in broken}),
    }


def throughput(rounds: int, seconds: float = 2.0) -> dict[str, Any]:
    """Download through a speaker's rules, and through plain DNAT on a node without one, in turns."""
    with tempfile.TemporaryDirectory() as folder, balanced(Path(folder), nodes=3, backends=1) as net:
        plain = net.speakers.pop()
        net.balance()
        for speaker in net.speakers:
            config = speaker.config["services"]
            config[0]["backends"][0]["port"] = 8081
            speaker.write(services=config)
        (backend,) = net.backends
        _spawn(backend, _PUSH)
        _translate(net, plain.namespace, backend)
        net.start()
        net.leader(VIP)
        found: dict[str, list[float]] = {VIP: [], _PLAIN: []}
        for _ in range(rounds):
            for target, source in ((VIP, "192.0.2.101"), (_PLAIN, _PLAIN_CLIENT)):
                told = net.client.run(sys.executable, "-c", _PULL, target, source, str(seconds))
                found[target].append(float(told))
    ours, theirs = (statistics.median(found[each]) for each in (VIP, _PLAIN))
    return {
        "bench": "forward",
        "part": "throughput of one connection",
        "rounds": rounds,
        "forward_mbit": round(ours),
        "plain_dnat_mbit": round(theirs),
        "ratio": round(ours / theirs, 3),
    }


def _translate(net: Balanced, node: Namespace, backend: Namespace) -> None:
    """Let a node translate by rules as one would write them by hand."""
    node.sysctl("net/ipv4/ip_forward", 1)
    node.run("nft", "add table ip plain")
    node.run("nft", "add chain ip plain in { type nat hook prerouting priority dstnat; }")
    node.run("nft", f"add rule ip plain in ip daddr {_PLAIN} tcp dport 80 dnat to 198.51.100.1:8081")
    net.client.ip(f"addr add {_PLAIN_CLIENT}/24 dev eth0")
    net.client.ip(f"neigh add {_PLAIN} lladdr {node.mac('eth0').hex(':')} dev eth0")
    backend.ip(f"route add {_PLAIN_CLIENT} via 198.51.100.103")


def reloads(connections: int, count: int, backends: int = 1000) -> dict[str, Any]:
    """Reload so often with so many backends, one weight changed each time, while connections are open."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (20_000, 20_000))
    with tempfile.TemporaryDirectory() as folder, balanced(Path(folder), nodes=1, backends=1) as net:
        (node,), (server,) = net.speakers, net.backends
        addresses = [f"198.18.0.{number + 1}" for number in range(backends // _PORTS)]
        places = [(address, 8080 + at) for at in range(_PORTS) for address in addresses]
        batch = "".join(f"addr add {each}/16 dev eth0\n" for each in addresses)
        inside = ["ip", "-n", server.name, "-batch", "-"]
        subprocess.run(inside, input=batch, text=True, check=True, capture_output=True)
        server.ip(f"route replace default via {_BIG_GATEWAY}")
        node.namespace.ip("addr add 198.18.255.1/16 dev eth1")
        net.servers[0].kill()
        net.servers[0].wait()
        _spawn(server, _ECHO)
        weights = dict.fromkeys(places, 1)
        _write(net, weights)
        node.start()
        until(node.answering, "it answers")
        held = _spawn(net.client, _MANY, VIP, str(connections))
        with node.namespace.entered():
            watched = NfTables(NAME, 2)
            watched.generation()
        taken, kernel, transactions = [], [], 0
        for number in range(count):
            weights[places[number * 7 % backends]] ^= 1
            _write(net, weights)
            before = watched.generation()
            begin = time.monotonic()
            node.signal(signal.SIGHUP)
            while (now := watched.generation()) == before:
                time.sleep(0.001)
            taken.append(time.monotonic() - begin)
            time.sleep(0.3)
            kernel.append(_metric(node, "roost_forward_transaction_seconds"))
            transactions += int.from_bytes(watched.generation()) - int.from_bytes(before)
            assert now
        assert held.stdin is not None
        out, why = held.communicate("\n", timeout=120)
        assert out, why
    return {
        "bench": "forward",
        "part": f"reload with {backends} backends",
        "reloads": count,
        "transactions": transactions,
        "transaction_ms_p50": round(statistics.median(kernel) * 1e3, 1),
        "transaction_ms_max": round(max(kernel) * 1e3, 1),
        "from_sighup_ms_p50": round(statistics.median(taken) * 1e3, 1),
        "from_sighup_ms_max": round(max(taken) * 1e3, 1),
        "connections": connections,
        "broken": int(out),
    }


def _metric(node: Speaker, name: str) -> float:
    connection = http.client.HTTPConnection("localhost", timeout=5)
    connection.sock = socket.socket(socket.AF_UNIX)
    with contextlib.closing(connection):
        connection.sock.connect(str(node.socket))
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def _write(net: Balanced, weights: dict[tuple[str, int], int]) -> None:
    net.balance()
    (node,) = net.speakers
    (service,) = node.config["services"]
    service["backends"] = [
        {"address": address, "port": port, "weight": weight} for (address, port), weight in weights.items()
    ]
    service["forward"]["gateway"] = _BIG_GATEWAY
    node.write(services=[service], membership=None)


def _spawn(namespace: Namespace, program: str, *arguments: str) -> "subprocess.Popen[str]":
    child = namespace.spawn(sys.executable, "-c", program, *arguments)
    assert child.stdout is not None
    line = child.stdout.readline()
    assert line == "ready\n", child.stderr.read() if child.stderr else ""
    return child

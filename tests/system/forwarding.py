"""Balanced services on real packets: clients' network, nodes with a link to each side, backends' network.

Servers and clients speak of four kinds of connections: upload, download, idle until the server speaks, idle
until the client does. Each checks every byte that it gets.
"""

import contextlib
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.system.netns import Namespace, network
from tests.system.speakers import Lan

__all__ = ["GATEWAY", "GATEWAY6", "KINDS", "VIP", "VIP6", "Balanced", "Kinds", "balanced", "who"]

VIP, VIP6 = "192.0.2.200", "2001:db8::200"
GATEWAY, GATEWAY6 = "198.51.100.254", "2001:db8:1::254"
KINDS = "UDPR"  # upload, download, idle: server pushes, idle: client requests
PORT = 8080

_SERVER = r"""
import asyncio, struct, sys
name = sys.argv[1].encode()
async def serve(reader, writer):
    try:
        kind = await reader.readexactly(1)
        if kind == b"G":
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
            return await writer.drain()
        wait = float(await reader.readline())
        peer = writer.get_extra_info("peername")[0].encode()
        writer.write(name + b" " + peer + b"\n")
        if kind == b"U":
            count = 0
            while data := await reader.read(65536):
                count += len(data)
            writer.write(struct.pack(">Q", count))
        elif kind == b"D":
            asking, number = asyncio.ensure_future(reader.read(1)), 0
            while not asking.done():
                writer.write(struct.pack(">Q", number) * 128)
                number += 1
                await writer.drain()
                await asyncio.sleep(0.005)
            writer.write(struct.pack(">Q", 2**64 - 1) * 128)
        elif kind == b"P":
            await asyncio.sleep(wait)
            writer.write(b"push")
            await reader.read(1)
        else:
            while data := await reader.read(64):
                writer.write(data)
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()
class Udp(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport
    def datagram_received(self, data, address):
        self.transport.sendto(name + b" " + data, address)
async def main():
    loop = asyncio.get_running_loop()
    await asyncio.start_server(serve, ["0.0.0.0", "::"], 8080, backlog=1024)
    await loop.create_datagram_endpoint(Udp, ("::", 8080))
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""

_CLIENT = r"""
import asyncio, collections, fcntl, json, struct, sys, time
vip, port, kinds, push = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
stop, begin = asyncio.Event(), asyncio.Event()
results = []
async def hold(kind):
    reader, writer = await asyncio.wait_for(asyncio.open_connection(vip, port), 5)
    writer.write(kind.encode() + b"%f\n" % push)
    server, peer = (await asyncio.wait_for(reader.readline(), 5)).decode().split()
    return kind, server, peer, reader, writer
async def use(kind, server, peer, reader, writer):
    gap, error, at = 0.0, "", writer.get_extra_info("sockname")[1]
    try:
        last = time.monotonic()
        if kind == "U":
            sent, raw = 0, writer.get_extra_info("socket")
            while not stop.is_set():
                writer.write(bytes(1024))
                sent += 1024
                await asyncio.wait_for(writer.drain(), 20)
                await asyncio.sleep(0.005)
                now = time.monotonic()
                (queued,) = struct.unpack("I", fcntl.ioctl(raw.fileno(), 0x5411, bytes(4)))
                if queued < 4096:
                    gap, last = max(gap, now - last), now
            writer.write_eof()
            (count,) = struct.unpack(">Q", await asyncio.wait_for(reader.readexactly(8), 20))
            assert count == sent, (count, sent)
        elif kind == "D":
            wanted, asked = 0, False
            while True:
                block = await asyncio.wait_for(reader.readexactly(1024), 20)
                now = time.monotonic()
                gap, last = max(gap, now - last), now
                (number,) = struct.unpack_from(">Q", block)
                if number == 2**64 - 1:
                    break
                assert number == wanted, (number, wanted)
                wanted += 1
                if stop.is_set() and not asked:
                    asked = True
                    writer.write(b"x")
        elif kind == "P":
            assert await asyncio.wait_for(reader.readexactly(4), push + 20) == b"push"
        else:
            await stop.wait()
            writer.write(b"ping")
            assert await asyncio.wait_for(reader.readexactly(4), 20) == b"ping"
        writer.close()
    except (OSError, ValueError, AssertionError, asyncio.IncompleteReadError) as failure:
        error = repr(failure)
    results.append({"kind": kind, "server": server, "peer": peer, "port": at, "gap": gap, "error": error})
async def main():
    held = [await hold(kind) for kind in kinds]
    tasks = [asyncio.create_task(use(*each)) for each in held]
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    stop.set()
    await asyncio.gather(*tasks)
    print(json.dumps(results), flush=True)
asyncio.run(main())
"""

_WHO = r"""
import json, socket, sys
vip, port, count, kind = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
found = []
for _ in range(count):
    try:
        with socket.socket(socket.AF_INET6 if ":" in vip else socket.AF_INET,
                           socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as asking:
            asking.settimeout(3)
            asking.connect((vip, port))
            asking.sendall(b"hello" if kind == "udp" else b"R0\n")
            found.append(asking.recv(100).decode().split()[0])
    except OSError as error:
        found.append(type(error).__name__)
print(json.dumps(found))
"""


class Kinds:
    """Open connections, so many of each of the four kinds; the server of one pushes after `push` seconds."""

    def __init__(self, client: Namespace, vip: str, each: int, push: float = 3.0, port: int = 80) -> None:
        self._process = client.spawn(sys.executable, "-c", _CLIENT, vip, str(port), KINDS * each, str(push))
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line == "ready\n", self._process.stderr.read() if self._process.stderr else ""
        self.results: list[dict[str, Any]] = []

    def broken(self) -> list[dict[str, Any]]:
        """End all; return those that broke."""
        out, why = self._process.communicate("\n", timeout=90)
        assert out, why
        self.results = json.loads(out)
        return [each for each in self.results if each["error"]]

    @property
    def longest_gap(self) -> float:
        """The longest silence of an upload or download, in seconds."""
        return float(max(each["gap"] for each in self.results))

    @property
    def peers(self) -> set[str]:
        """What the servers took for their clients."""
        return {each["peer"] for each in self.results}


def who(client: Namespace, vip: str, count: int, kind: str = "tcp", port: int = 80) -> Counter[str]:
    """Connect so often; return which backend answered how often, or what went wrong."""
    return Counter(json.loads(client.run(sys.executable, "-c", _WHO, vip, str(port), str(count), kind)))


class Balanced(Lan):
    """Speakers n1, n2, ... with eth0 to the client and eth1 to backends s1, s2, ...; `behind` has p0, ..."""

    backends: list[Namespace]
    behind: Namespace

    def wire(self, count: int) -> None:
        """Add the backends and their network."""
        self.backends = [self.net.add(f"s{number}") for number in range(1, count + 1)]
        nodes = [speaker.namespace for speaker in self.speakers]
        self.behind = self.net.lan(*nodes, interface="eth1")
        for number, node in enumerate(nodes, 1):
            node.ip(f"addr add 198.51.100.{100 + number}/24 dev eth1")
            node.ip(f"addr add 2001:db8:1::{100 + number}/64 dev eth1")
        for number, backend in enumerate(self.backends, 1):
            self.net.veth(self.behind, f"b{number}", backend, "eth0")
            self.behind.ip(f"link set b{number} master br0")
            backend.ip(f"addr add 198.51.100.{number}/24 dev eth0")
            backend.ip(f"addr add 2001:db8:1::{number}/64 dev eth0")
            backend.ip(f"route add default via {GATEWAY}")
            backend.ip(f"-6 route add default via {GATEWAY6}")
        self.servers = [self.serve(number) for number in range(1, count + 1)]

    def serve(self, number: int) -> Any:
        """Run the server of backend s`number`."""
        server = self.backends[number - 1].spawn(sys.executable, "-c", _SERVER, f"s{number}")
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        return server

    def balance(
        self,
        weights: Sequence[int] | None = None,
        *,
        six: bool = False,
        both: bool = False,
        protocols: Sequence[str] = ("TCP",),
        profile: str = "fast",
        more: Sequence[dict[str, Any]] = (),
        **forward: Any,
    ) -> None:
        """Write the configuration of every speaker: one service `web`, and `more`."""
        versions = (4, 6) if both else (6,) if six else (4,)
        prefix = {4: "198.51.100.", 6: "2001:db8:1::"}
        weights = weights or [1] * len(self.backends)
        backends = [
            {"address": f"{prefix[version]}{number}", "port": PORT, "weight": weight}
            for version in versions
            for number, weight in enumerate(weights, 1)
        ]
        if forward.get("source") != "masquerade":
            forward.setdefault("gateway", [{4: GATEWAY, 6: GATEWAY6}[version] for version in versions])
        service = {
            "name": "web",
            "addresses": [{4: VIP, 6: VIP6}[version] for version in versions],
            "deliver": "forward",
            "ports": [{"port": 80, "protocol": protocol} for protocol in protocols],
            "backends": backends,
            "forward": forward,
        }
        self.configure([service, *more], profile=profile)
        for speaker in self.speakers:
            speaker.write(interfaces=["eth0", "eth1"])

    def die(self, speaker: Any) -> None:
        """Cut a node off on both sides, without a word."""
        self.cut(speaker)
        self.behind.run("bridge", "link", "set", "dev", f"p{self.speakers.index(speaker)}", "state", "0")

    def come_back(self, speaker: Any) -> None:
        """Undo `die`."""
        self.heal(speaker)
        self.behind.run("bridge", "link", "set", "dev", f"p{self.speakers.index(speaker)}", "state", "3")


@contextlib.contextmanager
def balanced(folder: Path, nodes: int = 2, backends: int = 3) -> Iterator[Balanced]:
    """Give nodes between a client and backends, not yet started; everything is gone at the end."""
    with network() as net:
        made = Balanced(net, folder, nodes)
        try:
            made.wire(backends)
            yield made
        finally:
            made.close()

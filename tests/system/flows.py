"""Many connections through one router to an address of many nodes, which say who they are."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.system.netns import Namespace, network
from tests.system.speakers import Lan, Speaker, until

__all__ = ["PORT", "VIPS", "Flows", "Routed", "ask", "disturb", "routed", "serve"]

PORT = 8080
VIPS = ["192.0.2.200", "2001:db8::200"]

_SERVER = f"""
import asyncio, sys
name = sys.argv[1].encode()
async def serve(reader, writer):
    writer.write(name + b"\\n")
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()
class Udp(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport
    def datagram_received(self, data, address):
        self.transport.sendto(name + b" %d" % len(data), address)
async def main():
    loop = asyncio.get_running_loop()
    await asyncio.start_server(serve, ["0.0.0.0", "::"], {PORT}, backlog=1024)
    for address in sys.argv[2:]:
        await loop.create_datagram_endpoint(Udp, (address, {PORT}))
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""

_HOLD = f"""
import asyncio, json, sys, time
count, pause, addresses = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
async def begin(address):
    reader, writer = await asyncio.wait_for(asyncio.open_connection(address, {PORT}), 5)
    node = (await reader.readline()).decode().strip()
    port = writer.get_extra_info("sockname")[1]
    return {{"address": address, "port": port, "node": node}}, reader, writer
async def use(flow, reader, writer, stop):
    longest = 0.0
    try:
        while not stop.is_set():
            begin = time.monotonic()
            writer.write(b"x")
            await asyncio.wait_for(reader.readexactly(1), 5)
            longest = max(longest, time.monotonic() - begin)
            await asyncio.sleep(pause)
    except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
        flow["broken"] = repr(error)
    flow["longest"] = longest
async def main():
    stop = asyncio.Event()
    held = [await begin(address) for address in addresses for _ in range(count)]
    tasks = [asyncio.create_task(use(*each, stop)) for each in held]
    print("ready", json.dumps([each[0] for each in held]), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    stop.set()
    await asyncio.gather(*tasks)
    print(json.dumps([each[0] for each in held]), flush=True)
asyncio.run(main())
"""

_ASK = f"""
import json, socket, sys
address, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
found = []
for _ in range(count):
    try:
        kind = socket.SOCK_DGRAM if size else socket.SOCK_STREAM
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, kind) as asking:
            asking.settimeout(2)
            asking.connect((address, {PORT}))
            if size:
                asking.send(b"x" * size)
                name, length = asking.recv(100).decode().split()
                assert int(length) == size
            else:
                name = asking.makefile().readline().strip()
        found.append(name)
    except OSError as error:
        found.append(repr(error))
print(json.dumps(found))
"""


def serve(namespace: Namespace, name: str, *addresses: str) -> None:
    """Say `name` to each TCP connection and send back what comes; answer UDP on these addresses."""
    server = namespace.spawn(sys.executable, "-c", _SERVER, name, *addresses)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"


def ask(client: Namespace, address: str, count: int = 1, size: int = 0) -> Counter[str]:
    """Begin so many flows; return which node answered how often, or what went wrong.

    With a `size` each is one datagram of UDP of so many bytes.
    """
    return Counter(json.loads(client.run(sys.executable, "-c", _ASK, address, str(count), str(size))))


class Flows:
    """`count` TCP connections to each of `addresses`, used every `pause` seconds."""

    def __init__(self, client: Namespace, count: int, addresses: list[str], pause: float = 0.05) -> None:
        self._process: subprocess.Popen[str] = client.spawn(
            sys.executable, "-c", _HOLD, str(count), str(pause), *addresses
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("ready "), self._process.stderr.read() if self._process.stderr else ""
        begun = json.loads(line.removeprefix("ready "))
        self.nodes: list[str] = [each["node"] for each in begun]
        # The address and the client's port of each.
        self.ends: list[tuple[str, int]] = [(each["address"], each["port"]) for each in begun]

    def end(self) -> list[dict[str, Any]]:
        """End all; return each with its node, its longest echo in seconds, and why it broke, if it did.

        Beside them are its `address`, and the client's `port`.
        """
        out, _ = self._process.communicate("\n", timeout=60)
        found: list[dict[str, Any]] = json.loads(out)
        return found

    def broken(self) -> list[dict[str, Any]]:
        """End all; return those that broke, as `end` does."""
        return [each for each in self.end() if "broken" in each]


def disturb(leader: Speaker, how: signal.Signals, is_whole: Callable[[], object]) -> None:
    """Hang the process of `leader` for 3 s, until all `is_whole` again, or kill it."""
    leader.signal(how)
    time.sleep(3)
    if how is signal.SIGSTOP:
        leader.signal(signal.SIGCONT)
        is_whole()
    time.sleep(1)


class Routed(Lan):
    """Speakers n1, n2, ... behind one router (the `client` of the LAN), and `far`, a client beyond it."""

    def wire(self) -> None:
        """Add what is beyond the router."""
        self.far = self.net.add("far")
        self.net.veth(self.client, "eth1", self.far, "eth0")
        self.client.ip("addr add 198.51.100.1/24 dev eth1")
        self.client.ip("addr add 2001:db8:1::1/64 dev eth1")
        self.client.sysctl("net/ipv4/ip_forward", 1)
        self.client.sysctl("net/ipv6/conf/all/forwarding", 1)
        self.far.ip("addr add 198.51.100.7/24 dev eth0")
        self.far.ip("addr add 2001:db8:1::7/64 dev eth0")
        self.far.ip("route add default via 198.51.100.1")
        self.far.ip("-6 route add default via 2001:db8:1::1")
        for speaker in self.speakers:
            speaker.namespace.ip("route add default via 192.0.2.101")
            speaker.namespace.ip("-6 route add default via 2001:db8::101")

    def spread(self, weights: dict[str, int] | None = None, **more: Any) -> None:
        """Start all with one service whose connections are spread, and wait until that is so."""
        self.services(weights, **more)
        self.start()
        self.spread_over({speaker.name for speaker in self.speakers})
        self.serve()

    def serve(self) -> None:
        """Let each node say who it is."""
        for speaker in self.speakers:
            serve(speaker.namespace, speaker.name, *VIPS)

    def services(self, weights: dict[str, int] | None = None, **more: Any) -> None:
        """Write the configuration."""
        sharing = {"by": "connection"} | ({"weights": weights} if weights else {})
        service = {"name": "web", "addresses": VIPS, "sharing": sharing}
        self.configure([service], profile="default", **more)

    def shares(self, of: Sequence[Speaker] | None = None) -> dict[str, dict[str, float]]:
        """Which part of the connections each node gets, as each running speaker sees it."""
        seen = {each.name: each.status() for each in of or self.running()}
        return {
            name: status["services"][0]["shares"] if status["services"] else {}  # it is starting
            for name, status in seen.items()
        }

    def spread_over(self, names: set[str], by: Sequence[Speaker] | None = None) -> None:
        """Wait until all running speakers, or those, spread connections over exactly these nodes."""
        try:
            until(
                lambda: all(set(each) == names for each in self.parts(by)),
                f"connections are spread over {sorted(names)}",
            )
        except AssertionError as error:
            verdicts = {each.name: each.verdicts() for each in self.running()}
            raise AssertionError(f"{error}: {self.shares(by)}, members {verdicts}") from None

    def parts(self, of: Sequence[Speaker] | None = None) -> list[list[str]]:
        """Who gets connections at all, as each running speaker sees it."""
        return [[name for name, part in each.items() if part] for each in self.shares(of).values()]


@contextlib.contextmanager
def routed(folder: Path, count: int = 3) -> Iterator[Routed]:
    """Give speakers behind a router, that are not started yet, and end them afterwards."""
    with network() as net:
        nodes = Routed(net, folder, count)
        nodes.wire()
        try:
            yield nodes
        finally:
            nodes.close()

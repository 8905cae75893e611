"""The leader's server process ends: how long until a client's connections get to a server elsewhere.

A TCP server runs on each of three nodes; a client begins a connection every 2 ms. Roost follows the process
by pidfd (`track: process`), keepalived by its track_process, and once more by a script every second, as most
of its users do. The time counts from the kill to the first connection that another node's server has
answered, and to the first frame in which another node says that the address is there.

keepalived hears of processes over a netlink socket that exists in the host's first network namespace alone.
So a small preloaded library opens that one socket in the namespace of this program, which has to be that.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.system.speakers import Lan, lan, until

from bench.contenders import VIP, Contender, Keepalived, Roost

__all__ = ["main", "run"]

_PORT = 8080
_PEACE = 1.0  # seconds before the kill
_PATIENCE = 15.0  # seconds for the move

_SERVER = f"""
import asyncio, sys
async def serve(reader, writer):
    writer.write(sys.argv[1].encode())
    writer.close()
async def main():
    await asyncio.start_server(serve, ["0.0.0.0"], {_PORT}, backlog=1024)
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""

_CLIENT = f"""
import asyncio, time
async def ask():
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection({VIP!r}, {_PORT})
            who = (await reader.read(64)).decode()
            writer.close()
    except (OSError, TimeoutError):
        return
    if who:
        print(time.monotonic(), who, flush=True)
async def main():
    tasks = set()
    while True:
        tasks.add(task := asyncio.create_task(ask()))
        task.add_done_callback(tasks.discard)
        await asyncio.sleep(0.002)
asyncio.run(main())
"""

_SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
int socket(int domain, int type, int protocol) {
    int (*real)(int, int, int) = dlsym(RTLD_NEXT, "socket");
    if (domain != AF_NETLINK || protocol != 11 /* NETLINK_CONNECTOR */)
        return real(domain, type, protocol);
    int home = open("/proc/self/ns/net", O_RDONLY), first = open(getenv("FIRST_NETNS"), O_RDONLY);
    setns(first, CLONE_NEWNET);
    int found = real(domain, type, protocol);
    setns(home, CLONE_NEWNET);
    close(home);
    close(first);
    return found;
}
"""


class _Servers:
    """A server on each node, each with a process name of its own."""

    def __init__(self, nodes: Lan, folder: Path) -> None:
        self.names = [f"bt{os.getpid() % 100_000}-{speaker.name}" for speaker in nodes.speakers]
        self._processes: dict[str, subprocess.Popen[str]] = {}
        for speaker, name in zip(nodes.speakers, self.names, strict=True):
            program = folder / name
            program.symlink_to(sys.executable)
            inside = ["ip", "netns", "exec", speaker.namespace.name]
            environment = {**os.environ, "PYTHONHOME": sys.base_prefix}
            process = subprocess.Popen(
                [*inside, str(program), "-c", _SERVER, speaker.name],
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
            self._processes[speaker.name] = process
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"

    def kill(self, node: str) -> float:
        """End the server on a node; returns when (seconds, monotonic)."""
        at = time.monotonic()
        self._processes[node].kill()
        self._processes[node].wait()  # as init does: a zombie is a process to `pgrep`
        return at

    def close(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()


class _TrackingRoost(Roost):
    """Speakers that track their node's server."""

    def __init__(self, profile: str, servers: _Servers) -> None:
        super().__init__(profile)
        self.name = f"roost {profile}, process"
        self._servers = servers

    def start(self, lan: Lan) -> None:
        """Start on every node and wait until all see each other."""
        self._lan = lan
        lan.configure([], profile=self._profile)
        for speaker, name in zip(lan.speakers, self._servers.names, strict=True):
            track = [{"process": {"name": name}}]
            speaker.write(services=[{"name": "web", "addresses": [VIP], "track": track}])
        lan.start()


class _TrackingKeepalived(Keepalived):
    """keepalived that tracks its node's server, by the process or by a script each second."""

    def __init__(self, advert: float, servers: _Servers, folder: Path, *, script: bool) -> None:
        super().__init__(advert)
        self.name = f"keepalived {advert:g} s, {'script each second' if script else 'track_process'}"
        self._servers = servers
        self._folder = folder
        self._script = script

    def start(self, lan: Lan) -> None:
        """Start on every node, with the library that lets it hear of processes."""
        library = self._folder / "connector.so"
        source = self._folder / "connector.c"
        source.write_text(_SHIM)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
        added = {"LD_PRELOAD": str(library), "FIRST_NETNS": f"/proc/{os.getpid()}/ns/net"}
        os.environ.update(added)
        try:
            super().start(lan)
        finally:
            for name in added:
                del os.environ[name]

    def _configuration(self, priority: int) -> str:
        name = self._servers.names[(150 - priority) // 50]
        if self._script:
            script = f'script "/usr/bin/pgrep -x {name}"\n interval 1\n fall 1\n rise 1'
            check, use = f"vrrp_script server {{\n {script}\n}}\n", "track_script {\n server\n}\n"
        else:
            check = f"vrrp_track_process server {{\n process {name}\n}}\n"
            use = "track_process {\n server\n}\n"
        whole = super()._configuration(priority).replace("virtual_router_id", f"{use} virtual_router_id")
        return check + whole.replace("vrrp_version 3", "vrrp_version 3\n script_user root")


class _Watcher:
    """Follows the connections of a client, and who says where the address is."""

    def __init__(self, nodes: Lan) -> None:
        self.answers: list[tuple[float, str]] = []  # when, and whose server
        self.claims: list[tuple[float, str]] = []
        macs = {speaker.namespace.mac("eth0").hex(":"): speaker.name for speaker in nodes.speakers}
        inside = ["ip", "netns", "exec", nodes.client.name, sys.executable, "-u"]
        self._client = subprocess.Popen([*inside, "-c", _CLIENT], stdout=subprocess.PIPE, text=True)
        self._ear = subprocess.Popen([*inside, "-c", _EAR], stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._follow, args=(self._client, self.answers, {}), daemon=True).start()
        threading.Thread(target=self._follow, args=(self._ear, self.claims, macs), daemon=True).start()

    def answered_by(self) -> str:
        """Return whose server has answered within the last tenth of a second."""

        def latest() -> str:
            when, who = self.answers[-1] if self.answers else (0.0, "")
            return who if time.monotonic() - when < 0.1 else ""

        return str(until(latest, "a connection is answered", 30.0))

    def close(self) -> None:
        for process in (self._client, self._ear):
            process.kill()
            process.wait()

    @staticmethod
    def _follow(
        process: "subprocess.Popen[str]", found: list[tuple[float, str]], names: Mapping[str, str]
    ) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            when, who = line.split()
            found.append((float(when), names.get(who, who)))


_EAR = f"""
import socket, time
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
raw.bind(("eth0", 0x0806))
vip = socket.inet_aton({VIP!r})
while True:
    frame = raw.recv(2048)
    if frame[28:32] == vip and frame[38:42] == vip:
        print(time.monotonic(), frame[22:28].hex(":"), flush=True)
"""


def main(arguments: list[str]) -> None:
    """Print one JSON line per contender, in milliseconds."""
    parser = argparse.ArgumentParser(prog="bench track", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    for line in run(options.rounds):
        print(json.dumps(line))


def run(rounds: int) -> list[dict[str, object]]:
    """Return a line of figures for each contender."""
    seen: dict[str, list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for number in range(4):
            name, figures = _kill(number)
            seen.setdefault(name, []).append(figures)
    return [
        {
            "bench": "track",
            "who": who,
            "rounds": len(figures),
            **_spread("announced", [announced for announced, _ in figures]),
            **_spread("client", [connected for _, connected in figures]),
        }
        for who, figures in seen.items()
    ]


def _kill(number: int) -> tuple[str, tuple[float, float]]:
    """Return a contender, and the seconds until another node announced and until a client got there."""
    with _site() as (nodes, servers, folder):
        contender = _contender(number, servers, folder)
        with ExitStack() as stack:
            stack.callback(contender.close)
            contender.start(nodes)
            watcher = _Watcher(nodes)
            stack.callback(watcher.close)
            watcher.answered_by()
            time.sleep(_PEACE)
            leader = watcher.answered_by()
            at = servers.kill(leader)

            def first(found: Sequence[tuple[float, str]]) -> float | None:
                return next((when - at for when, who in found if when > at and who != leader), None)

            connected = until(lambda: first(watcher.answers), "a client gets elsewhere", _PATIENCE)
            announced = until(lambda: first(watcher.claims), "another node announces", _PATIENCE)
            return contender.name, (float(announced), float(connected))


def _contender(number: int, servers: _Servers, folder: Path) -> Contender:
    if number == 0:
        return _TrackingRoost("default", servers)
    advert, script = ((0.1, False), (1.0, False), (1.0, True))[number - 1]
    return _TrackingKeepalived(advert, servers, folder, script=script)


@contextmanager
def _site() -> Iterator[tuple[Lan, _Servers, Path]]:
    with tempfile.TemporaryDirectory() as name, lan(Path(name), 3) as nodes:
        servers = _Servers(nodes, Path(name))
        try:
            yield nodes, servers, Path(name)
        finally:
            servers.close()


def _spread(what: str, seconds: Sequence[float]) -> dict[str, float]:
    return {
        f"{what}_median_ms": round(statistics.median(seconds) * 1e3, 1),
        f"{what}_worst_ms": round(max(seconds) * 1e3, 1),
    }

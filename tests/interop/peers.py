"""Real peers for tests and benchmarks: agents over hashicorp/memberlist and Serf, as child processes.

async with go_agent("g1", address="127.1.2.3") as agent:
    await agent.saw("join", "n1")
    await agent.command("leave")
"""

import asyncio
import contextlib
import fcntl
import hashlib
import itertools
import json
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

__all__ = [
    "PORT",
    "GoAgent",
    "SerfAgent",
    "build_go_agent",
    "find_go",
    "free_port",
    "go_agent",
    "loopback",
    "serf_agent",
    "until",
]

PORT = 17946
DEADLINE = 15.0  # seconds; generous, the machines are shared
_SOURCES = Path(__file__).parent / "goagent"
_SERF_RPC = 17373
_SERIAL = itertools.count(1)


def loopback() -> str:
    """Return a loopback address that no other test process uses: many members on one host and port."""
    return f"127.{os.getpid() >> 8 & 0xFF}.{os.getpid() & 0xFF}.{next(_SERIAL) % 254 + 1}"


def free_port(host: str) -> int:
    """Return a port that nothing uses on `host` (for ::1, which is the only one of its kind)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port


async def until(condition: Callable[[], Any], what: str, deadline: float = DEADLINE) -> Any:
    """Poll until `condition()` is truthy and return that; an AssertionError names `what`."""
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline
    while loop.time() < end:
        if result := condition():
            return result
        await asyncio.sleep(0.01)
    raise AssertionError(f"not within {deadline} s: {what}")


def find_go() -> str | None:
    """Return the go command; Go's own installer does not put it on everybody's PATH."""
    return shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")


def build_go_agent() -> Path:
    """Return the agent's binary, built once per version of its sources into the user's cache."""
    go = find_go()
    if go is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have go: the interop tests may not be skipped there")
        pytest.skip("go is not installed")
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(_SOURCES.iterdir()))).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "roost-tests"
    cache.mkdir(parents=True, exist_ok=True)
    binary = cache / f"goagent-{digest[:16]}"
    with _locked(cache / "goagent.lock"):
        if not binary.exists():
            part = binary.with_suffix(".part")
            subprocess.run([go, "build", "-o", str(part), "."], cwd=_SOURCES, check=True, timeout=600)
            part.rename(binary)
    return binary


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class GoAgent:
    """One running agent: its events so far, its log so far, and its command line."""

    def __init__(self, process: asyncio.subprocess.Process, name: str, address: str, port: int) -> None:
        self.process, self.name, self.address, self.port = process, name, address, port
        self.events: list[dict[str, Any]] = []
        self.log = ""
        self._replies: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._readers = [asyncio.create_task(self._read_events()), asyncio.create_task(self._read_log())]

    @property
    def target(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    @property
    def complaints(self) -> list[str]:
        """The lines of the log that an operator would worry about."""
        return [line for line in self.log.splitlines() if "[WARN]" in line or "[ERR]" in line]

    async def _read_events(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "reply":
                self._replies.put_nowait(event)
            else:
                self.events.append(event)

    async def _read_log(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.log += line.decode()

    def about(self, kind: str, name: str) -> list[dict[str, Any]]:
        """The nodes in the events of `kind` about `name` so far."""
        found = (event["node"] for event in self.events if event["event"] == kind)
        return [node for node in found if node["name"] == name]

    async def saw(self, kind: str, name: str, times: int = 1) -> dict[str, Any]:
        """Wait for the `times`-th event of `kind` about `name` and return the node in the last one."""
        await until(
            lambda: len(self.about(kind, name)) >= times, f"{self.name} sees {kind} of {name} ({times})"
        )
        return self.about(kind, name)[-1]

    async def command(self, text: str) -> dict[str, Any]:
        """Run one command and return its reply, which must not be an error."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() + b"\n")
        reply = await asyncio.wait_for(self._replies.get(), DEADLINE)
        assert "error" not in reply, f"{text}: {reply['error']}\n{self.log}"
        return reply

    async def members(self) -> dict[str, dict[str, Any]]:
        return {node["name"]: node for node in (await self.command("members"))["members"]}

    async def kill(self) -> None:
        """End it with SIGKILL: nobody is told."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await asyncio.gather(*self._readers)


@contextlib.asynccontextmanager
async def go_agent(
    name: str,
    *options: str,
    address: str = "",
    port: int = PORT,
    binary: Path | None = None,
    inside: Sequence[str] = (),
) -> AsyncIterator[GoAgent]:
    """Run an agent that is gone at the end; `options` are its own flags, `inside` what it is run by."""
    address = address or loopback()
    argv: Sequence[str] = [
        *inside,
        str(binary or build_go_agent()),
        "-name",
        name,
        "-bind",
        address,
        "-port",
        str(port),
    ]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*argv, *options, stdin=pipe, stdout=pipe, stderr=pipe)
    agent = GoAgent(process, name, address, port)
    try:
        await until(
            lambda: process.returncode is not None or any(e["event"] == "ready" for e in agent.events),
            f"{name} is ready",
        )
        assert process.returncode is None, agent.log
        yield agent
    finally:
        await agent.kill()


@contextlib.asynccontextmanager
async def serf_agent(name: str) -> AsyncIterator["SerfAgent"]:
    """Run Debian's Serf, gone at the end; skips where it is not installed."""
    if shutil.which("serf") is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have serf: the interop tests may not be skipped there")
        pytest.skip("serf is not installed")
    address = loopback()
    argv = ["serf", "agent", f"-node={name}", f"-bind={address}:{PORT}", f"-rpc-addr={address}:{_SERF_RPC}"]
    process = await asyncio.create_subprocess_exec(
        *argv,
        "-profile=local",
        "-log-level=debug",
        "-tag=role=test",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    agent = SerfAgent(process, name, address)
    try:
        await until(
            lambda: process.returncode is not None or "EventMemberJoin" in agent.log, f"{name} is ready"
        )
        assert process.returncode is None, agent.log
        yield agent
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await agent.reader


class SerfAgent:
    """One running Serf agent, and its log so far."""

    def __init__(self, process: asyncio.subprocess.Process, name: str, address: str) -> None:
        self.process, self.name, self.address = process, name, address
        self.log = ""
        self.reader = asyncio.create_task(self._read())

    @property
    def target(self) -> str:
        return f"{self.address}:{PORT}"

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.log += line.decode()

    async def run(self, command: str, *arguments: str) -> str:
        """Run one of Serf's own commands against this agent and return what it prints."""
        process = await asyncio.create_subprocess_exec(
            *("serf", command, f"-rpc-addr={self.address}:{_SERF_RPC}", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        return output.decode()

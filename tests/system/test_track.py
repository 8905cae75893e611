"""What is well decides who leads: real speakers, real servers, each kind of check once.

Servers run in the nodes' namespaces. Processes are the whole host's: the names of those tracked are unique.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.system.connections import Connections, serve
from tests.system.netns import NETNS
from tests.system.pinging import client, echo
from tests.system.speakers import Lan, Speaker, lan, until
from tests.system.test_drain import roost

from roost.lab.records import outage

pytestmark = NETNS

KINDS = ("tcp", "http", "command", "process", "interface", "file")
VIPS = {kind: f"192.0.2.{200 + at}" for at, kind in enumerate(KINDS)}
QUICK = {"interval": "100ms", "timeout": "2s", "rise": 2, "fall": 2}


class Site:
    """What runs on one node, and has to be well."""

    def __init__(self, node: Speaker, folder: Path) -> None:
        self.node = node
        self.folder = folder / f"site-{node.name}"
        self.folder.mkdir()
        self.name = f"{node.name}-{os.getpid() % 1_000_000}"  # of the process that is tracked
        (self.folder / self.name).symlink_to("/bin/sleep")
        self._running: dict[str, subprocess.Popen[Any]] = {}
        node.namespace.ip("link add up0 type veth peer name up1")
        node.namespace.ip("link set up1 up")
        for kind in KINDS:
            self.mend(kind)

    def track(self, kind: str) -> dict[str, Any]:
        """Return the entry of the configuration."""
        told: dict[str, dict[str, Any]] = {
            "tcp": {"tcp": "127.0.0.1:8081", **QUICK},
            "http": {"http": "http://127.0.0.1:8082/", **QUICK},
            "command": {"command": ["sh", "-c", f"echo looked; test -e {self.folder}/ok"], **QUICK},
            "process": {"process": {"name": self.name}},
            "interface": {"interface": "up1"},
            "file": {"file": str(self.folder / "weight")},
        }
        return told[kind]

    def mend(self, kind: str) -> None:
        match kind:
            case "tcp":
                self._start(kind, sys.executable, "-c", _ACCEPTS)
            case "http":
                web = ("-m", "http.server", "--bind", "127.0.0.1", "--directory", str(self.folder), "8082")
                self._start(kind, sys.executable, *web)
            case "command":
                (self.folder / "ok").touch()
            case "process":
                self._start(kind, str(self.folder / self.name), "1000")
            case "interface":
                self.node.namespace.ip("link set up0 up")
            case "file":
                (self.folder / "weight").write_text("0\n")

    def spoil(self, kind: str) -> None:
        match kind:
            case "tcp" | "http" | "process":
                self._running[kind].kill()
                self._running[kind].wait()
            case "command":
                (self.folder / "ok").unlink()
            case "interface":
                self.node.namespace.ip("link set up0 down")
            case "file":
                (self.folder / "weight").write_text("-10\n")

    def close(self) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()

    def _start(self, kind: str, *command: str) -> None:
        inside = ["ip", "netns", "exec", self.node.namespace.name]
        self._running[kind] = subprocess.Popen([*inside, *command], stderr=subprocess.DEVNULL)


_ACCEPTS = """
import socket
server = socket.create_server(("127.0.0.1", 8081))
while True:
    server.accept()[0].close()
"""


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[Lan, dict[str, Site]]]:
    """Two nodes, with a service for each kind of check; all is well."""
    with lan(tmp_path, 2) as made, ExitStack() as stack:
        sites = {speaker.name: Site(speaker, tmp_path) for speaker in made.speakers}
        for site in sites.values():
            stack.callback(site.close)
        made.configure([], profile="default")
        for speaker in made.speakers:
            tracked = [
                {"name": kind, "addresses": [vip], "track": [sites[speaker.name].track(kind)]}
                for kind, vip in VIPS.items()
            ]
            speaker.write(services=tracked)
        made.start()
        until(lambda: all(is_well(each) for each in made.speakers), "all is well")
        yield made, sites


def is_well(speaker: Speaker) -> bool:
    return not speaker.status()["problems"]


def raises_the_alarm(speaker: Speaker) -> bool:
    problems = speaker.status()["problems"]
    return ("nobody fit", "critical") in [(each["kind"], each["severity"]) for each in problems]


def other(nodes: Lan, speaker: Speaker) -> Speaker:
    return next(each for each in nodes.speakers if each is not speaker)


def answered_by(nodes: Lan, address: str, speaker: Speaker) -> None:
    until(lambda: nodes.answerers(address, 0.1) == {speaker.name}, f"{speaker.name} answers for {address}")


def explained(speaker: Speaker, service: str) -> dict[str, Any]:
    (check,) = speaker.ask(f"/v1/explain/{service}")["checks"]
    assert isinstance(check, dict)
    return check


def test_each_kind_moves_the_lead_and_brings_it_back(nodes: tuple[Lan, dict[str, Site]]) -> None:
    made, sites = nodes
    for kind, vip in VIPS.items():
        leader = made.leader(vip)
        assert explained(leader, kind)["state"] == "well", kind
        sites[leader.name].spoil(kind)
        answered_by(made, vip, other(made, leader))
        told = explained(leader, kind)
        if kind == "file":
            assert (told["state"], told["weight"]) == ("well", -10)
        else:
            assert told["state"] == "failing", told
            assert any("unfit" in each["kind"] for each in leader.status()["problems"])
        if kind == "command":
            assert told["output"] == "looked"
            assert "said: looked" in roost(leader, "explain", kind).stdout
        sites[leader.name].mend(kind)
        answered_by(made, vip, leader)
        until(partial(is_well, leader), f"{kind} is well again")


def test_it_moves_without_a_lost_packet_or_connection(
    nodes: tuple[Lan, dict[str, Site]], tmp_path: Path
) -> None:
    made, sites = nodes
    for speaker in made.speakers:
        serve(speaker.namespace)
    vip = VIPS["command"]
    leader = made.leader(vip)
    with echo(made), client(made, tmp_path, vip) as pinger:
        assert pinger.answered_by() == leader.name
        connections = Connections(made.client, [vip] * 5)
        at = time.monotonic()
        sites[leader.name].spoil("command")
        until(lambda: pinger.answered_by() != leader.name, "the other serves")
        time.sleep(0.5)
        sites[leader.name].mend("command")
        until(lambda: pinger.answered_by() == leader.name, "it serves again")
        assert outage(pinger.finish(), at, float("inf")).lost == 0
        assert connections.broken() == []


def test_a_reload_with_another_check_keeps_the_lead(nodes: tuple[Lan, dict[str, Site]]) -> None:
    made, sites = nodes
    leader = made.leader(VIPS["tcp"])
    serial = leader.ask("/v1/events?since=0")["events"][-1]["serial"]
    changed = [
        {**service, "track": [*service["track"], sites[leader.name].track("http")]}
        for service in leader.config["services"]
        if service["name"] == "tcp"
    ]
    leader.write(services=changed)
    leader.signal(signal.SIGHUP)
    until(lambda: len(leader.ask("/v1/explain/tcp")["checks"]) == 2, "the other check is made, too")
    until(lambda: all(each["since"] for each in leader.ask("/v1/explain/tcp")["checks"]), "with a result")
    moved = [
        event["facts"]
        for event in leader.ask(f"/v1/events?since={serial}")["events"]
        if event["facts"].get("service") == "tcp"
    ]
    assert moved == []
    assert made.leader(VIPS["tcp"]) is leader


def test_all_sick_exactly_one_answers_and_says_so(nodes: tuple[Lan, dict[str, Site]]) -> None:
    made, sites = nodes
    vip = VIPS["interface"]
    leader = made.leader(vip)
    for site in sites.values():
        site.spoil("interface")
    for speaker in made.speakers:
        until(partial(raises_the_alarm, speaker), f"{speaker.name} raises the alarm")
    made.settle_on(vip, {leader.name})
    assert roost(leader, "status", "--check").returncode == 1
    assert "no node is fit: this one leads all the same" in leader.text()
    assert "no node is fit: this one" not in other(made, leader).text()
    sites[other(made, leader).name].mend("interface")
    answered_by(made, vip, other(made, leader))

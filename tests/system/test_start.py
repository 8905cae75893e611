"""The start of real processes: what they wait for, and what they refuse to do to others."""

import signal
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.system.netns import NETNS, Namespace
from tests.system.speakers import Lan, Speaker, lan, until

pytestmark = NETNS

DUAL: list[dict[str, Any]] = [{"name": "web", "addresses": ["192.0.2.200", "2001:db8::200"]}]

ASK = """
import contextlib, urllib.request
with contextlib.suppress(OSError):
    print(urllib.request.urlopen("http://192.0.2.11:7473/metrics", timeout=2).read().decode())
"""


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Lan]:
    with lan(tmp_path, 1) as made:
        made.configure(DUAL)
        yield made


def test_a_second_speaker_in_a_namespace_ends_before_it_touches_anything(alone: Lan, tmp_path: Path) -> None:
    alone.start()
    first = alone.speakers[0]
    until(lambda: first.answering() == {"192.0.2.200", "2001:db8::200"}, "the first one answers")
    before = _of_the_host(first.namespace)
    second = Speaker(first.namespace, "other", "192.0.2.11", tmp_path / "elsewhere")
    second.socket.parent.mkdir()
    second.write(node="other", services=[], status={"socket": str(second.socket)})
    second.start()
    assert second.wait() == 3
    assert first.process is not None
    assert f"another speaker (process {first.process.pid}) runs in this network namespace" in second.text()
    assert "stop it first" in second.text()
    assert _of_the_host(first.namespace) == before
    assert first.answering() == {"192.0.2.200", "2001:db8::200"}
    first.signal(signal.SIGKILL)
    first.wait()
    second.start()
    until(second.status, "what a killed process held is free")
    second.signal(signal.SIGTERM)
    assert second.wait() == 0


def _of_the_host(namespace: Namespace) -> list[Any]:
    """What a speaker changes on its host."""
    listed = [namespace.ip("-4 route show table local proto 82"), namespace.ip("-6 address show dev lo")]
    assert "192.0.2.200" in listed[0]
    assert "2001:db8::200" in listed[1]
    names = ("arp_ignore", "arp_announce")
    return [*listed, *(namespace.sysctl(f"net/ipv4/conf/eth0/{name}") for name in names)]


def test_an_address_to_bind_to_is_waited_for(alone: Lan) -> None:
    node = alone.speakers[0]
    node.namespace.ip("addr flush dev eth0 scope global")
    node.write(status={"socket": str(node.socket), "http": "192.0.2.11:7473"})
    node.start()
    waiting = until(lambda: node.status()["waiting_for"], "it says what it waits for")
    assert "192.0.2.11" in waiting
    status = node.status()
    (itself,) = status["members"]
    assert itself["evidence"] == "this node, before it begins to gossip"
    since, started = (datetime.fromisoformat(text) for text in (itself["since"], status["started_at"]))
    assert abs(since - started) < timedelta(seconds=20), "not since the host's boot"
    assert node.text().count("waiting for 192.0.2.11 (membership.bind)") == 1
    node.namespace.ip("addr add 192.0.2.11/24 dev eth0")
    until(lambda: alone.answerers("192.0.2.200") == {"n1"}, "it announces once the address is there")
    assert node.status()["waiting_for"] == ""
    until(lambda: "roost_" in _page(node.namespace), "it answers at the address that came late")
    node.signal(signal.SIGTERM)
    assert node.wait() == 0, node.text()


def test_signals_work_while_an_address_is_waited_for(alone: Lan) -> None:
    node = alone.speakers[0]
    node.namespace.ip("addr flush dev eth0 scope global")
    node.start()
    until(lambda: "waiting for" in node.text(), "it waits")
    node.signal(signal.SIGHUP)
    node.signal(signal.SIGTERM)
    assert node.wait() == 0, node.text()
    assert "Traceback" not in node.text()


def _page(namespace: Namespace) -> str:
    """Return /metrics as the namespace sees it, "" while nobody answers."""
    return namespace.run(sys.executable, "-c", ASK)


@pytest.mark.parametrize("taken", ["addr {} 192.0.2.200/32 dev lo", "route {} local 192.0.2.200 dev lo"])
def test_an_address_that_the_host_had_is_answered_once_it_is_given_up(alone: Lan, taken: str) -> None:
    node = alone.speakers[0]
    node.namespace.ip(taken.format("add"))
    node.write(membership=None)
    node.start()
    until(lambda: "is already an address of this host" in node.text(), "the refusal is told")
    node.namespace.ip(taken.format("del"))
    until(lambda: "held at last" in node.text(), "it is tried again")
    alone.settle_on("192.0.2.200", {"n1"})

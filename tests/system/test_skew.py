"""This version and the former one in one cluster: one order, failover both ways, upgrade, rollback."""

import signal
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from tests.system.former import former_source
from tests.system.netns import NETNS
from tests.system.pinging import client, echo
from tests.system.speakers import Lan, Speaker, lan, services, until

from roost.lab.records import outage

pytestmark = [*NETNS, pytest.mark.timeout(240)]

VIPS = [f"192.0.2.{200 + number}" for number in range(12)]
SILENCE = 2.0  # seconds, on a machine that does other work, too
PATIENCE = 60.0


@pytest.fixture(scope="module")
def former() -> Path:
    return former_source()


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Lan]:
    with lan(tmp_path) as made:
        made.configure(services(VIPS), profile="default")
        yield made


def elected(address: str) -> str:
    """Return who stands first for an address, in every version: the order is a contract."""
    return min(("n1", "n2", "n3"), key=lambda name: sha256(f"{name}#{address}".encode()).digest())


def at_rest(nodes: Lan) -> None:
    """Wait until all nodes name the leaders that the hash elects, and each address has one answerer."""
    expected = {f"s{vip[-3:]}": elected(vip) for vip in VIPS}

    def agreed() -> bool:
        time.sleep(0.3)  # asking is work for the nodes, too
        seen = [
            {each["name"]: each["leader"] for each in node.status()["services"]} for node in nodes.running()
        ]
        return all(leaders == expected for leaders in seen)

    until(agreed, "all nodes see the leaders that the hash elects", PATIENCE)
    nodes.answered_once(VIPS)


def replace(nodes: Lan, speaker: Speaker, source: Path | None) -> None:
    speaker.signal(signal.SIGTERM)
    assert speaker.wait() == 0, speaker.text()
    speaker.source = source
    speaker.start()
    nodes.whole()


def test_they_elect_the_same_and_take_over_from_each_other(nodes: Lan, former: Path, tmp_path: Path) -> None:
    old, new, _ = nodes.speakers
    old.source = former
    nodes.start()
    at_rest(nodes)
    with echo(nodes):
        for lost in (old, new):
            address = next(vip for vip in VIPS if elected(vip) == lost.name)
            with client(nodes, tmp_path, address) as pinger:
                assert pinger.answered_by() == lost.name
                begin = time.monotonic()
                nodes.cut(lost)
                heir = nodes.leader(address, [each for each in nodes.speakers if each is not lost])
                nodes.settle_on(address, {heir.name})
                nodes.heal(lost)
                at_rest(nodes)
                silence = outage(pinger.finish(), begin, float("inf")).longest
                assert silence < SILENCE


def test_a_cluster_is_rolled_forward_and_back(nodes: Lan, former: Path, tmp_path: Path) -> None:
    for speaker in nodes.speakers:
        speaker.source = former
    nodes.start()
    at_rest(nodes)
    with echo(nodes), client(nodes, tmp_path, VIPS[0]) as pinger:
        pinger.answered_by()
        begin = time.monotonic()
        for source in (None, former):
            for speaker in nodes.speakers:
                replace(nodes, speaker, source)
                at_rest(nodes)
        assert all("Traceback" not in speaker.text() for speaker in nodes.speakers)
        assert outage(pinger.finish(), begin, float("inf")).longest < SILENCE

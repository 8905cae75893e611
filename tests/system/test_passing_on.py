"""Open TCP connections outlive every planned move of their address: the new leader passes their packets on."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.connections import Connections, serve
from tests.system.netns import NETNS
from tests.system.speakers import Lan, Speaker, lan, until
from tests.system.test_drain import other, roost

pytestmark = NETNS

VIP, VIP6 = "192.0.2.200", "2001:db8::200"
COUNT = 100  # of each family


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Lan]:
    with lan(tmp_path) as made:
        for speaker in made.speakers:
            serve(speaker.namespace)
        made.configure([{"name": "web", "addresses": [VIP, VIP6]}], profile="default")
        made.start()
        made.answered_once([VIP])
        yield made


def held(nodes: Lan) -> Connections:
    return Connections(nodes.client, [VIP, VIP6] * COUNT, 0.2)


def leads(nodes: Lan, speaker: Speaker) -> None:
    until(lambda: speaker.answering() == {VIP, VIP6}, f"{speaker.name} leads")
    nodes.settle_on(VIP, {speaker.name})


def test_connections_survive_the_end_of_their_speaker_and_its_return(nodes: Lan) -> None:
    leader = nodes.leader(VIP)
    before = held(nodes)
    leader.signal(signal.SIGTERM)
    assert leader.wait() == 0
    successor = nodes.leader(VIP)
    between = held(nodes)
    leader.start()
    nodes.whole()
    leads(nodes, leader)
    assert (before.broken(), between.broken()) == ([], []), successor.text()


def test_connections_survive_a_drain_and_the_return(nodes: Lan) -> None:
    leader = nodes.leader(VIP)
    before = held(nodes)
    roost(leader, "drain", leader.name, "--deadline", "3")
    leads(nodes, nodes.leader(VIP, among=[each for each in nodes.speakers if each is not leader]))
    between = held(nodes)
    assert roost(leader, "drain", leader.name, "--undo").returncode == 0
    leads(nodes, leader)
    after = held(nodes)
    assert (before.broken(), between.broken(), after.broken()) == ([], [], [])
    assert other(nodes, leader)

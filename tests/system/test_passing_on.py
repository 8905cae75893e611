"""Open connections outlive every planned move of their address: the new leader passes their packets on."""

import signal
import sys
import time
from collections.abc import Iterator
from functools import partial
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


def lead_in_turn(nodes: Lan, moves: int) -> Iterator[Speaker]:
    """Let A lead, then B, C, A and on; yield who leads, before each move and after the last one."""
    leader = nodes.leader(VIP)
    others = [each for each in nodes.speakers if each is not leader]
    order = [leader, *others]
    roost(leader, "drain", others[1].name)
    for move in range(moves):
        old, new = order[move % 3], order[(move + 1) % 3]
        leads(nodes, old)
        yield old
        assert roost(new, "drain", new.name, "--undo").returncode == 0
        roost(new, "drain", old.name, "--deadline", "0.2")
    leads(nodes, order[moves % 3])
    yield order[moves % 3]


def test_a_thousand_connections_survive_ten_moves_in_a_row_and_nothing_is_left(nodes: Lan) -> None:
    """A -> B -> C -> A and on: each node holds some, and each passes on what it does not know."""
    open_ones: list[Connections] = []
    last = nodes.speakers[0]
    for leader in lead_in_turn(nodes, 10):
        last = leader
        if len(open_ones) < 10:
            open_ones.append(Connections(nodes.client, [VIP, VIP6] * 50, 2.0))
    assert last.status()["services"][0]["passing_on"], "the others hold some"
    assert [each.broken() for each in open_ones] == [[]] * 10
    for speaker in nodes.speakers:
        until(partial(is_at_rest, speaker), f"{speaker.name} holds nothing, and passes nothing on")


def is_at_rest(speaker: Speaker) -> bool:
    (service,) = speaker.status()["services"]
    return service["passing_on"] == [] and set(service["connections"].values()) == {0}


def test_connections_survive_a_killed_speaker_too_and_its_rules_end_with_it(nodes: Lan) -> None:
    """Its kernel lives on, with the sockets; what was in nftables for it goes with its process."""
    leader = nodes.leader(VIP)
    time.sleep(1)
    before = held(nodes)
    leader.signal(signal.SIGKILL)
    leader.wait()
    assert "roost" not in leader.namespace.run("nft", "list", "ruleset")
    leads(nodes, nodes.leader(VIP))
    leader.start()
    nodes.whole()
    leads(nodes, leader)
    assert before.broken() == []


def test_commands_tell_of_open_connections(nodes: Lan) -> None:
    leader = nodes.leader(VIP)
    time.sleep(2)
    before = held(nodes)
    assert leader.status()["services"][0]["connections"] == {VIP: COUNT, VIP6: COUNT}
    done = roost(leader, "drain", leader.name, "--deadline", "2")
    assert done.returncode == 1
    assert f"{2 * COUNT} connections are open there" in done.stderr
    successor = nodes.leader(VIP)
    told = f"{VIP}: passing on to {leader.name}: {COUNT} connections"
    until(lambda: told in roost(successor, "explain", VIP).stdout, "explain says how many")
    assert before.broken() == []
    done = roost(leader, "drain", leader.name)
    assert done.returncode == 0, "all have ended"


def test_rules_that_somebody_flushed_come_back(nodes: Lan) -> None:
    leader = nodes.leader(VIP)
    before = held(nodes)
    leader.signal(signal.SIGTERM)
    assert leader.wait() == 0
    successor = nodes.leader(VIP)
    successor.namespace.run("nft", "flush", "ruleset")
    time.sleep(6)
    assert before.broken() == []


def test_without_the_right_it_says_so_and_goes_on(nodes: Lan) -> None:
    program = (
        "from roost.deliver.passing_on import PassingOn\n"
        "passing_on = PassingOn('n9'); passing_on.start(600.0); print(passing_on.problem)"
    )
    without = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
    node = nodes.speakers[0].namespace
    told = node.run(*without, sys.executable, "-c", program)
    assert told == "connections cannot be passed on when an address moves: the process lacks CAP_NET_ADMIN\n"

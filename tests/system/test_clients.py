"""Clients that hear no broadcast, or send on to the old node, are told by unicast."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.system.netns import NETNS
from tests.system.pinging import client, echo, make_deaf
from tests.system.speakers import Lan, lan, until

from roost.lab.records import outage

pytestmark = NETNS

VIPS = ["192.0.2.200", "2001:db8::200"]
SERVICE = {"name": "echo", "addresses": VIPS, "ports": [{"port": 7, "protocol": "UDP"}]}


def start(nodes: Lan) -> None:
    nodes.configure([SERVICE], profile="default")
    nodes.start()


@pytest.mark.parametrize("address", VIPS)
def test_a_client_deaf_to_broadcasts_follows_when_the_leader_dies(tmp_path: Path, address: str) -> None:
    with lan(tmp_path) as nodes, echo(nodes):
        start(nodes)
        with client(nodes, tmp_path, address) as pinger:
            before = pinger.answered_by()
            make_deaf(nodes)
            time.sleep(1.0)  # the leader gossips about its clients twice a second
            nodes.cut(next(node for node in nodes.speakers if node.name == before))
            until(lambda: pinger.answered_by() != before, "another node answers the deaf client", 5.0)


@pytest.mark.parametrize("address", VIPS)
def test_a_client_deaf_to_broadcasts_loses_nothing_when_the_leader_leaves(
    tmp_path: Path, address: str
) -> None:
    with lan(tmp_path) as nodes, echo(nodes):
        start(nodes)
        with client(nodes, tmp_path, address) as pinger:
            before = pinger.answered_by()
            make_deaf(nodes)
            time.sleep(1.0)
            at = time.monotonic()
            leader = next(node for node in nodes.speakers if node.name == before)
            leader.signal(signal.SIGTERM)
            assert leader.wait() == 0
            time.sleep(0.5)
            assert pinger.answered_by() != before
            assert outage(pinger.finish(), at, float("inf")).lost == 0


def test_a_leaving_node_serves_on_while_packets_come_and_no_longer(tmp_path: Path) -> None:
    """A client with a fixed neighbour entry cannot be corrected: the node waits for it, up to its grace."""
    with lan(tmp_path, 2) as nodes, echo(nodes):
        nodes.configure([SERVICE], profile="default", terminationGrace="4s")
        nodes.start()
        leader = nodes.leader(VIPS[0])
        mac = leader.namespace.mac("eth0").hex(":")
        nodes.client.ip(f"neigh replace {VIPS[0]} lladdr {mac} dev eth0 nud permanent")
        with client(nodes, tmp_path, VIPS[0]) as pinger:
            assert pinger.answered_by() == leader.name
            leader.signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                leader.wait(2.5)
            assert pinger.answered_by() == leader.name
            assert leader.wait(10) == 0


def test_who_sends_on_to_a_node_that_lost_the_lead_is_corrected(tmp_path: Path) -> None:
    """The client's entry is set back to the old node by hand, as if it had missed all the news."""
    with lan(tmp_path) as nodes, echo(nodes):
        start(nodes)
        with client(nodes, tmp_path, VIPS[0]) as pinger:
            first = next(node for node in nodes.speakers if node.name == pinger.answered_by())
            first.signal(signal.SIGTERM)
            first.wait()
            until(lambda: pinger.answered_by() != first.name, "the successor answers")
            second = next(node for node in nodes.speakers if node.name == pinger.answered_by())
            first.start()
            until(lambda: pinger.answered_by() == first.name, "the first node is back")
            time.sleep(5.0)  # until the last of the scheduled gratuitous rounds: only a correction can help
            mac = second.namespace.mac("eth0").hex(":")
            nodes.client.ip(f"neigh replace {VIPS[0]} lladdr {mac} dev eth0 nud reachable")
            until(lambda: second.status()["counters"]["clients"]["stragglers_packets"], "it is noticed", 5.0)
            until(lambda: pinger.answered_by() == first.name, "the client is corrected", 5.0)

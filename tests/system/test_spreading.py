"""`sharing: {by: connection}`: one leader answers a router, and all nodes take its connections."""

import json
import signal
import socket
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.system.flows import PORT, VIPS, Flows, ask, disturb, routed
from tests.system.netns import NETNS, Namespace
from tests.system.speakers import until
from tests.system.test_drain import roost

pytestmark = NETNS

NAMES = {"n1", "n2", "n3"}


@pytest.mark.parametrize("responder", ["auto", "clsact"])
def test_flows_of_one_router_go_to_all_nodes(tmp_path: Path, responder: str) -> None:
    with routed(tmp_path) as nodes:
        nodes.spread(announce={"responder": responder})
        leader = nodes.leader(VIPS[0])
        assert nodes.answerers(VIPS[0]) == {leader.name}, "one node answers"
        for address in VIPS:
            for size in (0, 100, 4000):  # TCP, UDP, UDP in parts
                found = ask(nodes.far, address, 60, size)
                assert set(found) == NAMES, (address, size, found)
        status = leader.status()
        assert sum(status["services"][0]["shares"].values()) == pytest.approx(1)


def test_connections_survive_every_planned_move(tmp_path: Path) -> None:
    """A node is drained and comes back, weights change, the leader leaves and comes back."""
    with routed(tmp_path) as nodes:
        nodes.spread()
        held = Flows(nodes.far, 40, VIPS)
        assert set(held.nodes) == NAMES
        leader = nodes.leader(VIPS[0])
        others = [each for each in nodes.speakers if each is not leader]
        roost(others[0], "drain", others[0].name)
        nodes.spread_over(NAMES - {others[0].name})
        assert others[0].name not in ask(nodes.far, VIPS[0], 30)
        time.sleep(0.5)
        roost(others[0], "drain", others[0].name, "--undo")
        nodes.spread_over(NAMES)
        time.sleep(0.5)
        nodes.services({others[1].name: 0})
        for each in nodes.speakers:
            each.signal(signal.SIGHUP)
        nodes.spread_over(NAMES - {others[1].name})
        time.sleep(0.5)
        late = Flows(nodes.far, 20, VIPS)
        nodes.services()
        for each in nodes.speakers:
            each.signal(signal.SIGHUP)
        nodes.spread_over(NAMES)
        time.sleep(0.5)
        leader.signal(signal.SIGTERM)
        assert leader.wait() == 0
        time.sleep(1)
        leader.start()
        nodes.spread_over(NAMES)
        time.sleep(1)
        assert held.broken() + late.broken() == []


def test_the_death_of_a_node_breaks_its_own_connections_alone(tmp_path: Path) -> None:
    with routed(tmp_path) as nodes:
        nodes.spread()
        held = Flows(nodes.far, 30, VIPS)
        leader = nodes.leader(VIPS[0])
        victim = next(each for each in nodes.speakers if each is not leader)
        nodes.cut(victim)
        until(lambda: victim.name not in ask(nodes.far, VIPS[1], 10), "its flows go to others")
        time.sleep(1)
        found = held.end()
        assert {each["node"] for each in found if "broken" in each} == {victim.name}


def test_the_death_of_the_leader_breaks_its_own_connections_alone(tmp_path: Path) -> None:
    with routed(tmp_path) as nodes:
        nodes.spread()
        held = Flows(nodes.far, 30, VIPS)
        leader = nodes.leader(VIPS[0])
        nodes.cut(leader)
        time.sleep(2)
        found = held.end()
        assert {each["node"] for each in found if "broken" in each} <= {leader.name}
        others = [each for each in found if each["node"] != leader.name]
        assert others
        assert max(each["longest"] for each in others) < 3


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
def test_a_leader_whose_process_hangs_or_is_killed_breaks_no_connection(
    tmp_path: Path, how: signal.Signals
) -> None:
    with routed(tmp_path) as nodes:
        nodes.spread()
        held = Flows(nodes.far, 20, VIPS)
        disturb(nodes.leader(VIPS[0]), how, lambda: nodes.spread_over(NAMES))
        assert held.broken() == []


def test_a_node_whose_kernel_does_not_answer_takes_nothing_from_others_and_says_so(tmp_path: Path) -> None:
    with routed(tmp_path) as nodes:
        nodes.services()
        odd = nodes.speakers[0]
        odd.write(announce={"responder": "packet"})
        nodes.start()
        nodes.serve()
        nodes.spread_over(NAMES - {odd.name}, by=[each for each in nodes.speakers if each is not odd])
        kinds = {each["kind"] for each in odd.status()["problems"]}
        assert "not spread" in kinds
        if nodes.leader(VIPS[0]) is odd:
            assert set(ask(nodes.far, VIPS[0], 20)) == {odd.name}
        else:
            assert set(ask(nodes.far, VIPS[0], 40)) == NAMES - {odd.name}


def test_a_flow_of_udp_stays_where_it_is(tmp_path: Path) -> None:
    with routed(tmp_path) as nodes:
        nodes.spread()
        leader = nodes.leader(VIPS[0])
        flows, before = flows_of_udp(nodes.far)
        other = next(each for each in nodes.speakers if each is not leader)
        roost(other, "drain", other.name)
        nodes.spread_over(NAMES - {other.name})
        assert [answerer(each, 4000) for each in flows] == before, "in parts as well"
        nodes.cut(other)
        until(lambda: other.name not in {answerer(each) for each in flows}, "its flows go to others")
        after = [answerer(each) for each in flows]
        assert all(was in (now, other.name) for was, now in zip(before, after, strict=True))
        for each in flows:
            each.close()


def test_flows_of_udp_leave_a_node_that_is_stopped_before_it_ends(tmp_path: Path) -> None:
    with routed(tmp_path) as nodes:
        nodes.spread()
        leader = nodes.leader(VIPS[0])
        flows, before = flows_of_udp(nodes.far)
        other = next(each for each in nodes.speakers if each is not leader)
        other.signal(signal.SIGTERM)
        answers: list[list[str]] = []
        while not answers or other in nodes.running():
            answers.append([answerer(each, patience=0.3) for each in flows])
        answers += [[answerer(each, patience=0.3) for each in flows] for _ in range(100)]
        assert other.wait() == 0
        assert sum(each.count("") for each in answers) <= 1, "one may be under way"
        assert other.name not in answers[-1]
        assert all(was in (now, other.name) for was, now in zip(before, answers[-1], strict=True))
        for each in flows:
            each.close()


def flows_of_udp(client: Namespace) -> tuple[list[socket.socket], list[str]]:
    """Begin 20 flows that reach all nodes; return them, and which node answers each."""
    with client.entered():
        flows = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(20)]
    before = [answerer(each) for each in flows]
    assert set(before) == NAMES
    return flows, before


def answerer(flow: socket.socket, size: int = 10, patience: float = 1) -> str:
    """Send a datagram of so many bytes; return which node answered, "" for none in time."""
    flow.settimeout(patience)
    flow.sendto(b"x" * size, (VIPS[0], PORT))
    try:
        return flow.recv(100).decode().split()[0]
    except TimeoutError:
        return ""


@pytest.mark.parametrize("address", VIPS)
def test_a_narrow_link_on_the_way_is_found(tmp_path: Path, address: str) -> None:
    """What the router says of it goes to the address, and has to reach the node that sends too much."""
    with routed(tmp_path) as nodes:
        nodes.client.ip("link set eth1 mtu 1300")
        nodes.far.ip("link set eth0 mtu 1300")
        nodes.far.run("ip", "route", "replace", "default", "via", "198.51.100.1", "advmss", "1460")
        nodes.far.run("ip", "-6", "route", "replace", "default", "via", "2001:db8:1::1", "advmss", "1440")
        nodes.spread()
        found = Counter(json.loads(nodes.far.run(sys.executable, "-c", _ECHO, address, "24")))
        assert set(found) == NAMES, found


_ECHO = f"""
import json, socket, sys
found = []
for _ in range(int(sys.argv[2])):
    with socket.create_connection((sys.argv[1], {PORT}), timeout=10) as one:
        answers = one.makefile("rb")
        found.append(answers.readline().decode().strip())
        one.sendall(b"x" * 20000)
        assert len(answers.read(20000)) == 20000
print(json.dumps(found))
"""

"""`deliver: forward` with real speakers: balanced, checked, drained, and connections outlive the node."""

import signal
import socket
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.system.forwarding import GATEWAY, VIP, VIP6, Balanced, Kinds, balanced, who
from tests.system.netns import NETNS, Namespace
from tests.system.speakers import Speaker, until
from tests.system.test_drain import roost

pytestmark = NETNS

HEALTH = {"tcp": True, "interval": "100ms", "timeout": "300ms", "rise": 2, "fall": 2}
SETTINGS = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/accept_redirects",
    "net/ipv4/conf/all/send_redirects",
    "net/ipv4/conf/eth1/send_redirects",
    "net/ipv4/conf/eth1/rp_filter",
    "net/ipv4/conf/eth0/forwarding",
    "net/ipv6/conf/all/forwarding",
    "net/ipv6/conf/eth0/accept_ra",
)


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Balanced]:
    with balanced(tmp_path) as made:
        yield made


def leads(net: Balanced, but: Speaker | None = None, address: str = VIP) -> Speaker:
    """Wait until one node leads, another than `but`."""

    def found() -> Speaker | None:
        """Not before both agree: who is the first to be fit leads until a better one is, too."""
        answering = [each for each in net.running() if each is not but and address in each.answering()]
        if len(answering) == 1 and net.answerers(address) == {answering[0].name}:
            return answering[0]
        return None

    leader = until(found, "one node answers, by its own word and on the wire")
    assert isinstance(leader, Speaker)
    return leader


def backends(speaker: Speaker) -> dict[str, dict[str, Any]]:
    (service,) = speaker.status()["services"]
    return {each["address"].replace("198.51.100.", "s"): each for each in service["backends"]}


def states(speaker: Speaker) -> dict[str, str]:
    return {name: each["state"] for name, each in backends(speaker).items()}


def settings(speaker: Speaker) -> list[int]:
    return [speaker.namespace.sysctl(key) for key in SETTINGS]


def pings(node: Namespace, address: str) -> bool:
    """Tell whether an echo request is answered."""
    with node.entered():
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    with raw:
        raw.settimeout(2)
        raw.connect((address, 0))
        raw.send(bytes.fromhex("0800 f7f8 0007 0000"))
        return raw.recv(100)[20] == 0


def is_all_up(speaker: Speaker) -> bool:
    return set(states(speaker).values()) == {"up"}


def reload(net: Balanced) -> None:
    for speaker in net.running():
        before = speaker.status()["config"]["loaded_at"]
        speaker.signal(signal.SIGHUP)
        until(partial(has_loaded, speaker, before), "it has reloaded")


def has_loaded(speaker: Speaker, before: str) -> bool:
    return bool(speaker.status()["config"]["loaded_at"] != before)


def test_connections_of_all_kinds_outlive_the_node_that_forwards_them(net: Balanced) -> None:
    net.balance(health=HEALTH | {"timeout": "1s"}, both=True)  # a busy machine takes none for down
    net.start()
    leader = leads(net)
    assert net.answerers(GATEWAY) == set(), "clients have no business with it"
    assert pings(net.backends[0], GATEWAY)
    assert leader.namespace.mac("eth1").hex(":") in net.backends[0].ip(f"neigh show {GATEWAY}")
    held = [Kinds(net.client, vip, 5, push=3.0) for vip in (VIP, VIP6)]
    net.die(leader)
    leads(net, but=leader)
    until(lambda: set(states(leader).values()) == {"down"}, "it reaches nobody")
    net.come_back(leader)  # what its kernel remembers of them is old, and what it knows of backends is wrong
    net.whole()
    leads(net, but=next(each for each in net.speakers if each is not leader))
    time.sleep(1)
    assert [each.broken() for each in held] == [[], []]
    assert held[0].peers == {"192.0.2.101"}, "backends see the client itself"
    assert held[1].peers == {"2001:db8::101"}
    assert len({each["server"] for each in held[0].results}) == 3


def test_connections_outlive_a_leader_that_was_cut_off_and_never_gave_the_lead_up(net: Balanced) -> None:
    """Its kernel remembers them as they were when it was cut off, and has to learn that they went on."""
    net.balance(both=True)  # nothing says that it reaches no backend
    net.start()
    leader = leads(net)
    held = [Kinds(net.client, vip, 3, push=5.0) for vip in (VIP, VIP6)]
    net.die(leader)
    leads(net, but=leader)
    time.sleep(1)
    net.come_back(leader)
    net.whole()
    net.settle_on(VIP, {leader.name})
    assert [each.broken() for each in held] == [[], []]


def test_connections_outlive_planned_moves_and_a_killed_process_that_comes_back(net: Balanced) -> None:
    net.balance(health=HEALTH, profile="default")
    net.start()
    leader = leads(net)
    held = Kinds(net.client, VIP, 5, push=5.0)
    roost(leader, "drain", leader.name, "--deadline", "1")
    second = leads(net, but=leader)
    leader.signal(signal.SIGTERM)
    assert leader.wait() == 0
    second.signal(signal.SIGKILL)  # alone by now: its kernel goes on
    second.wait()
    assert who(net.client, VIP, 20).keys() == {"s1", "s2", "s3"}, "the client knows where it is"
    second.start()
    until(lambda: second.status()["settled"], "the killed one is back")
    leads(net)
    assert who(net.client, VIP, 20).keys() == {"s1", "s2", "s3"}
    assert held.broken() == []


def test_clients_follow_weights_health_and_drains(net: Balanced) -> None:
    net.balance([1, 2, 5], protocols=("TCP", "UDP"), health=HEALTH)
    net.start()
    leader = leads(net)
    counts = who(net.client, VIP, 400)
    assert counts.total() == 400
    assert 25 <= counts["s1"] <= 80, counts  # 50
    assert 65 <= counts["s2"] <= 140, counts  # 100
    assert 200 <= counts["s3"] <= 300, counts  # 250
    assert who(net.client, VIP, 1, port=81) == {"ConnectionRefusedError": 1}, "it is no service's"
    assert pings(net.client, VIP)

    held = Kinds(net.client, VIP, 6, push=2.0)
    before = until(lambda: backends(leader)["s2"]["connections"], "they are counted")
    net.balance([1, 0, 1], protocols=("TCP", "UDP"), health=HEALTH)
    reload(net)
    assert who(net.client, VIP, 60).keys() == {"s1", "s3"}
    drained = backends(leader)["s2"]
    assert drained["draining"]
    assert drained["connections"] == before
    assert "draining" in roost(leader, "status").stdout
    assert held.broken() == []
    until(lambda: backends(leader)["s2"]["connections"] == 0, "the last one has ended")

    until(lambda: set(states(leader).values()) == {"up"}, "all are up")
    with net.client.entered():
        asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with asking:
        asking.settimeout(1)
        asking.connect((VIP, 80))

        def served() -> str:
            asking.send(b"x")
            return asking.recv(100).decode().split()[0]

        first = served()
        assert served() == first
        number = int(first[1])
        net.servers[number - 1].kill()
        until(lambda: states(leader)[first] == "down", "it is down")
        second = until(served, "another one answers the same socket")
    assert {first, second} == {"s1", "s3"}
    assert backends(leader)[first]["why"] == "Connection refused"
    assert who(net.client, VIP, 30) == {second: 30}
    assert "backend down" in {each["kind"] for each in leader.status()["problems"]}
    assert "Connection refused" in roost(leader, "explain", VIP).stdout
    net.serve(number)
    until(lambda: states(leader)[first] == "up", "it is up again")
    assert who(net.client, VIP, 60).keys() == {"s1", "s3"}


def test_who_reaches_no_backend_does_not_lead_and_with_none_left_one_node_leads(net: Balanced) -> None:
    sorry = {"address": "198.51.100.3", "port": 8080}
    health = {"http": "/", "alpha": True, "interval": "100ms", "rise": 3, "fall": 2}
    net.balance([1, 1, 0], health=health, sorry=sorry)
    net.start()
    for speaker in net.speakers:
        until(partial(is_all_up, speaker), "all have proven themselves")
    net.whole()
    time.sleep(1)  # whoever was fit first has handed over by then
    leader = leads(net)
    assert backends(leader)["s1"]["why"] == "status 200"
    held = Kinds(net.client, VIP, 3, push=3.0)
    at = net.speakers.index(leader)
    net.behind.run("bridge", "link", "set", "dev", f"p{at}", "state", "0")
    leads(net, but=leader)
    until(lambda: "no quorum" in {each["kind"] for each in leader.status()["problems"]}, "it says why")
    assert held.broken() == []

    net.behind.run("bridge", "link", "set", "dev", f"p{at}", "state", "3")
    for server in net.servers[:2]:
        server.kill()
    until(lambda: who(net.client, VIP, 10) == {"s3": 10}, "the sorry server serves")
    net.answered_once([VIP])


def test_a_node_that_returns_leads_once_there_is_a_verdict_on_every_backend(net: Balanced) -> None:
    """With some of them it would break the connections to the others, which its peer knows to be well."""
    slow = 'test "$ROOST_BACKEND_ADDRESS" != 198.51.100.2 || sleep 1'
    command = {"command": ["/bin/sh", "-c", slow], "timeout": "10s", "interval": "100ms", "rise": 2}
    net.balance(health={**command, "alpha": True})
    net.start()
    for speaker in net.speakers:
        until(partial(is_all_up, speaker), "all have proven themselves")
    leader = leads(net)
    leader.signal(signal.SIGTERM)
    assert leader.wait() == 0
    other = leads(net, but=leader)
    held = Kinds(net.client, VIP, 3, push=8.0)
    leader.start()
    until(lambda: leader.status()["services"], "it has begun")
    until(lambda: states(leader)["s1"] == "up", "one has proven itself")
    while True:
        answering = leader.answering()
        if states(leader)["s2"] == "up":
            break
        assert answering == set(), leader.text()
    leads(net, but=other)
    assert held.broken() == []


def test_with_masquerade_backends_need_no_gateway(net: Balanced) -> None:
    for backend in net.backends:
        backend.ip("route del default")
    net.balance(source="masquerade", health=HEALTH)
    net.start()
    leader = leads(net)
    held = Kinds(net.client, VIP, 3, push=3.0)
    roost(leader, "drain", leader.name, "--deadline", "0.2")
    leads(net, but=leader)
    assert held.broken() == [], "they are passed on"
    assert held.peers == {f"198.51.100.{101 + net.speakers.index(leader)}"}


def test_nothing_is_left_after_the_stop_and_all_of_it_after_a_kill(net: Balanced) -> None:
    net.balance(both=True, health=HEALTH)
    (node, other) = net.speakers
    node.namespace.sysctl("net/ipv4/conf/eth1/rp_filter", 1)
    before = settings(node)
    net.start()
    assert settings(node) == [1, 0, 0, 0, 2, 1, 1, 2]
    node.signal(signal.SIGKILL)
    node.wait()
    assert "roost-forward" in node.namespace.run("nft", "-t", "list", "ruleset")
    node.start()
    net.whole()
    node.namespace.run("nft", "flush", "map", "ip", "roost-forward", "back")

    def has_backends() -> bool:
        return "198.51.100.1" in node.namespace.run("nft", "list", "map", "ip", "roost-forward", "back")

    until(has_backends, "it is put back")
    assert "forwarding repaired" in node.text()
    node.signal(signal.SIGTERM)
    assert node.wait() == 0
    assert node.namespace.run("nft", "-t", "list", "ruleset") == ""
    assert settings(node) == before
    other.write(services=[])
    other.signal(signal.SIGHUP)
    until(lambda: "roost-forward" not in other.namespace.run("nft", "-t", "list", "ruleset"), "it is gone")
    assert other.namespace.sysctl("net/ipv4/ip_forward") == 0

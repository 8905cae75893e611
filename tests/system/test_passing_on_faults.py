"""What may befall a LAN while connections are passed on: routers in between, new network cards, two leaders."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.system.connections import Connections, serve
from tests.system.netns import NETNS, Namespace, network
from tests.system.speakers import Lan, Speaker, lan, until
from tests.system.test_drain import roost

pytestmark = NETNS

VIP, VIP6 = "192.0.2.200", "2001:db8::200"
WEB = {"name": "web", "addresses": [VIP, VIP6]}
COUNT = 20  # of each family


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Lan]:
    with lan(tmp_path) as made:
        begin(made)
        yield made


def begin(made: Lan, profile: str = "default") -> None:
    for speaker in made.speakers:
        serve(speaker.namespace)
    made.configure([WEB], profile=profile)
    made.start()
    made.answered_once([VIP])


def held(client: Namespace, pause: float = 0.05) -> Connections:
    return Connections(client, [VIP, VIP6] * COUNT, pause)


def moved(nodes: Lan) -> tuple[Speaker, Speaker]:
    """Drain the leader, whose connections stay open; returns it and its successor, which passes them on."""
    holder = nodes.leader(VIP)
    roost(holder, "drain", holder.name, "--deadline", "0.5")
    successor = nodes.leader(VIP, among=[each for each in nodes.speakers if each is not holder])
    nodes.settle_on(VIP, {successor.name})
    for address in (VIP, VIP6):
        told = f"{address}: passing on to {holder.name}: {COUNT} connections"
        until(lambda told=told: told in roost(successor, "explain", VIP).stdout, told)
    return holder, successor


def test_clients_behind_a_router_keep_their_connections(tmp_path: Path) -> None:
    """One more hop: for every node they are at the router's hardware address."""
    with network() as net:
        router = net.add("router")
        made = Lan(net, tmp_path, 3, router)
        try:
            inner = behind(made, router)
            begin(made)
            before, direct = held(inner), held(made.client)
            _, successor = moved_with(made, 2 * COUNT)
            between = held(inner)
            time.sleep(1)
            assert (before.broken(), direct.broken(), between.broken()) == ([], [], []), successor.text()
        finally:
            made.close()


def behind(made: Lan, router: Namespace) -> Namespace:
    """A client in another subnet, of both families, that `router` leads to."""
    inner = made.net.add("inner")
    made.net.veth(router, "eth1", inner, "eth0")
    for namespace, interface, addresses in (
        (router, "eth0", ("192.0.2.1/24", "2001:db8::1/64")),
        (router, "eth1", ("198.51.100.1/24", "2001:db8:1::1/64")),
        (inner, "eth0", ("198.51.100.101/24", "2001:db8:1::101/64")),
    ):
        for address in addresses:
            namespace.ip(f"addr add {address} dev {interface}")
    router.sysctl("net/ipv4/ip_forward", 1)
    router.sysctl("net/ipv6/conf/all/forwarding", 1)
    inner.ip("route add default via 198.51.100.1")
    inner.ip("route add default via 2001:db8:1::1")
    for speaker in made.speakers:
        speaker.namespace.ip("route add 198.51.100.0/24 via 192.0.2.1")
        speaker.namespace.ip("route add 2001:db8:1::/64 via 2001:db8::1")
    return inner


def moved_with(nodes: Lan, count: int) -> tuple[Speaker, Speaker]:
    holder = nodes.leader(VIP)
    roost(holder, "drain", holder.name, "--deadline", "0.5")
    successor = nodes.leader(VIP, among=[each for each in nodes.speakers if each is not holder])
    nodes.settle_on(VIP, {successor.name})
    for address in (VIP, VIP6):
        told = f"{address}: passing on to {holder.name}: {count} connections"
        until(lambda told=told: told in roost(successor, "explain", VIP).stdout, told)
    return holder, successor


def test_a_new_hardware_address_of_the_holder_is_followed_within_a_second(nodes: Lan) -> None:
    """A bond's failover or another network card: the rules and the kernel's own neighbours follow."""
    connections = held(nodes.client)
    holder, successor = moved(nodes)
    holder.namespace.ip("link set eth0 address 02:00:00:00:aa:01")
    time.sleep(3)
    assert connections.broken() == [], successor.text()
    assert connections.longest < 1.5


def test_a_replaced_network_card_of_the_successor_costs_no_connection(nodes: Lan) -> None:
    connections = held(nodes.client)
    _, successor = moved(nodes)
    node = successor.namespace
    index = json.loads(node.ip("-j link show dev eth0"))[0]["ifindex"]
    port = f"p{nodes.speakers.index(successor)}"
    for number in (index, index + 1000):  # the same index, and another one
        node.run("ip", "link", "del", "eth0")
        nodes.switch.run(
            *f"ip link add {port} type veth peer name eth0 index {number} netns {node.name}".split()
        )
        nodes.switch.ip(f"link set {port} master br0 up")
        node.ip("link set eth0 up")
        node.ip(f"addr add {successor.address}/24 dev eth0")
        node.ip(f"addr add {successor.address.replace('192.0.2.', '2001:db8::')}/64 dev eth0")
        nodes.forget_macs()
        nodes.answered_once([VIP])
        time.sleep(1)
    assert connections.broken() == [], "\n=====\n".join(each.name + each.text() for each in nodes.speakers)

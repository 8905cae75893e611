"""What may befall a LAN while connections are passed on: routers in between, new cards, two leaders."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.connections import Connections, serve
from tests.system.routed import behind_a_router
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


def moved(nodes: Lan, count: int = COUNT) -> tuple[Speaker, Speaker]:
    """Drain the leader, where so many are open for each address; return it and who passes them on."""
    holder = nodes.leader(VIP)
    roost(holder, "drain", holder.name, "--deadline", "0.5")
    successor = nodes.leader(VIP, among=[each for each in nodes.speakers if each is not holder])
    nodes.settle_on(VIP, {successor.name})
    told = [f"{address}: passing on to {holder.name}: {count} connections" for address in (VIP, VIP6)]
    until(lambda: explained(successor, told), f"explain says {told}")
    return holder, successor


def explained(speaker: Speaker, told: list[str]) -> bool:
    text = roost(speaker, "explain", VIP).stdout
    return all(each in text for each in told)


def test_clients_behind_a_router_keep_their_connections(tmp_path: Path) -> None:
    """One more hop: for every node they are at the router's hardware address."""
    with network() as net:
        made = Lan(net, tmp_path, 3)
        try:
            inner = behind_a_router(made)
            begin(made)
            before, direct = held(inner), held(made.client)
            _, successor = moved(made, 2 * COUNT)
            between = held(inner)
            time.sleep(1)
            assert (before.broken(), direct.broken(), between.broken()) == ([], [], []), successor.text()
        finally:
            made.close()


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

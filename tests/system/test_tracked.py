"""What the kernel tracks of translated connections: those of an address are found, they alone forgotten."""

from collections.abc import Iterator
from ipaddress import ip_address

import pytest
from tests.system.connections import Connections, serve
from tests.system.netns import NETNS, Namespace, network

from roost.model.address import IPAddress
from roost.runtime.flows import flows_of
from roost.runtime.tracked import forget_all, tracked

pytestmark = NETNS

VIPS = tuple(map(ip_address, ("192.0.2.200", "192.0.2.201", "2001:db8::200", "2001:db8::201")))
COUNTS = dict(zip(VIPS, (1, 2, 3, 4), strict=True))


@pytest.fixture
def translator() -> Iterator[Namespace]:
    """A node that sends connections to VIPS to a server behind it; some to each are open."""
    with network() as net:
        node, client, pod = net.add("node"), net.add("client"), net.add("pod")
        net.veth(node, "eth0", client, "eth0")
        net.veth(node, "pod0", pod, "eth0")
        for namespace, interface, numbers in (
            (node, "eth0", ("192.0.2.11/24", "2001:db8::11/64")),
            (client, "eth0", ("192.0.2.101/24", "2001:db8::101/64")),
            (node, "pod0", ("198.51.100.15/24", "2001:db8:51::f/64")),
            (pod, "eth0", ("198.51.100.1/24", "2001:db8:51::1/64")),
        ):
            for number in numbers:
                namespace.ip(f"addr add {number} dev {interface}")
        node.sysctl("net/ipv4/ip_forward", 1)
        node.sysctl("net/ipv6/conf/all/forwarding", 1)
        for family, server in (("ip", "198.51.100.1"), ("ip6", "[2001:db8:51::1]")):
            node.run("nft", f"add table {family} lb")
            node.run("nft", f"add chain {family} lb to {{ type nat hook prerouting priority -100; }}")
            node.run("nft", f"add rule {family} lb to tcp dport 8080 dnat to {server}:8080")
        for vip in VIPS:
            client.ip(f"route add {vip} via {'192.0.2.11' if vip.version == 4 else '2001:db8::11'}")
        for gateway in ("198.51.100.15", "2001:db8:51::f"):
            pod.ip(f"route add default via {gateway}")
        serve(pod)
        held = Connections(client, [str(vip) for vip, count in COUNTS.items() for _ in range(count)])
        yield node
        held.broken()


def found() -> dict[IPAddress, int]:
    return {vip: len(list(tracked(vip.version, to=vip))) for vip in VIPS}


def test_those_of_each_address_are_found(translator: Namespace) -> None:
    with translator.entered():
        assert found() == COUNTS
        for some in (VIPS[:1], VIPS[2:3], VIPS, (*VIPS, ip_address("2001:db8::202"))):
            assert len(flows_of(some)) == sum(COUNTS.get(each, 0) for each in some)
        clients = [ip_address("192.0.2.101"), ip_address("2001:db8::101")]
        assert [len(list(tracked(each.version, back_to=each))) for each in clients] == [3, 7]


@pytest.mark.parametrize("vip", VIPS, ids=str)
def test_only_those_of_the_address_are_forgotten(translator: Namespace, vip: IPAddress) -> None:
    with translator.entered():
        forget_all(ip_address("192.0.2.202" if vip.version == 4 else "2001:db8::202"))
        assert found() == COUNTS
        forget_all(vip)
        after = found()
    # What goes on may be tracked anew.
    assert {each: count for each, count in after.items() if each != vip} == {
        each: count for each, count in COUNTS.items() if each != vip
    }

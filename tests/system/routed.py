"""A client that is one router away from the LAN."""

from tests.system.netns import Namespace
from tests.system.speakers import Lan

__all__ = ["behind_a_router", "router_and_client"]


def behind_a_router(lan: Lan) -> Namespace:
    """Return a client in a subnet of its own, of both families; every node's way back is the router."""
    return router_and_client(lan)[1]


def router_and_client(lan: Lan) -> tuple[Namespace, Namespace]:
    """Return the router, whose eth0 is on the LAN, and a client in a subnet of its own behind it."""
    router, inner = lan.net.add("router"), lan.net.add("inner")
    lan.net.veth(lan.switch, "router", router, "eth0")
    lan.switch.ip("link set router master br0")
    lan.net.veth(router, "eth1", inner, "eth0")
    for namespace, interface, addresses in (
        (router, "eth0", ("192.0.2.1/24", "2001:db8::1/64")),
        (router, "eth1", ("203.0.113.1/24", "2001:db8:9::1/64")),
        (inner, "eth0", ("203.0.113.101/24", "2001:db8:9::101/64")),
    ):
        for address in addresses:
            namespace.ip(f"addr add {address} dev {interface}")
    router.sysctl("net/ipv4/ip_forward", 1)
    router.sysctl("net/ipv6/conf/all/forwarding", 1)
    inner.ip("route add default via 203.0.113.1")
    inner.ip("route add default via 2001:db8:9::1")
    for speaker in lan.speakers:
        speaker.namespace.ip("route add 203.0.113.0/24 via 192.0.2.1")
        speaker.namespace.ip("route add 2001:db8:9::/64 via 2001:db8::1")
    return router, inner

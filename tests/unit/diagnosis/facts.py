"""Healthy facts, to have one thing wrong in each."""

from dataclasses import replace
from ipaddress import IPv4Network, ip_address, ip_interface
from typing import Any

from roost.model.diagnosis.facts import Facts, Gossip, Host, Lan, Peer, Route, Tally, Wish
from roost.model.link import Link

__all__ = ["ADDRESSES", "LINK", "MACS", "healthy", "kinds", "on_host", "with_peer", "with_settings"]

MACS = {name: bytes([2, 0, 0, 0, 0, number]) for number, name in enumerate(("n1", "n2", "x"), 1)}
ADDRESSES = (ip_address("192.0.2.200"), ip_address("2001:db8::200"))


def link(index: int, name: str, *addresses: str, **more: Any) -> Link:
    facts: dict[str, Any] = {"mac": MACS["n1"], "loopback": False} | more
    own = tuple(map(ip_interface, addresses))
    return Link(index, name, up=True, carrier=True, broadcast=True, no_arp=False, addresses=own, **facts)


LINK = link(2, "eth0", "192.0.2.11/24", "2001:db8::11/64")
_LO = link(1, "lo", "127.0.0.1/8", loopback=True, mac=b"")
_ONE = Tally(1, 1)
PEER = Peer(
    name="n2",
    address="192.0.2.12",
    link="eth0",
    gossip=Gossip(udp_out=True, udp_in=True, tcp=True, understood=True),
    echo=_ONE,
    full_echo=_ONE,
    mtu=1500,
    broadcast=_ONE,
    unicast=_ONE,
    burst=Tally(20, 20),
    after_burst=_ONE,
    clock=0.01,
)


def healthy() -> Facts:
    """A node with one link and one peer, as a distribution sets it up; its speaker runs."""
    settings = {
        f"net.ipv4.conf.{where}.{name}": value
        for where in ("all", "default", "eth0")
        for name, value in {
            "arp_ignore": "0" if where == "all" else "3",
            "arp_announce": "0" if where == "all" else "2",
            "rp_filter": "1",
            "proxy_arp": "0",
            "proxy_arp_pvlan": "0",
            "drop_gratuitous_arp": "0",
            "route_localnet": "0",
        }.items()
    } | {
        "net.ipv6.conf.eth0.disable_ipv6": "0",
        "net.ipv4.neigh.eth0.base_reachable_time_ms": "30000",
        "net.ipv4.neigh.default.gc_thresh3": "1024",
        "net.netfilter.nf_conntrack_tcp_loose": "1",
        "net.netfilter.nf_conntrack_count": "120",
        "net.netfilter.nf_conntrack_max": "65536",
    }
    host = Host(
        links=(_LO, LINK),
        settings=settings,
        routes=(Route(IPv4Network("0.0.0.0/0"), "eth0"), Route(IPv4Network("192.0.2.0/24"), "eth0")),
        neighbours=12,
        features={"nftables": "", "bpf": "Operation not permitted", "packet sockets": ""},
        ruleset=(),
    )
    lan = Lan(
        peers=(PEER,),
        holders={ADDRESSES[0]: (("eth0", MACS["n2"]),), ADDRESSES[1]: ()},
        nodes={MACS["n1"]: "n1", MACS["n2"]: "n2"},
    )
    wish = Wish(interfaces=("eth0",), addresses=ADDRESSES, port=7946)
    return Facts(wish=wish, host=host, lan=lan, status={"problems": []})


def on_host(**changes: Any) -> Facts:
    facts = healthy()
    return replace(facts, host=replace(facts.host, **changes))


def with_settings(**changes: str) -> Facts:
    """Dots of a name are written as two underscores."""
    facts = healthy()
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return replace(facts, host=replace(facts.host, settings={**facts.host.settings, **named}))


def with_peer(**changes: Any) -> Facts:
    facts = healthy()
    return replace(facts, lan=replace(facts.lan, peers=(replace(PEER, **changes),)))


def kinds(facts: Facts) -> list[str]:
    from roost.model.diagnosis import judge

    return [each.kind for each in judge(facts)]

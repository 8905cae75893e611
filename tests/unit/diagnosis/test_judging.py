"""One thing wrong, one finding of the right kind; what is unusual and harmless is none."""

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest
from tests.unit.diagnosis.facts import (
    ADDRESSES,
    LINK,
    MACS,
    healthy,
    kinds,
    link,
    on_host,
    with_peer,
    with_settings,
)

from roost.model.diagnosis import judge
from roost.model.diagnosis.facts import Facts, Gossip, Manager, Proxy, Route, Tally, Wish
from roost.model.diagnosis.finding import KINDS

ETH0 = "net__ipv4__conf__eth0__"
ALL = "net__ipv4__conf__all__"
SILENT = Tally(2, 0)
MANAGEMENT = link(3, "mgmt0", "198.51.100.11/24", mac=MACS["x"])
BY_MANAGEMENT = (Route(IPv4Network("0.0.0.0/0"), "mgmt0"), Route(IPv4Network("192.0.2.0/24"), "eth0"))


def at_home(facts: Facts, **changes: Any) -> Facts:
    return replace(facts, wish=replace(facts.wish, **changes))


def held(*macs: bytes) -> Facts:
    facts = healthy()
    holders = {ADDRESSES[0]: tuple(("eth0", mac) for mac in macs)}
    return replace(facts, lan=replace(facts.lan, holders=holders))


WRONG = {
    "strict filter, the way back elsewhere": (
        on_host(links=(LINK, MANAGEMENT), routes=BY_MANAGEMENT),
        "reverse path filter",
    ),
    "strict filter, two links in one subnet": (
        on_host(links=(LINK, link(3, "eth1", "192.0.2.111/24"))),
        "reverse path filter",
    ),
    "somebody reset the ARP settings": (with_settings(**{ETH0 + "arp_ignore": "0"}), "kernel answers ARP"),
    "somebody reset arp_announce": (with_settings(**{ETH0 + "arp_announce": "0"}), "kernel answers ARP"),
    "a reserved value everywhere": (with_settings(**{ALL + "arp_ignore": "5"}), "kernel answers ARP"),
    "no ARP at all": (with_settings(**{ETH0 + "arp_ignore": "8"}), "kernel is silent"),
    "proxy ARP of the whole subnet": (with_settings(**{ETH0 + "proxy_arp_pvlan": "1"}), "proxy ARP"),
    "gratuitous ARP dropped": (with_settings(**{ALL + "drop_gratuitous_arp": "1"}), "learning off"),
    "route_localnet": (with_settings(**{ALL + "route_localnet": "1"}), "route_localnet"),
    "IPv6 off": (with_settings(net__ipv6__conf__eth0__disable_ipv6="1"), "IPv6 off"),
    "neighbours for an hour": (
        with_settings(net__ipv4__neigh__eth0__base_reachable_time_ms="3600000"),
        "neighbours kept long",
    ),
    "conntrack strict": (with_settings(net__netfilter__nf_conntrack_tcp_loose="0"), "conntrack strict"),
    "conntrack full": (with_settings(net__netfilter__nf_conntrack_count="64000"), "conntrack full"),
    "neighbour table full": (on_host(neighbours=1020), "neighbours full"),
    "kube-proxy, IPVS": (
        at_home(
            replace(
                with_settings(**{ETH0 + "arp_ignore": "0", ETH0 + "arp_announce": "0"}),
                host=replace(
                    with_settings(**{ETH0 + "arp_ignore": "0", ETH0 + "arp_announce": "0"}).host,
                    proxy=Proxy("ipvs", "127.0.0.1:10249/proxyMode"),
                ),
            ),
            local=False,
        ),
        "strict ARP off",
    ),
    "no right to packets": (on_host(lacking=("CAP_NET_RAW",), whose="the speaker (pid 7)"), "rights"),
    "/proc/sys read-only": (on_host(settings_read_only=True), "settings read-only"),
    "no nftables": (
        on_host(features={"nftables": "Protocol not supported"}),
        "kernel feature",
    ),
    "BPF by name": (at_home(healthy(), responder="tcx"), "kernel feature"),
    "BPF to spread connections": (at_home(healthy(), spreads=True), "kernel feature"),
    "a bond that balances by ARP": (on_host(bonds={"eth0": "balance-alb"}), "bond rewrites ARP"),
    "wireless": (on_host(wireless=frozenset({"eth0"})), "promiscuous mode needed"),
    "networkd on lo": (
        on_host(managers=(Manager("systemd-networkd", "lo", "/etc/systemd/network/lo", "addresses"),)),
        "addresses removed",
    ),
    "no UDP to the peer": (
        with_peer(gossip=Gossip(udp_out=False, tcp=True, understood=True)),
        "gossip blocked",
    ),
    "no UDP from the peer": (
        with_peer(gossip=Gossip(udp_out=True, udp_in=False, tcp=True, understood=True)),
        "gossip blocked",
    ),
    "no TCP to the peer": (with_peer(gossip=Gossip(udp_out=True, tcp=False)), "gossip blocked"),
    "nothing to the peer": (with_peer(gossip=Gossip(udp_out=False, tcp=False)), "gossip blocked"),
    "another key": (with_peer(gossip=Gossip(udp_out=False, tcp=True, understood=False)), "wrong key"),
    "a small MTU": (with_peer(full_echo=SILENT), "MTU"),
    "a clock ahead": (with_peer(clock=7.5), "clock"),
    "a clock behind": (with_peer(clock=-3600.0), "clock"),
    "inspection drops": (with_peer(broadcast=SILENT, unicast=SILENT), "ARP inspected"),
    "inspection limits": (with_peer(burst=Tally(20, 9)), "ARP limited"),
    "inspection shuts": (with_peer(burst=Tally(20, 9), after_burst=SILENT), "ARP limited"),
    "no broadcast": (with_peer(broadcast=SILENT), "broadcast suppressed"),
    "no multicast": (with_peer(address="2001:db8::12", broadcast=SILENT), "multicast suppressed"),
    "two hold the address": (held(MACS["n1"], MACS["n2"]), "duplicate address"),
    "a stranger holds it": (held(MACS["x"]), "duplicate address"),
    "a file that does not hold": (
        replace(healthy(), file_errors=(("critical", "roost.yaml:3: x is not a known key", "remove it"),)),
        "configuration",
    ),
    "the speaker says so": (
        replace(
            healthy(),
            status={
                "problems": [{"kind": "other services", "severity": "warning", "text": "n2", "cure": "c"}]
            },
        ),
        "other services",
    ),
    "no link": (
        replace(at_home(healthy(), interfaces=("eth9",)), status=None),
        "interface",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_one_thing_wrong_is_named_and_nothing_else(name: str) -> None:
    facts, kind = WRONG[name]
    (finding,) = judge(facts)
    assert finding.kind == kind
    assert finding.severity == KINDS.get(kind, "warning")
    assert finding.text
    assert finding.evidence
    assert finding.cure


HARMLESS = {
    "nothing": healthy(),
    "strict filter, one way": with_settings(**{ALL + "rp_filter": "1"}),
    "loose filter, the way back elsewhere": on_host(
        links=(LINK, MANAGEMENT),
        routes=BY_MANAGEMENT,
        settings=with_settings(**{ETH0 + "rp_filter": "2"}).host.settings,
    ),
    "before the speaker has set anything": replace(
        with_settings(**{ETH0 + "arp_ignore": "0", ETH0 + "arp_announce": "0"}), status=None
    ),
    "stricter by hand": with_settings(**{ALL + "arp_ignore": "1", ALL + "arp_announce": "2"}),
    "proxy ARP for others, as Calico has it": with_settings(**{ETH0 + "proxy_arp": "1"}),
    "no packets passed on, by wish": at_home(
        replace(
            on_host(features={"nftables": "Protocol not supported"}),
            host=replace(
                with_settings(net__netfilter__nf_conntrack_tcp_loose="0").host,
                features={"nftables": "Protocol not supported"},
            ),
        ),
        keep_connections=False,
    ),
    "kube-proxy, nftables": on_host(proxy=Proxy("nftables", "127.0.0.1:10249/proxyMode")),
    "kube-proxy, IPVS, strict": at_home(
        on_host(proxy=Proxy("ipvs", "config.conf", strict_arp=True)), local=False
    ),
    "a peer that is off": with_peer(
        gossip=Gossip(udp_out=False, tcp=False),
        echo=SILENT,
        broadcast=SILENT,
        unicast=Tally(0, 0),
        full_echo=SILENT,
    ),
    "a peer whose speaker does not run": with_peer(gossip=Gossip(udp_out=False, tcp=False, refused=True)),
    "a peer that answers no echo": with_peer(echo=SILENT, full_echo=SILENT),
    "a wireless link, promiscuous": on_host(wireless=frozenset({"eth0"}), promiscuous=frozenset({"eth0"})),
    "networkd on another link": on_host(
        managers=(Manager("systemd-networkd", "mgmt0", "/etc/systemd/network/m.network", "addresses"),)
    ),
    "one leader": held(MACS["n2"]),
    "nothing known": Facts(wish=Wish()),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_hurts_nobody_is_no_finding(name: str) -> None:
    assert kinds(HARMLESS[name]) == []


def test_critical_ones_come_first() -> None:
    facts = with_peer(full_echo=SILENT, gossip=Gossip(udp_out=False, tcp=True, understood=False))
    assert kinds(facts) == ["wrong key", "MTU"]


def test_every_kind_is_tested() -> None:
    firewall = {
        "firewall drops gossip",
        "firewall drops echo",
        "firewall drops ARP",
        "firewall drops connections",
    }
    assert {kind for _, kind in WRONG.values()} | firewall >= set(KINDS)

"""Beside keepalived (Debian): who leads, in both versions, both families, by multicast and by unicast."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from tests.interop.vrrp.daemons import KEEPALIVED, Router
from tests.interop.vrrp.lan import service, vrrp_lan
from tests.system.netns import NETNS
from tests.system.speakers import until

pytestmark = [pytest.mark.interop, KEEPALIVED, *NETNS]

LOCAL = "fe80::c8"


def kinds(priority: int) -> list[dict[str, Any]]:
    """One service of Roost's of each kind; n2 is the peer."""
    return [
        service(31, ["192.0.2.131"], priority),
        service(32, ["192.0.2.132", "192.0.2.142"], priority),
        service(33, [LOCAL, "2001:db8::133"], priority),
        service(34, ["192.0.2.134"], priority, peers=["192.0.2.12"]),
        service(35, [LOCAL.replace("c8", "c9"), "2001:db8::135"], priority, peers=["2001:db8::12"]),
        service(36, ["192.0.2.136"], priority, version=2, interval=1, auth={"pass": "secret12"}),
        service(37, ["192.0.2.137"], priority, version=2, interval=1),
        service(39, ["192.0.2.139"], priority, interval=0.01),
        service(38, ["192.0.2.138", LOCAL.replace("c8", "ca"), "2001:db8::138"], priority),
    ]


PEERS = [
    Router(31, ["192.0.2.131"]),
    Router(32, ["192.0.2.132", "192.0.2.142"]),
    Router(33, [LOCAL, "2001:db8::133"]),
    Router(34, ["192.0.2.134"], peers=["192.0.2.11"]),
    Router(35, [LOCAL.replace("c8", "c9"), "2001:db8::135"], peers=["2001:db8::11"], source="2001:db8::12"),
    Router(36, ["192.0.2.136"], version=2, interval=1, password="secret12"),
    Router(37, ["192.0.2.137"], version=2, interval=1),
    Router(39, ["192.0.2.139"], interval=0.01),
    Router(38, ["192.0.2.138"]),
    Router(38, [LOCAL.replace("c8", "ca"), "2001:db8::138"]),
]
QUICK = [
    each
    for router in PEERS
    for each in router.addresses
    if router.version == 3 and not each.startswith("fe80")
]
ADDRESSES = [each for router in PEERS for each in router.addresses if each.startswith(("192", "2001"))]


def test_every_kind_is_master_and_backup_beside_it(tmp_path: Path) -> None:
    with vrrp_lan(tmp_path) as lan:
        peer = lan.keepalived(2)
        peer.start(*PEERS)
        lan.led_by(2, ADDRESSES)
        roost = lan.roost(1, *kinds(150))
        lan.led_by(1, ADDRESSES)
        roost.signal(signal.SIGTERM)
        lan.led_by(2, ADDRESSES)
        assert roost.wait() == 0
        roost = lan.roost(1, *kinds(50))
        time.sleep(0.5)
        lan.led_by(2, ADDRESSES)
        lan.link(2, "down")
        lan.led_by(1, QUICK)


def test_who_keeps_the_lead_without_preemption_and_of_equals(tmp_path: Path) -> None:
    """n2 runs keepalived, and has the higher address."""
    ours, theirs, tie, slow = (f"192.0.2.{last}" for last in (141, 142, 143, 144))
    with vrrp_lan(tmp_path) as lan:
        peer = lan.keepalived(2)
        routers = (
            Router(41, [ours], 100, preempt=False),
            Router(42, [theirs], 150, preempt=False),
            Router(43, [tie], 100),
            Router(44, [slow], 100, interval=1),
        )
        peer.start(*routers)
        lan.led_by(2, [ours, theirs, tie, slow])
        roost = lan.roost(
            1,
            service(41, [ours], 150, preempt=False),
            service(42, [theirs], 100),
            service(43, [tie], 100),
            service(44, [slow], 200, interval=1, preempt=False),
        )
        time.sleep(0.6)  # Roost's better one could have taken over by now
        lan.led_by(2, [ours, theirs, tie, slow])
        peer.terminate()
        until(lambda: len(roost.answering()) == 4, "priority 0 is followed within the skew", 2.0)
        peer.start(*routers)
        time.sleep(0.6)
        lan.led_by(1, [ours, theirs, tie, slow])
        lan.lan.cut(lan.lan.speakers[0])
        until(lambda: peer.states(43)[-1] == "MASTER", "keepalived leads, too")
        lan.lan.heal(lan.lan.speakers[0])
        lan.led_by(2, [tie])


def test_after_a_heal_that_only_keepalived_noticed_clients_come_back(tmp_path: Path) -> None:
    """keepalived leaves clients on the wrong hardware address here."""
    vip = "192.0.2.145"
    with vrrp_lan(tmp_path) as lan:
        peer, nodes, client = lan.keepalived(2), lan.lan.speakers, lan.lan.client
        roost = lan.roost(1, service(45, [vip], 150))
        until(roost.answering, "Roost leads")
        led = time.monotonic()
        peer.start(Router(45, [vip], 100))
        lan.lan.cut(nodes[0])
        until(lambda: peer.states(45)[-1:] == ["MASTER"], "keepalived leads on its side")
        client.ip(f"neigh replace {vip} lladdr {nodes[1].namespace.mac('eth0').hex(':')} nud stale dev eth0")
        # keepalived's second burst of gratuitous ARP is over then, and the last of Roost's rounds.
        time.sleep(max(1.2, led + 4.3 - time.monotonic()))
        nodes[0].namespace.run("nft", "add table inet deaf")
        nodes[0].namespace.run(
            "nft", "add chain inet deaf input { type filter hook input priority 0; policy accept; }"
        )
        nodes[0].namespace.run("nft", "add rule inet deaf input meta l4proto 112 drop")
        lan.lan.heal(nodes[0])
        until(lambda: peer.states(45)[-1] == "BACKUP", "keepalived gives way")
        mac = nodes[0].namespace.mac("eth0").hex(":")
        until(lambda: mac in client.ip(f"neigh show {vip}"), "the client is told", 5.0)
        assert roost.answering() == {vip}

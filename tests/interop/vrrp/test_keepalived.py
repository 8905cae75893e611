"""Beside keepalived (Debian): who leads, in both versions, both families, by multicast and by unicast."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from tests.interop.vrrp.daemons import KEEPALIVED, Router
from tests.interop.vrrp.lan import service, vrrp_lan
from tests.system.netns import NETNS

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
    Router(38, ["192.0.2.138"]),
    Router(38, [LOCAL.replace("c8", "ca"), "2001:db8::138"]),
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
        lan.led_by(1, ADDRESSES)

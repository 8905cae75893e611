"""Beside FRR's vrrpd (Debian), which has version 3 alone here and always uses virtual hardware addresses."""

from pathlib import Path

import pytest
from tests.interop.vrrp.daemons import FRR, Router
from tests.interop.vrrp.lan import service, vrrp_lan
from tests.system.netns import NETNS
from tests.system.speakers import until

pytestmark = [pytest.mark.interop, FRR, *NETNS]

V4, V6 = ["192.0.2.161"], ["2001:db8::162"]


def test_it_is_backup_and_master_beside_roost(tmp_path: Path) -> None:
    with vrrp_lan(tmp_path) as lan:
        peer = lan.frr(2)
        peer.start(
            Router(61, V4),
            Router(62, V6),
            Router(63, ["192.0.2.163"], version=2, interval=1),
            Router(64, ["192.0.2.164"], 200),
        )

        until(lambda: peer.states() == dict.fromkeys((61, 62, 63, 64), "Master"), "FRR leads alone")
        roost = lan.roost(
            1,
            service(61, V4, 150),
            service(62, V6, 150, virtualMac=True),
            service(63, ["192.0.2.163"], 150, version=2, interval=1),
            service(64, ["192.0.2.164"], 150),
        )
        expected = {61: "Backup", 62: "Backup", 63: "Backup", 64: "Master"}
        until(lambda: peer.states() == expected, "FRR gives way to the better one, and to no other")
        assert roost.answering() == {*V4, *V6, "192.0.2.163"}
        (heard,) = roost.ask("/v1/explain/s64")["vrrp"][0]["peers"]
        assert (heard["address"], heard["priority"], heard["state"]) == ("192.0.2.12", 200, "master")
        lan.link(1, "down")
        until(lambda: [peer.states()[each] for each in (61, 62)] == ["Master"] * 2, "FRR takes over")
        assert not roost.answering()

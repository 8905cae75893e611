"""Which links can announce, and why others cannot."""

from ipaddress import ip_address
from typing import Any

import pytest
from tests.unit.decide.builders import link

from roost.model.link import reaches, why_silent


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({}, ""),
        ({"name": "eth1"}, "not among the configured interfaces"),
        ({"master": 7, "master_kind": "bridge"}, "is a port of a bridge"),
        ({"master": 7, "master_kind": "bond"}, "is a port of a bond"),
        ({"master": 7, "master_kind": "vrf"}, ""),
        ({"master": 7}, ""),
        ({"mac": b""}, "has no hardware address"),
        ({"no_arp": True}, "does not do ARP"),
        ({"broadcast": False}, "does not do ARP"),
        ({"up": False}, "is down"),
        ({"carrier": False}, "has no carrier"),
        ({"up": False, "carrier": False}, "is down"),
    ],
)
def test_why_a_link_is_silent(facts: dict[str, Any], why: str) -> None:
    assert why_silent(link(**facts), ("eth0",)) == why


def test_patterns_are_for_whole_names_and_none_allows_all() -> None:
    assert why_silent(link(name="eth0.5"), ("eth0",))
    assert not why_silent(link(name="eth0.5"), ("eth0", r"eth\d\.\d"))
    assert not why_silent(link(name="anything"), None)
    assert why_silent(link(), ())


def test_a_link_reaches_its_own_subnets() -> None:
    both = link(address="192.0.2.11/24 2001:db8::11/64")
    assert reaches(both, ip_address("192.0.2.200"))
    assert reaches(both, ip_address("2001:db8::200"))
    assert not reaches(both, ip_address("198.51.100.1"))
    assert not reaches(link(address=""), ip_address("192.0.2.200"))

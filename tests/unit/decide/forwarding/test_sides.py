"""Clients find the service's addresses on their link, backends the gateway on theirs."""

from dataclasses import replace
from ipaddress import ip_address, ip_interface
from typing import Literal

import pytest
from tests.unit.decide.builders import link
from tests.unit.decide.one import One, address_of
from tests.unit.model.builders import EVERYWHERE

from roost.decide.effects import PassOn
from roost.decide.forwarding.sides import wrong_sides
from roost.model.address import IPAddress
from roost.model.announcement import Announcement
from roost.model.fitness import FIT, Fitness
from roost.model.forwarding import Backend, Forward
from roost.model.service import Port, Service

VIP, GATEWAY = ip_address("192.0.2.200"), ip_address("198.51.100.254")
BACKENDS = (Backend(ip_address("198.51.100.1"), 8080),)
KEEP = Forward(BACKENDS, (GATEWAY,))
MASQUERADE = Forward(BACKENDS, source="masquerade")
ETH0 = link(1)
ETH1 = replace(
    link(1), index=3, name="eth1", mac=b"\x02\0\0\0\1\1", addresses=(ip_interface("198.51.100.101/24"),)
)
BOTH = (ETH0, ETH1)


def beside(address: object, forward: Forward, *links: object, told: Announcement | None = None) -> set[str]:
    return set(wrong_sides(address, forward, told or Announcement(), links))  # type: ignore[arg-type]


def test_each_on_its_own_side() -> None:
    assert beside(VIP, KEEP, *BOTH) == {"eth1"}
    assert beside(GATEWAY, KEEP, *BOTH) == {"eth0"}
    assert beside(VIP, MASQUERADE, *BOTH) == {"eth1"}


def test_where_there_is_one_side_all_is_there() -> None:
    assert beside(VIP, KEEP, ETH0) == beside(GATEWAY, KEEP, ETH0) == set()
    assert beside(VIP, KEEP, ETH1) == set()


def test_an_address_of_neither_subnet_is_for_clients_behind_routers() -> None:
    assert beside(ip_address("203.0.113.1"), KEEP, *BOTH) == {"eth1"}


def test_a_link_that_is_not_to_announce_does_not_count() -> None:
    assert beside(GATEWAY, KEEP, *BOTH, told=Announcement(("eth0",))) == set()


def balanced(forward: Forward, *addresses: IPAddress) -> Service:
    told = (*addresses, *forward.gateways)
    return Service("web", told, (EVERYWHERE,), deliver="forward", ports=(Port(80),), forward=forward)


def test_nothing_is_answered_before_this_host_forwards_it() -> None:
    one = One(balanced(KEEP, VIP), peers=(), links=BOTH)
    one.run(2.0)
    assert one.answered == frozenset()
    assert "is not on this host yet" in one.decider.why(VIP)
    one.tell(one.decider.delivered, frozenset({VIP, GATEWAY}), {})
    answered = one.decider.announcements
    assert answered[VIP].beside == {"eth1"}
    assert answered[GATEWAY].beside == {"eth0"}
    one.plug(ETH0)
    assert one.decider.announcements[GATEWAY].beside == frozenset()


@pytest.mark.parametrize(("source", "passed_on"), [("keep", False), ("masquerade", True)])
def test_connections_that_any_node_takes_over_are_not_passed_on(
    source: Literal["keep", "masquerade"], passed_on: bool
) -> None:
    led_by_another = address_of(2, 1, 3)
    forward = Forward(BACKENDS, (led_by_another,) if source == "keep" else (), source=source)
    vip = address_of(2, 1, 3, number=1)
    one = One(balanced(forward, vip))
    one.tell(one.decider.delivered, frozenset({vip, led_by_another}), {})
    one.have(2, draining=True)
    one.run(2.0)
    assert vip in one.answered
    told = [each for each in one.effects if isinstance(each, PassOn)]
    assert any(vip in each.onward for each in told) is passed_on


def test_a_node_that_reaches_no_backend_does_not_lead_what_another_can() -> None:
    gateway, vip = address_of(1, 2, 3), address_of(1, 2, 3, number=1)
    one = One(balanced(Forward(BACKENDS, (gateway,)), vip))
    one.tell(one.decider.delivered, frozenset({vip, gateway}), {})
    one.run(1.0)
    assert one.answered == {vip, gateway}
    one.tell(one.decider.reached, {"web": Fitness(fit=False, why="0 of 1 IPv4 backends are usable")})
    one.claim(vip, 2)
    one.claim(gateway, 2)
    one.run(5.0)
    assert one.answered == frozenset()
    one.tell(one.decider.reached, {"web": FIT})
    one.run(5.0)
    assert one.answered == {vip, gateway}
    one.tell(one.decider.reached, {})
    one.run(60.0)
    assert one.answered == {vip, gateway}

"""What a node does about connections that it tracks, when another one may have gone on with them."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from tests.unit.decide.builders import link
from tests.unit.decide.one import One, address_of, web
from tests.unit.decide.vrrp.lan import VrrpLan, routed

from roost.decide.effects import ForgetTracked, LoosenTracked
from roost.model.address import IPAddress
from roost.model.forwarding import Backend, Forward
from roost.model.node import Verdict

MINE, THEIRS, OTHER = address_of(1, 2, 3), address_of(2, 1, 3), address_of(1, 3, 2)
FORWARD = Forward((Backend(ip_address("198.51.100.1"), 8080),))
MASQUERADE = replace(FORWARD, source="masquerade")


def leading() -> One:
    """n1 balances MINE, and has begun to answer for it; it answers for OTHER, too."""
    one = One(web(MINE, forward=FORWARD), web(OTHER, name="other"))
    one.tell(one.decider.delivered, frozenset({MINE}), {})
    assert one.answered == {MINE, OTHER}
    return one


def done(one: One) -> list[tuple[str, IPAddress]]:
    """Return what it has done since the last call, and with connections to which address."""
    found = [
        ("forgets" if isinstance(effect, ForgetTracked) else "loosens", address)
        for effect in one.effects
        if isinstance(effect, ForgetTracked | LoosenTracked)
        for address in effect.addresses
    ]
    one.effects.clear()
    return found


def test_a_node_that_begins_to_answer_forgets_them_once() -> None:
    one = leading()
    assert done(one) == [("forgets", MINE)]
    one.run(5.0)
    assert done(one) == []
    one.want(web(THEIRS, name="theirs", forward=FORWARD), web(MINE, forward=FORWARD))
    one.tell(one.decider.delivered, frozenset({MINE, THEIRS}), {})
    one.have(2, Verdict.UNREACHABLE)
    assert done(one) == [("forgets", THEIRS)]


def test_masqueraded_connections_are_this_nodes_own() -> None:
    one = One(web(MINE, forward=MASQUERADE))
    one.tell(one.decider.delivered, frozenset({MINE}), {})
    assert one.answered == {MINE}
    assert done(one) == []


def test_a_leader_that_its_peers_had_lost_loosens_them_though_it_has_led_all_along() -> None:
    one = leading()
    done(one)
    one.tell(one.decider.accused, "n2")
    assert one.answered == {MINE, OTHER}
    assert done(one) == [("loosens", MINE)]


@pytest.mark.parametrize("gossip_forgets", [False, True])
def test_a_leader_that_sees_a_lost_peer_again_loosens_them(gossip_forgets: bool) -> None:
    """With two nodes neither knows which of them was cut off, and whether the other one has led."""
    one = leading()
    one.have(2, Verdict.DEAD)
    if gossip_forgets:
        one.forget(2)
    done(one)
    one.have(2)
    assert done(one) == [("loosens", MINE)]
    one.have(2, Verdict.SUSPECT)
    one.have(2)
    one.have(2, Verdict.LEAVING)
    one.have(2)
    assert done(one) == []


def test_nobody_accuses_itself() -> None:
    one = leading()
    done(one)
    one.tell(one.decider.accused, "n1")
    one.tell(one.decider.accused, "")
    assert done(one) == []


def test_a_leader_that_keeps_its_address_against_a_peer_loosens_them() -> None:
    one = leading()
    done(one)
    one.claim(MINE, 2)
    one.claim(OTHER, 2)
    assert one.answered == {MINE, OTHER}
    assert done(one) == [("loosens", MINE)]


def test_claims_of_strangers_cost_no_connection() -> None:
    one = leading()
    done(one)
    one.claim(MINE, 99)
    assert done(one) == []


def test_a_node_whose_cable_is_back_forgets_them() -> None:
    one = leading()
    done(one)
    one.plug(link(carrier=False))
    one.run(1.0)
    one.plug(link())
    one.run(1.0)
    assert one.answered == {MINE, OTHER}
    assert done(one) == [("forgets", MINE)]


def test_a_master_that_another_one_stood_beside_loosens_them() -> None:
    address = "192.0.2.100"
    lan = VrrpLan()
    one = lan.add(replace(routed(address, priority=150), forward=FORWARD))
    two = lan.add(replace(routed(address, priority=100), forward=FORWARD))
    for each in (one, two):
        lan.tell(each, each.decider.delivered, frozenset({ip_address(address)}), {})
    lan.run(1)
    assert lan.answering(address) == ["n1"]
    one.effects.clear()
    lan.cut = {(1, 2), (2, 1)}
    lan.run(1)
    assert lan.answering(address) == ["n1", "n2"]
    assert one.of(LoosenTracked) == []
    lan.cut = set()
    lan.run(1)
    assert lan.answering(address) == ["n1"]
    assert one.of(LoosenTracked)

"""Nodes with two network cards: which of them answers, and with which hardware address."""

from functools import partial
from typing import Any

import pytest
from tests.cluster.api import METALLB, until
from tests.cluster.nodes import KubeLan, by_hash
from tests.system.netns import NETNS

pytestmark = [*NETNS, pytest.mark.timeout(120)]

NAMES = ("n1", "n2", "n3")
RULE = f"{METALLB}/l2advertisements/everywhere"


def on(lan: KubeLan, vips: list[str], eth0: set[str], eth1: set[str]) -> None:
    """Wait until these answer on each network, each with the hardware address of that card."""
    for vip in vips:
        lan.settle_on(vip, eth0, "eth0")
        lan.settle_on(vip, eth1, "eth1")


def interfaces_told(lan: KubeLan, *names: str) -> None:
    wanted = [[{"name": each} for each in names]]
    until(lambda: [each["interfaces"] for each in lan.told("web")] == wanted, f"it is told: {names}")


def test_an_answer_carries_the_cards_own_address_and_follows_a_change(lan: KubeLan) -> None:
    lan.api.patch(RULE, {"spec": {"interfaces": ["eth1"]}})
    vips = lan.service_of_both("web")
    leader = {by_hash(vips[0], *NAMES)[0]}
    on(lan, vips, set(), leader)
    interfaces_told(lan, "eth1")
    lan.api.patch(RULE, {"spec": {"interfaces": ["eth0"]}})
    on(lan, vips, leader, set())
    interfaces_told(lan, "eth0")
    lan.api.patch(RULE, {"spec": {"interfaces": None}})
    on(lan, vips, leader, leader)
    interfaces_told(lan)


def test_two_advertisements_with_a_card_each_are_one_with_both(lan: KubeLan) -> None:
    lan.api.patch(RULE, {"spec": {"interfaces": ["eth0"]}})
    lan.api.advertisement("second", interfaces=["eth1"])
    vips = lan.service_of_both("web")
    leader = {by_hash(vips[0], *NAMES)[0]}
    on(lan, vips, leader, leader)
    interfaces_told(lan, "eth0", "eth1")


def test_a_card_that_does_not_exist_is_silence_and_an_event(lan: KubeLan) -> None:
    lan.api.patch(RULE, {"spec": {"interfaces": ["nic7"]}})
    vips = lan.service_of_both("lonely")
    first = by_hash(vips[0], *NAMES)[0]
    message = (
        f'interfaces nic7 wanted for LB IP "{vips[0]}" do not exist on node "{first}" with protocol "layer2"'
    )
    until(lambda: ("announceFailed", message) in lan.api.events("lonely"), "an event tells of it")
    on(lan, vips, set(), set())
    assert not lan.told("lonely")
    of_speakers = ("announceFailed", "nodeAssigned")
    failed = [reason for reason, _ in lan.api.events("lonely") if reason in of_speakers]
    assert failed == ["announceFailed"]  # one node tells, however many there are
    lan.api.patch(RULE, {"spec": {"interfaces": ["nic7", "eth1"]}})
    on(lan, vips, set(), {first})
    until(lambda: "nodeAssigned" in [reason for reason, _ in lan.api.events("lonely")], "it is well")


def test_a_card_that_comes_and_goes_while_speakers_run(lan: KubeLan) -> None:
    """A node without the card is passed over; MetalLB would elect it and be silent."""
    lan.api.patch(RULE, {"spec": {"interfaces": ["eth1"]}})
    vips = lan.service_of_both("web")
    first, second, _ = by_hash(vips[0], *NAMES)
    on(lan, vips, set(), {first})
    node = next(each.namespace for each in lan.speakers if each.name == first)
    node.ip("link set eth1 down")
    try:
        on(lan, vips, set(), {second})
    finally:
        node.ip("link set eth1 up")
        node.ip(f"addr replace 2001:db8:1::1{first[1]}/64 dev eth1")  # the kernel took it with the link
    on(lan, vips, set(), {first})


@pytest.mark.parametrize("card", ["eth0", "eth1"])
def test_cards_and_node_selectors_together(lan: KubeLan, card: str) -> None:
    vips = lan.service_of_both("web")
    for name in NAMES:
        selector: dict[str, Any] = {"matchLabels": {"kubernetes.io/hostname": name}}
        lan.api.patch(RULE, {"spec": {"interfaces": [card], "nodeSelectors": [selector]}})
        on(lan, vips, {name} if card == "eth0" else set(), {name} if card == "eth1" else set())


def test_nodes_that_announce_on_different_cards(lan: KubeLan) -> None:
    """Whoever leads uses its own card alone."""
    first, second, _ = by_hash("192.0.2.200", *NAMES)
    lan.api.patch(RULE, {"spec": {"interfaces": ["eth0"], "nodeSelectors": [hostname(first)]}})
    lan.api.advertisement("second", interfaces=["eth1"], nodeSelectors=[hostname(second)])
    vips = lan.service_of_both("web")
    assert vips[0] == "192.0.2.200"
    on(lan, vips, {first}, set())
    lan.set_node(first, labels={"node.kubernetes.io/exclude-from-external-load-balancers": ""})
    on(lan, vips, set(), {second})


def test_a_leader_that_lost_one_network_leaves_that_one_to_the_next(lan: KubeLan) -> None:
    """Gossip runs on the lost one. On the other, the leader or the next node answers, never both for long."""
    vips = lan.service_of_both("web")
    first, second, _ = by_hash(vips[0], *NAMES)
    on(lan, vips, {first}, {first})
    leader = next(each for each in lan.speakers if each.name == first)
    lan.cut_first(leader)
    try:
        for vip in vips:
            lan.settle_on(vip, {second}, "eth0")
            until(partial(answered_once, lan, vip, {first, second}), "one answers on the other network")
    finally:
        lan.heal(leader)
    on(lan, vips, {first}, {first})


def answered_once(lan: KubeLan, vip: str, among: set[str]) -> bool:
    found = lan.answerers(vip, interface="eth1")
    return len(found) == 1 and found <= among


def hostname(name: str) -> dict[str, Any]:
    return {"matchLabels": {"kubernetes.io/hostname": name}}

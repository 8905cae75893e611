"""VRRP decides, and all that follows a leader follows."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest
from tests.unit.decide.builders import link, mac
from tests.unit.decide.vrrp.lan import VrrpLan, of, routed

from roost.decide.effects import Announce, Answer, HearAdverts, SendAdvert
from roost.decide.vrrp.judging import Received
from roost.model.check import Check, Interface, Result
from roost.model.event import Happening
from roost.model.service import Advertisement, DesiredState
from roost.protocols.vrrp.packet import GROUPS, Advert, encode, parse, virtual_mac
from roost.protocols.vrrp.table import State

VIP = IPv4Address("192.0.2.100")
BOTH = "192.0.2.100 2001:db8::100"
SOURCE = IPv4Address("192.0.2.77")


def advert(source: IPv4Address = SOURCE, *, hops: int = 255, **more: object) -> Received:
    """A packet of a stranger for virtual router 51, as it should be but for what is told."""
    told = Advert(**({"version": 3, "vrid": 51, "priority": 200, "interval": 10, "addresses": (VIP,)} | more))  # type: ignore[arg-type]
    return Received(2, source, GROUPS[4], hops, encode(told, source, GROUPS[4]), mac(9))


def test_the_best_one_leads_and_says_so() -> None:
    lan = VrrpLan()
    one, two = lan.add(routed(priority=150)), lan.add(routed(priority=100))
    lan.run(1)
    assert lan.answering() == ["n1"]
    assert one.decider.state.plan.lead(VIP).node == "n1"
    assert two.decider.state.plan.lead(VIP).node == "192.0.2.11"
    assert VIP in one.announced()
    sent = one.of(SendAdvert)[0]
    assert (sent.link, sent.source, sent.destination) == (2, IPv4Address("192.0.2.11"), GROUPS[4])
    assert parse(sent.data, sent.source, sent.destination).addresses == (VIP,)
    assert one.of(HearAdverts)[0].links == {2: frozenset({4})}


def test_addresses_may_be_on_another_link_than_the_adverts() -> None:
    """A link for adverts alone is no rarity among keepalived's users."""
    elsewhere = Advertisement("web", interfaces=("eth1",))
    lan = VrrpLan()
    one = lan.add(replace(routed(interface="eth0"), advertisements=(elsewhere,)))
    lan.tell(one, one.decider.set_links, (of(1), link(1, index=3, name="eth1", address="198.51.100.1/24")))
    lan.run(1)
    assert [each.link for each in one.of(SendAdvert)] == [2] * len(one.of(SendAdvert))
    told = one.of(Answer)[-1].announcements[VIP]
    assert (told.allows("eth1"), told.allows("eth0")) == (True, False)


def test_an_advert_goes_out_before_the_first_answer() -> None:
    lan = VrrpLan()
    one = lan.add(routed())
    lan.run(1)
    kinds = [type(each) for each in one.effects if isinstance(each, SendAdvert | Answer | Announce)]
    assert kinds[:3] == [SendAdvert, Answer, Announce]


def test_a_dead_master_is_followed_within_three_intervals_and_the_skew() -> None:
    lan = VrrpLan()
    lan.add(routed(priority=150))
    lan.add(routed(priority=100))
    lan.run(1)
    lan.nodes[0].frozen = True
    lan.run(0.26)
    assert lan.answering() == ["n1"]
    lan.run(0.12)
    assert lan.answering() == ["n1", "n2"]


def test_who_leaves_answers_until_the_next_one_is_heard() -> None:
    lan = VrrpLan()
    one = lan.add(routed(priority=150))
    lan.add(routed(priority=100))
    lan.run(1)
    lan.tell(one, one.decider.leave)
    assert parse_last(one.of(SendAdvert)[-1]).priority == 0
    assert lan.answering() == ["n1"]
    lan.run(0.07)
    assert lan.answering() == ["n1", "n2"]
    lan.tell(one, one.decider.claimed, VIP, mac(2), "eth0", False)
    assert lan.answering() == ["n2"]
    assert Happening.HANDED_OVER in {event.what for event in one.events}


def test_who_leaves_and_has_no_successor_ends_after_an_interval() -> None:
    lan = VrrpLan()
    one = lan.add(routed())
    lan.run(1)
    lan.tell(one, one.decider.leave)
    lan.run(0.25)
    assert not lan.answering()


def parse_last(sent: SendAdvert) -> Advert:
    return parse(sent.data, sent.source, sent.destination)


def test_both_families_move_together() -> None:
    lan = VrrpLan()
    one, two = lan.add(routed(BOTH, priority=150)), lan.add(routed(BOTH, priority=100))
    lan.run(1)
    assert len(one.answered) == 2
    lan.tell(one, one.decider.set_links, (link(1, address="192.0.2.11/24"),))  # no IPv6 any more
    lan.run(1)
    assert len(two.answered) == 2
    assert not one.answered
    assert "no address of its own" in one.decider.state.routers.why("web")


def test_equal_priorities_do_not_tear_families_apart() -> None:
    """IPv4 goes to the node with the higher address, and IPv6 would to the other."""
    lan = VrrpLan()
    one, two = lan.add(routed(BOTH)), lan.add(routed(BOTH))
    swapped = of(1)
    v4, v6, local = of(2).addresses
    mine = swapped.addresses
    lan.tell(one, one.decider.set_links, (replace(swapped, addresses=(mine[0], v6, local)),))
    lan.tell(two, two.decider.set_links, (replace(of(2), addresses=(v4, mine[1], mine[2])),))
    lan.cut = {(1, 2), (2, 1)}
    lan.run(1)
    assert lan.answering() == ["n1", "n2"]
    lan.cut = set()
    lan.run(2)
    assert len(two.answered) == 2
    assert not one.answered
    moves = len([each for each in two.events if each.what is Happening.LEAD_MOVED])
    lan.run(5)
    assert len([each for each in two.events if each.what is Happening.LEAD_MOVED]) == moves


def test_services_of_a_group_move_together() -> None:
    lan = VrrpLan()
    pair = [
        routed("192.0.2.100", "a", priority=150, group="g"),
        routed("192.0.2.101", "b", vrid=52, priority=150, group="g", interface="eth1"),
    ]
    one = lan.add(*pair)
    second = replace(link(1, address="192.0.2.21/24"), index=3, name="eth1")
    lan.tell(one, one.decider.set_links, (of(1), second))
    lan.run(1)
    assert len(one.answered) == 2
    lan.tell(one, one.decider.set_links, (of(1),))
    lan.run(0.3)
    assert not one.answered


def test_a_split_that_only_the_worse_one_noticed_is_healed_at_the_clients() -> None:
    lan = VrrpLan()
    one, _ = lan.add(routed(priority=150)), lan.add(routed(priority=100))
    lan.run(1)
    lan.cut = {(1, 2), (2, 1)}
    lan.run(6)
    assert lan.answering() == ["n1", "n2"]
    lan.cut = {(2, 1)}  # n1 never hears of the other master
    lan.run(0.5)
    one.effects.clear()
    assert lan.answering() == ["n1"]
    lan.run(1.1)
    assert VIP in one.announced()


def test_a_split_that_both_noticed_is_healed_at_once() -> None:
    lan = VrrpLan()
    one, _ = lan.add(routed(priority=150)), lan.add(routed(priority=100))
    lan.run(1)
    lan.cut = {(1, 2), (2, 1)}
    lan.run(6)
    one.effects.clear()
    lan.cut = set()
    lan.run(0.11)
    assert VIP in one.announced()


def test_unfit_is_fault_and_the_weight_enters_the_priority() -> None:
    lan = VrrpLan()
    heavy, fatal = Check(Interface("a"), weight=-80), Check(Interface("b"))
    one = lan.add(replace(routed(priority=150), track=(heavy, fatal)))
    two = lan.add(routed(priority=100))
    for check in (heavy, fatal):
        lan.tell(one, one.decider.checked, check, Result(True, ""))
    lan.run(1)
    assert lan.answering() == ["n1"]
    for _ in range(3):
        lan.tell(one, one.decider.checked, heavy, Result(False, "slow"))
    assert parse_last(one.of(SendAdvert)[-1]).priority == 70
    lan.run(1)
    assert lan.answering() == ["n2"]
    for _ in range(3):
        lan.tell(one, one.decider.checked, fatal, Result(False, "dead"))
    two.frozen = True
    lan.run(2)
    assert not one.answered
    assert one.decider.state.routers.parts[0].instance.state is State.INITIALIZE


def test_what_the_host_cannot_have_it_does_not_lead() -> None:
    lan = VrrpLan()
    one = lan.add(replace(routed(), deliver="local"))
    lan.run(1)
    assert not one.answered
    lan.tell(one, one.decider.delivered, frozenset({VIP}), {})
    lan.run(1)
    assert one.answered == {VIP}
    lan.tell(one, one.decider.delivered, frozenset(), {VIP: "in use elsewhere"})
    assert not one.answered
    assert one.decider.state.routers.why("web") == "in use elsewhere"


def test_drained_it_leads_nothing() -> None:
    lan = VrrpLan()
    one, _ = lan.add(routed(priority=150)), lan.add(routed(priority=100))
    lan.run(1)
    lan.tell(one, one.decider.wish, "n1", True)
    lan.run(1)
    assert lan.answering() == ["n2"]


def test_a_virtual_hardware_address_is_answered_with_and_advertised_from() -> None:
    lan = VrrpLan()
    one = lan.add(routed(BOTH, virtual_mac=True))
    lan.run(1)
    how = one.of(Answer)[-1].announcements
    assert {each.mac for each in how.values()} == {virtual_mac(51, 4), virtual_mac(51, 6)}
    assert {sent.mac for sent in one.of(SendAdvert)} == {virtual_mac(51, 4), virtual_mac(51, 6)}


def test_unicast_goes_to_each_peer_of_its_family() -> None:
    lan = VrrpLan()
    peers = tuple(map(ip_address, ("192.0.2.12", "192.0.2.13", "2001:db8::12", "fe80::12")))
    one = lan.add(routed(BOTH, peers=peers))
    lan.run(0.5)
    paths = {(sent.source, sent.destination) for sent in one.of(SendAdvert)}
    assert paths == {
        (ip_address("192.0.2.11"), peers[0]),
        (ip_address("192.0.2.11"), peers[1]),
        (ip_address("2001:db8::11"), peers[2]),
        (ip_address("fe80::11"), peers[3]),
    }


WRONG = {
    "ttl": advert(hops=254),
    "checksum": replace(advert(), data=advert().data[:-1] + b"\0"),
    "length": replace(advert(), data=advert().data[:10]),
    "version": advert(version=2, interval=100),
    "addresses": advert(addresses=(VIP, IPv4Address("192.0.2.101"))),
    "own": advert(IPv4Address("192.0.2.11")),
}


@pytest.mark.parametrize("reason", WRONG)
def test_what_is_wrong_is_counted_by_reason_and_ignored(reason: str) -> None:
    lan = VrrpLan()
    one = lan.add(routed())
    lan.run(1)
    lan.deliver(one, WRONG[reason])
    part = one.decider.state.routers.parts[0]
    assert {flaw.value: count for flaw, count in part.flaws.items()} == {reason: 1}
    assert one.answered == {VIP}
    assert not part.peers


@pytest.mark.parametrize(
    ("mine", "its"),
    [
        ({"auth": b"secret\0\0"}, {"auth": b"other\0\0\0"}),
        ({"auth": b"secret\0\0"}, {}),
        ({}, {"auth": b"secret\0\0"}),
    ],
)
def test_another_password_is_ignored(mine: dict[str, Any], its: dict[str, Any]) -> None:
    lan = VrrpLan()
    one = lan.add(routed(version=2, interval=100, **mine))
    lan.deliver(one, advert(version=2, interval=100, **its))
    assert one.decider.state.routers.parts[0].flaws.total() == 1


def test_another_interval_is_ignored_in_version_2_and_learnt_in_3() -> None:
    lan = VrrpLan()
    one = lan.add(routed(version=2, interval=100))
    lan.deliver(one, advert(version=2, interval=200))
    assert [flaw.value for flaw in one.decider.state.routers.parts[0].flaws] == ["interval"]
    two = lan.add(routed())
    lan.deliver(two, advert(interval=300))
    lan.run(5)
    assert not two.answered


def test_the_order_of_addresses_does_not_matter() -> None:
    lan = VrrpLan()
    one = lan.add(routed("192.0.2.100 192.0.2.101"))
    lan.deliver(one, advert(addresses=(IPv4Address("192.0.2.101"), VIP)))
    assert one.decider.state.routers.parts[0].adverts == 1


def test_other_vrids_are_nobodys() -> None:
    lan = VrrpLan()
    one = lan.add(routed())
    lan.deliver(one, advert(vrid=52))
    lan.deliver(one, replace(advert(), data=b""))
    assert dict(one.decider.state.routers.foreign) == {"vrid": 1, "length": 1}
    assert not [each for each in one.events if each.what is Happening.VRID_CLASH]


def test_a_stranger_in_our_virtual_router_is_named_once_with_its_hardware_address() -> None:
    lan = VrrpLan()
    one = lan.add(routed())
    for _ in range(5):
        lan.deliver(one, WRONG["addresses"])
    (clash,) = [each for each in one.events if each.what is Happening.VRID_CLASH]
    assert clash.facts["mac"] == mac(9).hex(":")
    assert mac(9).hex(":") in clash.text


def test_strangers_and_peers_are_bounded() -> None:
    lan = VrrpLan()
    one = lan.add(routed())
    for last in range(1, 201):
        lan.deliver(one, advert(IPv4Address(f"192.0.2.{last}")))
        lan.deliver(one, advert(IPv4Address(f"192.0.2.{last}"), addresses=(SOURCE,)))
    assert len(one.decider.state.routers.parts[0].peers) <= 16
    assert len(one.decider.state.routers.strangers.known) <= 64
    clashes = [each for each in one.events if each.what is Happening.VRID_CLASH]
    assert len(clashes) == 64, "forged sources fill no log"


def test_a_claim_of_a_machine_without_adverts_is_an_alarm_and_moves_nothing() -> None:
    lan = VrrpLan()
    one = lan.add(routed())
    lan.run(3)
    one.effects.clear()
    lan.tell(one, one.decider.claimed, VIP, mac(9), "eth0", False)
    lan.run(0.1)
    assert VIP in one.announced()
    lan.run(1.0)
    assert one.answered == {VIP}
    assert [each.what for each in one.events] == [Happening.CLAIMED]
    assert len(one.decider.alarms(lan.now)) == 1


def test_a_new_master_whose_claim_is_read_before_its_advert_is_no_alarm() -> None:
    lan = VrrpLan()
    one = lan.add(routed(priority=100))
    lan.run(4)
    one.effects.clear()
    lan.tell(one, one.decider.claimed, VIP, mac(9), "eth0", False)
    lan.deliver(one, advert(priority=200))
    lan.run(0.05)
    assert one.answered == set()
    lan.run(2.0)
    assert Happening.CLAIMED not in [each.what for each in one.events]
    assert one.decider.alarms(lan.now) == ()


def test_claims_from_ever_new_machines_are_bounded() -> None:
    lan = VrrpLan()
    one = lan.add(routed())
    lan.run(3)
    one.effects.clear()
    for number in range(200):
        lan.tell(one, one.decider.claimed, VIP, number.to_bytes(6), "eth0", False)
    lan.run(1.1)
    assert len([each for each in one.events if each.what is Happening.CLAIMED]) <= 64


def test_a_reload_that_changes_the_priority_keeps_the_lead_and_tells_it() -> None:
    lan = VrrpLan()
    one = lan.add(routed(priority=150))
    lan.run(1)
    one.effects.clear()
    lan.tell(one, one.decider.want, DesiredState((routed(priority=120),)), frozenset(), "reload")
    assert parse_last(one.of(SendAdvert)[0]).priority == 120
    assert one.answered == {VIP}
    lan.tell(one, one.decider.want, DesiredState(()), frozenset(), "reload")
    assert parse_last(one.of(SendAdvert)[-1]).priority == 0
    assert not one.answered


def test_link_local_addresses_are_in_adverts() -> None:
    lan = VrrpLan()
    one = lan.add(routed("fe80::100 2001:db8::100"))
    lan.run(1)
    assert parse_last(one.of(SendAdvert)[0]).addresses == (
        IPv6Address("fe80::100"),
        IPv6Address("2001:db8::100"),
    )


def test_nodes_and_interfaces_of_the_service_count() -> None:
    lan = VrrpLan()
    elsewhere = replace(routed(), advertisements=(Advertisement("a", names=frozenset({"n2"})),))
    one, two = lan.add(elsewhere), lan.add(elsewhere)
    lan.run(1)
    assert two.answered == {VIP}
    assert not one.of(SendAdvert)
    lan.tell(two, two.decider.leave)
    lan.run(1)
    three = lan.add(replace(routed(), advertisements=(Advertisement("a", interfaces=("eth1",)),)))
    lan.run(1)
    assert not three.answered
    assert "not there, or cannot announce" in three.decider.state.routers.why("web")

"""Connections of an address spread over n1, n2 and n3: what n1's host is told, what n1 says of itself."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from tests.unit.decide.builders import link, mac
from tests.unit.decide.one import One, address_of, web

from roost.decide.effects import Describe, NextHop, PassOn, SpreadOut
from roost.decide.spreading.taking import Taking
from roost.model.address import IPAddress
from roost.model.event import Happening
from roost.model.node import Verdict
from roost.model.service import Service
from roost.model.sharing import SLOTS, Sharing, table
from roost.model.spreading import Spread, Station
from roost.protocols.words.held import Held, HeldRow
from roost.protocols.words.takes import Takes

VIP = address_of(1, 2, 3)
THEIRS = address_of(2, 1, 3)
BY_CONNECTION = Sharing("connection")
OTHER = ip_address("198.51.100.1")


def local(*addresses: IPAddress, **changed: object) -> Service:
    return web(*addresses, sharing=BY_CONNECTION, deliver="local", **changed)


def spreading(*services: Service, takers: tuple[int, ...] = (2, 3), **changed: object) -> One:
    """n1, whose kernel can, and which has the addresses; n2 and n3 have said that they take some."""
    given = services or (local(VIP),)
    one = One(*given, **changed)  # type: ignore[arg-type]
    one.tell(one.decider.set_spreading, True)
    addresses = frozenset(address for each in given for address in each.addresses)
    one.tell(one.decider.delivered, addresses, {})
    for number in takers:
        one.hear(Takes(f"n{number}", tuple((each, True) for each in addresses), 1))
    one.run(0.5)
    return one


def spread(one: One, address: IPAddress = VIP) -> Spread | None:
    return one.of(SpreadOut)[-1].spreads.get(address) if one.of(SpreadOut) else None


def parts(one: One, address: IPAddress = VIP) -> dict[str, int]:
    """How many slots each node has, by what n1's host was told."""
    told = one.of(SpreadOut)[-1]
    names = {number: f"n{where.mac[5]}" for (_, number), where in told.places.items()} | {1: "n1"}
    found = told.spreads[address]
    return {name: found.numbers.count(number) for number, name in names.items() if number in found.numbers}


def expected(*there: str, weights: tuple[tuple[str, int], ...] = ()) -> dict[str, int]:
    even = weights or (("n1", 1), ("n2", 1), ("n3", 1))
    return {name: round(part * SLOTS) for name, part in table(even, frozenset(there)).parts.items() if part}


def test_one_leads_and_all_that_say_so_take_connections() -> None:
    one = spreading()
    assert one.answered == {VIP}
    assert VIP in one.announced(), "as with one leader"
    assert parts(one) == expected("n1", "n2", "n3")
    found = spread(one)
    assert found is not None
    assert found.returns
    assert one.of(SpreadOut)[-1].places == {(2, 2): Station(mac(2)), (2, 3): Station(mac(3))}
    assert found.visits == bytes([2, 3])


def test_who_does_not_lead_has_the_same_table() -> None:
    one = spreading(local(THEIRS))
    assert one.answered == set()
    assert parts(one, THEIRS) == expected("n1", "n2", "n3")


def test_nobody_gets_connections_before_it_says_that_it_takes_some() -> None:
    one = spreading(takers=(2,))
    assert parts(one) == expected("n1", "n2")
    one.hear(Takes("n3", ((VIP, True),), 1))
    assert parts(one) == expected("n1", "n2", "n3")
    one.hear(Takes("n3", ((VIP, False),), 2))
    assert parts(one) == expected("n1", "n2")
    one.hear(Takes("n3", ((VIP, True),), 1))
    assert parts(one) == expected("n1", "n2"), "an older word, overtaken"


def test_alone_it_spreads_to_itself_and_so_knows_what_began_before_others_came() -> None:
    one = spreading(takers=())
    one.run(3)  # until nobody is guessed to hold any
    assert parts(one) == {"n1": SLOTS}


def test_the_leader_waits_for_no_proxy_when_another_taker_leaves() -> None:
    """It answers already: what it would ask for first is its own."""
    proxied = {"health_port": 32000, "sharing": BY_CONNECTION}
    one = spreading(web(VIP, endpoint_nodes=frozenset({"n1", "n3"}), **proxied))
    one.tell(one.decider.proxied, "web")
    one.run(1.0)
    one.want(web(VIP, endpoint_nodes=frozenset({"n1", "n2", "n3"}), **proxied))
    assert one.answered == {VIP}
    one.have(3, Verdict.LEAVING)
    assert one.answered == {VIP}


def test_it_says_what_it_takes_once_it_has_the_address_and_its_kernel_can() -> None:
    one = One(local(VIP))
    one.run(0.5)
    assert one.told(Takes) == []
    one.tell(one.decider.delivered, frozenset({VIP}), {})
    assert one.told(Takes) == []
    one.tell(one.decider.set_spreading, True)
    ((to, word),) = one.told(Takes)
    assert isinstance(word, Takes)
    assert (to, word.node, word.rows) == (("n2", "n3"), "n1", ((VIP, True),))
    one.run(5.0)
    assert len(one.told(Takes)) > 2, "again and again: a word may be lost"
    one.effects.clear()
    one.have(4)
    assert [to for to, _ in one.told(Takes)] == [("n4",)]
    assert any(isinstance(each, Takes) for each in one.of(Describe)[-1].state)


def test_it_takes_nothing_back_that_it_has_not_said_and_says_what_it_takes_no_more() -> None:
    one = spreading()
    one.effects.clear()
    one.tell(one.decider.delivered, frozenset[IPAddress](), {VIP: "in use"})
    words = [word for _, word in one.told(Takes)]
    assert [each.rows for each in words if isinstance(each, Takes)] == [((VIP, False),)]
    one.run(20)
    assert len(one.told(Takes)) <= 4, "and then no more"


def test_without_the_kernel_one_node_leads_and_takes_all() -> None:
    one = One(local(VIP))
    one.tell(one.decider.delivered, frozenset({VIP}), {})
    one.hear(Takes("n2", ((VIP, True),), 1))
    one.run(1.0)
    assert one.answered == {VIP}
    assert spread(one) is None


def test_the_kernel_is_lost_and_found() -> None:
    one = spreading()
    one.tell(one.decider.set_spreading, False)
    assert spread(one) is None
    one.tell(one.decider.set_spreading, True)
    assert spread(one) is not None


@pytest.mark.parametrize("verdict", [Verdict.DEAD, Verdict.UNREACHABLE])
def test_a_dead_node_is_out_and_nothing_is_looked_for_there(verdict: Verdict) -> None:
    one = spreading()
    one.silent.add(2)
    one.run(1.0)
    one.have(2, verdict)
    one.run(1.0)
    assert parts(one) == expected("n1", "n3")
    found = spread(one)
    assert found is not None
    assert found.visits == bytes([3])
    assert (2, 2) not in one.of(SpreadOut)[-1].places


@pytest.mark.parametrize("verdict", [Verdict.LEAVING, Verdict.PROCESS_GONE, Verdict.DEAD])
def test_a_node_that_has_left_keeps_what_it_has_and_is_looked_at_last(verdict: Verdict) -> None:
    one = spreading()
    one.have(2, verdict)
    one.hear(Held("n2", (HeldRow(VIP, 5, 600),)))
    assert parts(one) == expected("n1", "n3")
    told = one.of(SpreadOut)[-1]
    assert told.spreads[VIP].visits == bytes([3, 2])
    assert told.places[2, 2] == Station(mac(2), has_left=True)
    one.forget(2)
    assert one.of(SpreadOut)[-1].places[2, 2].mac == mac(2), "gossip forgets who has left"
    one.run(601)
    assert (2, 2) not in one.of(SpreadOut)[-1].places


def test_a_drained_node_gets_nothing_new_and_keeps_what_it_has() -> None:
    one = spreading()
    one.have(3, draining=True)
    assert parts(one) == expected("n1", "n2")
    found = spread(one)
    assert found is not None
    assert found.visits == bytes([2, 3])


def test_the_only_other_node_is_drained_and_keeps_what_it_has() -> None:
    one = spreading(peers=(2,), takers=(2,))
    one.have(2, draining=True)
    told = one.of(SpreadOut)[-1]
    assert set(told.spreads[VIP].numbers) == {1}
    assert told.places == {(2, 2): Station(mac(2))}
    one.have(2, Verdict.LEAVING)
    one.forget(2)
    assert one.of(SpreadOut)[-1].places == {(2, 2): Station(mac(2), has_left=True)}


def test_weights_count() -> None:
    weights = (("n1", 1), ("n2", 3), ("n3", 0))
    one = spreading(web(VIP, deliver="local", sharing=Sharing("connection", weights)))
    assert parts(one) == expected("n1", "n2", "n3", weights=weights)
    assert "n3" not in parts(one)


def test_all_nodes_work_out_the_same_table() -> None:
    """Numbers are each node's own, names are the same."""
    one = spreading(takers=())
    for number in (3, 2):
        one.hear(Takes(f"n{number}", ((VIP, True),), 1))
    assert parts(one) == parts(spreading()) == expected("n1", "n2", "n3")


def test_who_comes_back_keeps_its_number() -> None:
    one = spreading()
    before = one.of(SpreadOut)[-1].places
    one.have(2, Verdict.DEAD)
    one.have(2)
    one.hear(Takes("n2", ((VIP, True),), 2))
    assert one.of(SpreadOut)[-1].places == before


def test_this_node_leaves_and_goes_on_with_what_it_has() -> None:
    one = spreading()
    one.effects.clear()
    one.tell(one.decider.leave)
    rows = [word.rows for _, word in one.told(Takes) if isinstance(word, Takes)]
    assert rows == [((VIP, False),)]
    assert parts(one) == expected("n2", "n3"), "what still comes here goes to them"
    assert one.decider.lingering(one.now)[VIP] > 0


def test_a_move_of_the_lead_passes_nothing_on_by_other_means() -> None:
    """The kernel looks for connections itself: two mechanisms would send packets to and fro."""
    one = spreading(local(THEIRS))
    one.have(2, Verdict.LEAVING)
    one.hear(Held("n2", (HeldRow(THEIRS, 5, 600),)))
    one.run(0.5)
    assert one.answered == {THEIRS}
    assert all(not each.onward for each in one.of(PassOn))


def test_where_a_proxy_delivers_nothing_is_sent_back() -> None:
    one = spreading(web(VIP, sharing=BY_CONNECTION, deliver="external"))
    found = spread(one)
    assert found is not None
    assert not found.returns


def proxied(*addresses: IPAddress) -> Service:
    return web(*addresses, sharing=BY_CONNECTION, deliver="external")


def test_the_next_leader_passes_on_what_a_proxy_elsewhere_has_as_long_as_others_hold_some() -> None:
    one = spreading(proxied(THEIRS))
    one.run(9)  # until nobody is presumed to hold any
    assert not kept(one).passes_on
    one.have(2, Verdict.LEAVING)
    assert kept(one).passes_on
    held = one.of(PassOn)[-1].onward[THEIRS]
    assert held.first == kept_by(2), "it passes on until all others know that it leaves"
    one.run(0.2)
    held = one.of(PassOn)[-1].onward[THEIRS]
    assert held.first == kept_by(3), "who is there is asked before who has left, and has not told yet"
    one.run(5)
    assert one.of(PassOn)[-1].onward[THEIRS].first == kept_by(3), "it may be busy"
    one.hear(Held("n3", (HeldRow(THEIRS, 5, 600),)))
    one.run(601)
    assert not kept(one).passes_on


def test_who_leads_now_asks_the_others_though_they_are_the_same() -> None:
    one = spreading(proxied(THEIRS))
    one.run(9)
    assert not kept(one).passes_on
    lead = one.decider.state.plan.lead(THEIRS)
    one.decider.spreading.follow(replace(lead, node="n1"), one.now)  # as when `failback` gives it back
    assert one.decider.passing_on.holders.of(THEIRS).keys() == {"n2", "n3"}


def test_where_nothing_can_be_passed_on_the_node_of_the_slot_says_what_it_has() -> None:
    one = spreading(proxied(VIP))
    one.run(9)
    one.tell(one.decider.set_passing_on, False)
    one.hear(Held("n2", (HeldRow(VIP, 5, 600),)))
    assert not kept(one, VIP).passes_on, "this host cannot: the node of the slot has most of them"
    one.tell(one.decider.set_passing_on, True)
    assert kept(one, VIP).passes_on


def kept(one: One, address: IPAddress = THEIRS) -> Spread:
    found = spread(one, address)
    assert found is not None
    return found


def kept_by(number: int) -> NextHop:
    return NextHop(ip_address(f"192.0.2.{10 + number}"), 2, mac(number))


def test_people_are_told_who_came_and_left() -> None:
    one = spreading()
    one.have(3, Verdict.DEAD)
    assert Happening.SHARES_MOVED in one.happened()
    assert Happening.LEAD_MOVED not in one.happened()
    one = spreading(local(THEIRS))
    one.have(2, Verdict.LEAVING)
    assert {Happening.SHARES_MOVED, Happening.LEAD_MOVED} <= set(one.happened())


def test_a_node_on_no_common_link_gets_nothing() -> None:
    one = spreading(links=(link(address="198.51.100.9/24"),))
    assert one.of(SpreadOut)[-1].places == {}


def test_what_is_taken_is_told_in_words_that_fit() -> None:
    taking = Taking("n1")
    many = frozenset(ip_address(0x0A000000 + number) for number in range(120))
    assert taking.own(many, 5.0)
    assert not taking.own(many, 6.0)
    words = taking.words()
    assert sorted(len(each.rows) for each in words) == [20, 50, 50]
    other = Taking("n2")
    assert all(other.hear(each) for each in words)
    assert not any(other.hear(each) for each in words)
    assert all(other.takes("n1", each) for each in many)
    assert not other.takes("n3", OTHER)
    other.keep({"n3"})
    assert not other.takes("n1", next(iter(many)))

"""From rankings to addresses: led, passed on, known, and to be terminated here."""

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.decide.builders import service
from tests.unit.model.builders import alive, candidates, services

from roost.decide.plan import Plan
from roost.model.address import IPAddress
from roost.model.announcement import Announcement
from roost.model.election import Election
from roost.model.node import Candidate
from roost.model.service import Advertisement, Service

VIP, OTHER = ip_address("192.0.2.200"), ip_address("192.0.2.201")


def planned(*wanted: Service, nodes: tuple[str, ...] = ("n1", "n2"), refused: tuple[str, ...] = ()) -> Plan:
    plan = Plan("n1", Election(wanted, alive(*nodes)))
    plan.take_all(refused)
    return plan


def on(interface: str, name: str, endpoints: frozenset[str] | None = None) -> Service:
    return service(
        str(VIP),
        name,
        advertisements=(Advertisement(name, interfaces=(interface,)),),
        endpoint_nodes=endpoints,
    )


def test_what_this_node_leads_and_what_others_do() -> None:
    here = service(str(VIP), "here", endpoint_nodes=frozenset({"n1"}))
    there = service(str(OTHER), "there", endpoint_nodes=frozenset({"n2"}))
    plan = planned(here, there)
    assert plan.leading == {VIP: Announcement()}
    assert plan.passed_on == {OTHER}
    assert plan.known == {VIP, OTHER}


def test_what_nobody_leads_is_only_known() -> None:
    plan = planned(service(str(VIP), endpoint_nodes=frozenset()))
    assert not plan.leading
    assert not plan.passed_on
    assert plan.known == {VIP}


def test_addresses_of_services_for_local_delivery_are_to_be_terminated_led_or_not() -> None:
    plan = planned(
        service(str(VIP), "a", deliver="local", endpoint_nodes=frozenset({"n2"})), service(str(OTHER), "b")
    )
    assert plan.local == {VIP}


def test_a_service_that_this_host_refuses_has_no_say() -> None:
    plan = planned(service(str(VIP), "a"), service(str(OTHER), "b"), nodes=("n1",), refused=("a",))
    assert plan.leading == {OTHER: Announcement()}
    assert plan.known == {OTHER}
    assert plan.lead(VIP).node is None


def test_an_address_of_two_services_is_answered_on_the_links_of_either() -> None:
    plan = planned(on("eth0", "a"), on("eth1", "b"), nodes=("n1",))
    assert plan.leading == {VIP: Announcement(("eth0", "eth1"))}


def test_a_service_that_another_node_leads_adds_no_link_here() -> None:
    plan = planned(on("eth0", "a", frozenset({"n1"})), on("eth1", "b", frozenset({"n2"})))
    assert plan.leading == {VIP: Announcement(("eth0",))}


def test_moves_are_followed_address_by_address() -> None:
    election = Election([service(f"{VIP} {OTHER}")], alive("n1", "n2"))
    plan = Plan("n1", election)
    plan.take_all(())
    leader = election.rankings["web"].leader
    gone = [each for each in alive("n1", "n2") if each.node.name != leader]
    moves = election.update_candidates(gone)
    assert plan.take_moves(move.service for move in moves) == {VIP, OTHER}
    assert bool(plan.leading) is (leader == "n2")
    assert plan.take_moves(["unheard of"]) == frozenset()


@given(services, st.lists(candidates, min_size=1, max_size=4))
def test_following_moves_ends_where_looking_at_everything_does(
    wanted: list[Service], steps: list[list[Candidate]]
) -> None:
    me = [Candidate(each.node) for each in alive("n1")]
    election = Election(wanted, me)
    followed = Plan("n1", election)
    followed.take_all(())
    for step in steps:
        nodes = {each.node.name: each for each in (*me, *step)}
        moves = election.update_candidates(nodes.values())
        if election.ranked_anew:
            followed.take_all(())
        else:
            followed.take_moves(move.service for move in moves)
        fresh = Plan("n1", election)
        fresh.take_all(())
        assert _what(followed) == _what(fresh)


def _what(plan: Plan) -> tuple[dict[IPAddress, Announcement], set[IPAddress], frozenset[IPAddress]]:
    return plan.leading, plan.passed_on, plan.known

"""Who leads an address: one answer, also where services share it."""

from ipaddress import ip_address

from hypothesis import given
from tests.unit.model.builders import alive, candidates, service, services

from roost.model.election import Election
from roost.model.lead import Lead, lead
from roost.model.node import Candidate, Node, Verdict

VIP = ip_address("192.0.2.1")


def test_the_leader_with_its_standbys_in_order() -> None:
    election = Election([service(str(VIP))], alive("n1", "n2", "n3"))
    ranking = election.rankings["web"]
    found = lead(VIP, [ranking])
    assert found.node == ranking.leader
    assert (found.node, *found.standbys) == tuple(place.node for place in ranking.places)
    assert (found.service, found.why) == ("web", "first of those that can lead web")


def test_whoever_stands_before_the_leader_is_a_standby_too() -> None:
    (first, *_) = Election([service(str(VIP))], alive("n1", "n2")).rankings["web"].places
    others = alive({"n1": "n2", "n2": "n1"}[first.node])
    election = Election([service(str(VIP))], [Candidate(Node(first.node), Verdict.DEAD), *others])
    assert election.lead_of(VIP).node == others[0].node.name
    assert election.lead_of(VIP).standbys == (first.node,)


def test_no_service_and_no_leader_are_told_apart() -> None:
    assert lead(VIP, []) == Lead(VIP)
    nobody = Election([service(str(VIP))]).lead_of(VIP)
    assert (nobody.node, nobody.why) == (None, "no node can lead web")


def test_of_several_services_the_first_by_name_that_has_a_leader_decides() -> None:
    here, there = service(str(VIP), name="a", endpoints={"n1"}), service(str(VIP), name="b", endpoints={"n2"})
    both = Election([there, here], alive("n1", "n2")).lead_of(VIP)
    assert (both.node, both.service) == ("n1", "a")
    assert both.why == "first of those that can lead a, which decides for 2 services that share the address"
    one = Election([there, here], alive("n2")).lead_of(VIP)
    assert (one.node, one.service) == ("n2", "b")


def test_services_that_have_no_say_are_left_out() -> None:
    here, there = service(str(VIP), name="a", endpoints={"n1"}), service(str(VIP), name="b", endpoints={"n2"})
    election = Election([here, there], alive("n1", "n2"))
    assert election.lead_of(VIP, without={"a"}).node == "n2"
    assert election.lead_of(VIP, without={"a", "b"}).node is None


@given(services, candidates)
def test_all_nodes_agree_on_one_leader_for_each_address(wanted: list, nodes: list) -> None:  # type: ignore[type-arg]
    one, other = Election(wanted, nodes), Election(reversed(wanted), reversed(nodes))
    for each in wanted:
        for address in each.addresses:
            found = one.lead_of(address)
            assert found == other.lead_of(address)
            assert found.node not in found.standbys
            leaders = {ranking.leader for ranking in one.rankings_of(address)}
            assert found.node in leaders
            assert (found.node is None) is (leaders == {None})

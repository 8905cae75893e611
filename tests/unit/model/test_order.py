"""The order of nodes is MetalLB's: published vectors of its own tests."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from tests.unit.model.builders import EVERYWHERE, alive, prefer, service

from roost.model.address import canonical
from roost.model.election import Election
from roost.model.eligibility import (
    Reason,
    credits_of,
    exclusion_of,
    impediment,
    interface_allowed,
    interfaces_of,
)
from roost.model.node import Candidate, Node, Verdict
from roost.model.ranking import digest, rank
from roost.model.service import Advertisement, LabelSelector, Preference, Service

ABC = ("node-a", "node-b", "node-c")
EDGES = ("edge-a", "edge-b", "worker-a", "worker-b")
IRIS = ("iris1", "iris2")


def order(wanted: Service, *nodes: Node) -> list[str]:
    return [place.node for place in rank(wanted, nodes).places]


def leader(wanted: Service, candidates: list[Candidate]) -> str | None:
    return Election([wanted], candidates).rankings[wanted.name].leader


@pytest.mark.parametrize(
    ("address", "names", "expected"),
    [
        ("10.0.0.1", ABC, "node-b node-a node-c"),
        ("10.0.0.2", ABC, "node-b node-c node-a"),
        ("fc00::1", ABC, "node-b node-c node-a"),
        ("10.20.30.1", IRIS, "iris2 iris1"),
        ("10.20.30.2", IRIS, "iris1 iris2"),
    ],
)
def test_equal_scores_are_ordered_by_hash(address: str, names: tuple[str, ...], expected: str) -> None:
    assert order(service(address), *map(Node, names)) == expected.split()


def test_digests_start_as_published() -> None:
    starts = [digest(name, "10.0.0.1").hex()[:8] for name in ABC]
    assert starts == ["dd41591f", "2acae885", "f949561f"]


def test_mapped_address_hashes_as_go_prints_it() -> None:
    assert canonical(ip_address("::ffff:10.0.0.1")) == "10.0.0.1"
    assert canonical(ip_address("FC00:0:0:0::1")) == "fc00::1"


def test_a_score_beats_the_hash() -> None:
    tagged = Advertisement("tag", preferences=(prefer(100, tier="edge"),))
    wanted = service("10.20.30.1", tagged)
    tier = {"tier": "edge"}
    assert order(wanted, Node("edge-a", tier), *map(Node, EDGES[1:])) == list(EDGES)
    assert order(wanted, Node("edge-a", tier), Node("edge-b", tier), Node("worker-a")) == [
        "edge-b",
        "edge-a",
        "worker-a",
    ]


def test_weights_of_all_matching_preferences_add_up() -> None:
    wanted = service(
        "10.0.0.1", Advertisement("x", preferences=(prefer(60, zone="1"), prefer(50, role="edge")))
    )
    nodes = {
        "edge-a": Node("edge-a", {"zone": "1", "role": "edge"}),
        "edge-b": Node("edge-b", {"zone": "2", "role": "edge"}),
        "worker-a": Node("worker-a", {"zone": "1"}),
        "worker-b": Node("worker-b"),
    }
    scores = {place.node: place.score for place in rank(wanted, nodes.values()).places}
    assert scores == {"edge-a": 110, "edge-b": 50, "worker-a": 60, "worker-b": 0}


def test_an_empty_preference_scores_every_covered_node() -> None:
    wanted = service("10.0.0.1", Advertisement("x", preferences=(Preference(10, LabelSelector()),)))
    assert {place.score for place in rank(wanted, map(Node, ABC)).places} == {10}


def test_weights_add_up_over_advertisements_and_only_where_they_cover() -> None:
    """60 + 50 from two advertisements beat 60; without the label worth 60, the other node wins."""
    first = Advertisement("first", preferences=(prefer(60, a="y"),))
    second = Advertisement("second", names=frozenset({"node-c"}), preferences=(prefer(50, b="y"),))
    wanted = service("10.0.0.1", first, second)
    other = Node("node-a", {"a": "y", "b": "y"})
    assert order(wanted, Node("node-c", {"a": "y", "b": "y"}), other) == ["node-c", "node-a"]
    assert order(wanted, Node("node-c", {"b": "y"}), other) == ["node-a", "node-c"]
    assert [(each.advertisement, each.weight) for each in credits_of(wanted, other)] == [("first", 60)]


def test_every_node_computes_a_preference_that_does_not_cover_itself() -> None:
    tagged = Advertisement(
        "edge", names=frozenset({"edge-a"}), preferences=(Preference(100, LabelSelector()),)
    )
    wanted = service("10.20.30.1", tagged, EVERYWHERE)
    assert order(wanted, *map(Node, EDGES))[0] == "edge-a"


def test_a_preference_never_reaches_outside_the_hard_set() -> None:
    hard = Advertisement("hard", names=frozenset({"node-c"}), preferences=(prefer(100, tier="edge"),))
    ranking = rank(service("10.0.0.1", hard), [Node("node-a", {"tier": "edge"}), Node("node-c")])
    assert [place.node for place in ranking.places] == ["node-c"]
    assert [exclusion.node for exclusion in ranking.exclusions] == ["node-a"]


# --- who may lead at all --------------------------------------------------------------------------


def test_locality_is_ignored_without_an_endpoint_rule() -> None:
    assert leader(service("10.20.30.1"), alive(*IRIS)) == "iris2"


def test_only_a_covered_node_leads() -> None:
    one = Advertisement("one", names=frozenset({"iris1"}))
    assert leader(service("10.20.30.1", one), alive(*IRIS)) == "iris1"
    assert exclusion_of(service("10.20.30.1", one), Node("iris2")).reason is Reason.NOT_ADVERTISED  # type: ignore[union-attr]


def test_split_advertisements_and_local_endpoints_meet() -> None:
    split = (Advertisement("a", names=frozenset({"iris1"})), Advertisement("b", names=frozenset({"iris2"})))
    assert leader(service("10.20.30.1", *split, endpoints={"iris1"}), alive(*IRIS)) == "iris1"
    assert leader(service("10.20.30.1", split[1], endpoints={"iris1"}), alive(*IRIS)) is None


def test_no_advertisement_no_leader() -> None:
    nobody = Service("web", (ip_address("10.0.0.1"),), ())
    ranking = Election([nobody], alive(*ABC)).rankings["web"]
    assert ranking.leader is None
    assert {each.detail for each in ranking.exclusions} == {"nothing advertises this service"}


def test_a_preferred_node_without_endpoint_stays_out() -> None:
    tagged = Advertisement("tag", preferences=(prefer(100, tier="edge"),))
    wanted = service("10.0.0.1", tagged, endpoints={"node-c"})
    assert leader(wanted, alive(*ABC, labels={"node-b": {"tier": "edge"}})) == "node-c"


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (Node("node-b", network_unavailable=True), Reason.NETWORK_UNAVAILABLE),
        (Node("node-b", excluded=True), Reason.EXCLUDED_BY_LABEL),
        (Node("node-b", speaker=False), Reason.NO_SPEAKER),
        (Node("node-b", can_announce=False), Reason.NO_INTERFACE),
    ],
)
def test_a_barred_node_is_excluded_with_its_reason(node: Node, reason: Reason) -> None:
    election = Election([service("10.0.0.1")], [*alive("node-a", "node-c"), Candidate(node)])
    ranking = election.rankings["web"]
    assert ranking.leader == "node-a"
    assert [(each.node, each.reason) for each in ranking.exclusions] == [("node-b", reason)]


def test_both_nodes_excluded_by_label_leave_nobody() -> None:
    barred = [Candidate(Node(name, excluded=True)) for name in IRIS]
    assert leader(service("10.20.30.1", endpoints={"iris1"}), barred) is None


@pytest.mark.parametrize("verdict", Verdict)
def test_only_active_nodes_lead_but_all_keep_their_place(verdict: Verdict) -> None:
    changed = Candidate(Node("node-b"), verdict, "probe unanswered")
    ranking = Election([service("10.0.0.1")], [*alive("node-a", "node-c"), changed]).rankings["web"]
    assert ranking.position("node-b") == 1
    assert ranking.leader == ("node-b" if verdict in (Verdict.ALIVE, Verdict.SUSPECT) else "node-a")
    barred = impediment(changed)
    assert barred is None if verdict.active else barred is not None and "probe unanswered" in barred.detail


def test_dual_stack_is_one_election_on_the_first_address() -> None:
    """Of iris1 and iris2, each address alone would elect another node."""
    assert leader(service("10.20.30.1 10.20.30.2"), alive(*IRIS)) == "iris2"
    assert leader(service("10.20.30.2 10.20.30.1"), alive(*IRIS)) == "iris1"


# --- on which interfaces --------------------------------------------------------------------------


def test_interfaces_are_united_and_one_without_allows_all() -> None:
    first, second = Advertisement("a", interfaces=("eth0",)), Advertisement("b", interfaces=("eth1", "eth0"))
    assert interfaces_of(service("10.0.0.1", first, second), Node("n")) == ("eth0", "eth1")
    assert interfaces_of(service("10.0.0.1", first, EVERYWHERE), Node("n")) is None


def test_only_covering_advertisements_give_interfaces() -> None:
    per_node = (
        Advertisement("a", names=frozenset({"iris1"}), interfaces=("eth0",)),
        Advertisement("b", names=frozenset({"iris2"}), interfaces=("eth1",)),
    )
    wanted = service("10.20.30.1", *per_node)
    assert leader(wanted, alive(*IRIS)) == "iris2"
    assert interfaces_of(wanted, Node("iris2")) == ("eth1",)
    assert interfaces_of(wanted, Node("other")) == ()


def test_an_interface_pattern_matches_the_whole_name() -> None:
    assert interface_allowed(("eth[0-9]",), "eth0")
    assert not interface_allowed(("eth[0-9]",), "eth01")
    assert not interface_allowed((), "eth0")
    assert interface_allowed(None, "anything")


def test_a_node_without_a_working_interface_that_may_announce_the_service_is_out() -> None:
    """cilium#35507: carrier of the announcing interface is part of who may lead."""
    web = service("192.0.2.1", replace(EVERYWHERE, interfaces=("eth1",)))
    nodes = [
        Node("n1", interfaces=("eth0",)),
        Node("n2", interfaces=("eth0", "eth1")),
        Node("n3"),
        Node("n4", interfaces=()),
    ]
    ranking = rank(web, nodes)
    assert {place.node for place in ranking.places} == {"n2", "n3"}
    assert {(each.node, each.reason) for each in ranking.exclusions} == {
        ("n1", Reason.NO_INTERFACE),
        ("n4", Reason.NO_INTERFACE),
    }


def test_who_stands_before_whom_is_known_of_nodes_without_a_place_too() -> None:
    ranking = rank(service("10.0.0.1"), [Node("node-a"), Node("node-c")])
    assert ranking.is_before("node-a", "node-c")
    assert not ranking.is_before("node-c", "node-a")
    assert ranking.is_before("node-b", "node-a")  # b, a, c by their hashes; gossip never saw b
    preferred = rank(replace(service("10.0.0.1"), preferred="node-c"), [Node("node-a"), Node("node-c")])
    assert preferred.is_before("node-c", "node-a")

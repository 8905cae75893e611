"""Who can lead, as a node sees it: members, their own words, and the nodes that a source knows."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import pytest
from tests.unit.decide.builders import member, service

from roost.decide.census import Census, informed, led_by_peers, peers, reason
from roost.decide.members import ClusterMember
from roost.decide.plan import Plan
from roost.model.address import IPAddress
from roost.model.election import Election, Move
from roost.model.node import Candidate, Node, Verdict

VIP, OTHER = ip_address("192.0.2.200"), ip_address("192.0.2.201")
FOREIGN: dict[str, Any] = {"version": "", "macs": (), "interfaces": None}


def candidate(census: Census, *members: ClusterMember, of: str) -> Candidate:
    return next(each for each in census.candidates(members) if each.node.name == of)


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        ({"draining": True}, Verdict.DRAINING),
        ({"deaf": True}, Verdict.DAMPED),
        ({"outdated": True}, Verdict.OUTDATED),
        ({"waits": 3}, Verdict.DAMPED),
        ({"blind": True}, Verdict.ALIVE),
        ({"draining": True, "waits": 3}, Verdict.DRAINING),
    ],
)
def test_who_would_rather_not_lead_is_reluctant_by_its_own_word(
    told: dict[str, Any], verdict: Verdict
) -> None:
    assert candidate(Census("n1"), member(1), member(2, **told), of="n2").verdict is verdict
    assert candidate(Census("n1", ("eth0",)), member(1, **told), of="n1").verdict is verdict


def test_who_waits_since_its_link_flaps_is_said_to_wait() -> None:
    found = candidate(Census("n1"), member(1), member(2, deaf=True, waits=3), of="n2")
    assert (found.evidence, found.deaf) == (
        "it was lost 3 times of late and waits before it leads again",
        True,
    )


def test_a_wish_of_the_dead_does_not_bring_them_back() -> None:
    assert candidate(Census("n1"), member(2, Verdict.DEAD, draining=True), of="n2").verdict is Verdict.DEAD


def test_a_node_that_leaves_says_so_of_itself() -> None:
    found = candidate(Census("n1", ("eth0",), leaving=True), member(1, draining=True), of="n1")
    assert found.verdict is Verdict.LEAVING


def test_what_this_node_can_announce_on_is_its_links_now_and_not_what_it_gossiped() -> None:
    assert not candidate(Census("n1"), member(1), of="n1").node.can_announce
    found = candidate(Census("n1", ("eth7",)), member(1), of="n1").node
    assert found.can_announce
    assert found.interfaces == ("eth7",)


def test_a_member_that_runs_something_else_is_no_speaker_where_gossip_alone_knows_nodes() -> None:
    assert not candidate(Census("n1"), member(2, **FOREIGN), of="n2").node.speaker
    assert candidate(Census("n1"), member(2), of="n2").node.speaker


def test_where_a_source_knows_the_nodes_it_may_be_another_kind_of_speaker() -> None:
    """MetalLB's speakers gossip, too, and would not know of a wish not to lead."""
    census = Census("n1", ("eth0",), known={"n1": Node("n1"), "n2": Node("n2")})
    assert candidate(census, member(1), member(2, **FOREIGN), of="n2").node.speaker
    assert candidate(census, member(1, draining=True), member(2, **FOREIGN), of="n1").verdict is Verdict.ALIVE
    assert candidate(census, member(1, draining=True), member(2), of="n1").verdict is Verdict.DRAINING


def test_a_member_that_the_source_does_not_know_is_not_registered() -> None:
    census = Census("n1", ("eth0",), known={"n1": Node("n1", {"zone": "a"})})
    assert candidate(census, member(1), member(2), of="n1").node.labels == {"zone": "a"}
    assert not candidate(census, member(1), member(2), of="n2").node.registered


def test_where_nobody_gossips_all_nodes_of_the_source_are_taken_for_speakers() -> None:
    known = {"n1": Node("n1"), "n2": Node("n2"), "n3": Node("n3", ready=False)}
    found = Census("n1", ("eth0",), known=known, assumed=True).candidates([member(1)])
    assert {each.node.name: each.verdict for each in found} == {
        "n1": Verdict.ALIVE,
        "n2": Verdict.ALIVE,
        "n3": Verdict.NOT_READY,
    }


def test_who_cannot_hold_an_address_is_known_by_its_word() -> None:
    census = Census("n1", unable={"n2": frozenset({VIP})})
    assert candidate(census, member(2, unable=True), of="n2").node.unable == {VIP}


def test_a_word_that_gossip_does_not_confirm_counts_no_more() -> None:
    """It came back, or could hold all again and was not heard."""
    census = Census("n1", unable={"n1": frozenset({VIP}), "n2": frozenset({VIP})})
    assert candidate(census, member(2), of="n2").node.unable == frozenset()
    assert candidate(census, member(1), of="n1").node.unable == {VIP}, "of itself a node knows"


def test_peers_are_active_roost_nodes_and_informed_those_that_hear_of_changes() -> None:
    members = (
        member(1),
        member(2),
        member(3, blind=True),
        member(4, Verdict.DEAD),
        member(5, **FOREIGN),
        member(6, Verdict.SUSPECT),
    )
    assert peers(members, "n1") == {"n2", "n3", "n6"}
    assert informed(members, "n1") == {"n2", "n6"}


def shown_by(
    members: Sequence[ClusterMember], plan: Plan, election: Election, **changed: Any
) -> dict[str, IPAddress]:
    """Return by which addresses peers show that they live, to a node that wants "x"."""
    return led_by_peers(members, plan, election, **{"digest": "x", "before": {}, "mute": set(), **changed})


def test_an_address_of_each_peer_that_wants_the_same_can_be_asked_for() -> None:
    wanted = [
        service(f"{VIP} {OTHER}", "a", endpoint_nodes=frozenset({"n2"})),
        service("192.0.2.202", "b", endpoint_nodes=frozenset({"n3"})),
    ]
    election = Election(wanted, [Candidate(Node(f"n{number}")) for number in (1, 2, 3)])
    plan = Plan("n1", election)
    plan.take_all(())
    members = (member(1, digest="x"), member(2, digest="x"), member(3, digest="y"))
    assert shown_by(members, plan, election) == {"n2": VIP}
    assert shown_by(members, plan, election, digest="") == {}, "no digest says nothing"
    assert shown_by(members, plan, election, mute={VIP}) == {"n2": OTHER}, "that one somebody else answers"
    assert shown_by(members, plan, election, in_vain={"n2": VIP}) == {"n2": OTHER}
    assert shown_by(members, plan, election, in_vain={"n2": OTHER}) == {"n2": VIP}, "in turn"
    assert shown_by(members, plan, election, in_vain={"n2": VIP}, mute={OTHER}) == {"n2": VIP}, "the only one"


def test_of_an_address_that_services_share_only_who_leads_it_is_asked() -> None:
    wanted = [
        service(str(VIP), "a", endpoint_nodes=frozenset({"n3"})),
        service(str(VIP), "b", endpoint_nodes=frozenset({"n2"})),
    ]
    election = Election(wanted, [Candidate(Node(f"n{number}")) for number in (1, 2, 3)])
    plan = Plan("n1", election)
    plan.take_all(())
    members = (member(2, digest="x"), member(3, digest="x"))
    assert shown_by(members, plan, election) == {"n3": VIP}


def test_the_address_of_a_peer_that_was_asked_for_stays_while_the_peer_leads_it() -> None:
    """Whatever it wants meanwhile: what it answered for once, its process is known by."""
    wanted = [service(f"{VIP} {OTHER}", "a", endpoint_nodes=frozenset({"n2"}))]
    election = Election(wanted, [Candidate(Node(f"n{number}")) for number in (1, 2)])
    plan = Plan("n1", election)
    plan.take_all(())
    before = {"n2": OTHER, "n3": VIP}
    assert shown_by((member(2, digest="x"),), plan, election, before=before) == {"n2": OTHER}
    assert shown_by((member(2, digest="y"),), plan, election, before=before) == {"n2": OTHER}


@pytest.mark.parametrize(
    ("move", "text"),
    [
        (Move("web", "n2", "n1"), "n2 is dead: no ack"),
        (Move("web", "n4", "n1"), "n4's process is gone: its lifeline was closed"),
        (Move("web", "n5", "n1"), "n5 has no interface that can announce"),
        (Move("web", "n9", "n1"), "n9 is no longer known"),
        (Move("web", "n1", None), "no node can lead it"),
        (Move("web", None, "n3"), "n3 came and stands first"),
        (Move("web", None, "n1"), "n1 stands first now"),
    ],
)
def test_why_the_lead_moved(move: Move, text: str) -> None:
    before = {"n1": Candidate(Node("n1"))}
    now = {
        **before,
        "n2": Candidate(Node("n2"), Verdict.DEAD, "no ack"),
        "n3": Candidate(Node("n3")),
        "n4": Candidate(Node("n4"), Verdict.PROCESS_GONE, "its lifeline was closed"),
        "n5": Candidate(Node("n5", can_announce=False)),
    }
    assert reason(move, before, now, isolated=False) == text


def test_why_the_lead_moved_to_one_that_may_lead_again() -> None:
    for verdict, text in (
        (Verdict.DRAINING, "the drain of n1 was ended, and it stands first"),
        (Verdict.DAMPED, "n1 may lead again and stands first"),
        (Verdict.DEAD, "n1 came and stands first"),
    ):
        before = {"n1": Candidate(Node("n1"), verdict)}
        now = {"n1": Candidate(Node("n1"))}
        assert (
            reason(Move("web", "n2", "n1"), before, now | {"n2": Candidate(Node("n2"))}, isolated=False)
            == text
        )


def test_who_hears_nobody_cannot_say_that_others_are_dead() -> None:
    now = {"n1": Candidate(Node("n1")), "n2": Candidate(Node("n2"), Verdict.DEAD, "no ack")}
    assert reason(Move("web", "n2", "n1"), {}, now, isolated=True) == (
        "this node hears nobody, and cannot know whether n2 lives"
    )

"""`explain` and `what_if` are views of the election and never disagree with it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.model.builders import alive, candidates, prefer, service, services

from roost.model.election import Election
from roost.model.explain import explain
from roost.model.node import Candidate, Node, Verdict
from roost.model.service import Advertisement, Service
from roost.model.what_if import ContradictionError, UnknownNameError, what_if

ABC = ("node-a", "node-b", "node-c")


def test_explain_gives_every_node_its_reason() -> None:
    known = [
        Candidate(Node("node-b"), Verdict.DEAD, "3 witnesses lost it"),
        Candidate(Node("node-x", network_unavailable=True)),
        *alive("node-a", "node-c"),
    ]
    election = Election([service("10.0.0.1 2001:db8::1")], known)
    view = explain(election.rankings["web"], election.candidates)
    assert view["addresses"] == ["10.0.0.1", "2001:db8::1"]
    assert view["leader"] == "node-a"
    assert [(each["position"], each["node"], each["verdict"], each["why"]) for each in view["places"]] == [
        (1, "node-b", "dead", "cannot lead: dead (3 witnesses lost it)"),
        (2, "node-a", "alive", "leads: first of the active nodes"),
        (3, "node-c", "alive", "its hash comes after that of node-a"),
    ]
    assert view["places"][1]["digest"].startswith("dd41591f")
    assert view["exclusions"] == [
        {"node": "node-x", "reason": "network unavailable", "why": "its network is marked unavailable"}
    ]


def test_explain_names_the_preference() -> None:
    wanted = service(
        "10.0.0.1", Advertisement("edge", interfaces=("eth1",), preferences=(prefer(50, tier="edge"),))
    )
    election = Election([wanted], alive(*ABC, labels={"node-c": {"tier": "edge"}}))
    view = explain(election.rankings["web"], election.candidates)
    assert view["interfaces"] == ("eth1",)
    assert view["places"][0]["credits"] == [{"advertisement": "edge", "weight": 50}]
    assert view["places"][1]["why"] == "less preferred than node-c (0 < 50)"


@given(services, candidates)
def test_explain_agrees_with_the_leader(wanted: list[Service], known: list[Candidate]) -> None:
    election = Election(wanted, known)
    for ranking in election.rankings.values():
        view = json.loads(json.dumps(explain(ranking, election.candidates)))
        leads = [each["node"] for each in view["places"] if each["why"].startswith("leads")]
        assert leads == ([ranking.leader] if ranking.leader else [])
        assert [each["position"] for each in view["places"]] == list(range(1, len(ranking.places) + 1))


def test_what_if_the_leader_goes_down() -> None:
    answer = what_if([service("10.0.0.1"), service("10.20.30.7", name="other")], alive(*ABC), down=["node-b"])
    move = next(each for each in answer.moves if each.service.name == "web")
    assert (move.before, move.after) == ("node-b", "node-a")
    assert move.why == "node-b: dead (supposed to go down); node-a is next in the order"
    assert answer.total == 2
    assert answer.staying == 2 - len(answer.moves)


def test_what_if_a_node_comes_or_drains() -> None:
    wanted = [service("10.0.0.1")]
    coming = what_if(wanted, alive("node-a", "node-c"), add=["node-b"]).moves
    assert [(each.before, each.after, each.why) for each in coming] == [
        ("node-a", "node-b", "node-b comes before node-a in the order")
    ]
    draining = what_if(wanted, alive(*ABC), drain=["node-b"]).as_data()
    assert draining["moves"][0]["why"] == "node-b: draining (supposed to drain); node-a is next in the order"
    assert what_if(wanted, alive("node-a"), down=["node-a"]).moves[0].after is None


def test_what_if_the_last_node_drains_it_keeps_what_no_other_can_lead() -> None:
    answer = what_if([service("10.0.0.1")], alive("node-a"), drain=["node-a"], address="10.0.0.1")
    assert [(each.before, each.after, each.why) for each in answer.moves] == [("node-a", "node-a", "stays")]


def test_what_if_a_dead_node_comes_back_keeps_its_facts() -> None:
    wanted = service("10.0.0.1", Advertisement("x", preferences=(prefer(9, tier="edge"),)))
    dead = Candidate(Node("node-c", {"tier": "edge"}), Verdict.DEAD)
    answer = what_if([wanted], [*alive("node-a"), dead], add=["node-c"])
    assert [(each.before, each.after) for each in answer.moves] == [("node-a", "node-c")]


def test_what_if_shows_the_address_asked_for_even_if_it_stays() -> None:
    answer = what_if([service("10.0.0.1")], alive(*ABC), down=["node-c"], address="10.0.0.1")
    assert [(each.before, each.after, each.why) for each in answer.moves] == [("node-b", "node-b", "stays")]
    assert answer.staying == 1


@pytest.mark.parametrize("question", [{"down": ["ghost"]}, {"drain": ["ghost"]}, {"address": "192.0.2.77"}])
def test_what_if_refuses_unknown_names(question: dict[str, list[str]]) -> None:
    with pytest.raises(UnknownNameError, match=r"ghost|192\.0\.2\.77"):
        what_if([service("10.0.0.1")], alive(*ABC), **question)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("question", "why"),
    [
        ({"add": ["node-a"]}, "node-a: a member already"),
        ({"add": ["new"], "down": ["new"]}, "new cannot go down and come at once"),
        ({"down": ["node-a"], "drain": ["node-a"]}, "node-a cannot go down and drain at once"),
    ],
)
def test_what_if_refuses_what_cannot_be_supposed(question: dict[str, list[str]], why: str) -> None:
    with pytest.raises(ContradictionError, match=why):
        what_if([service("10.0.0.1")], alive(*ABC), **question)  # type: ignore[arg-type]


@given(services, candidates, st.data())
def test_what_if_foretells_the_election(
    wanted: list[Service], known: list[Candidate], data: st.DataObject
) -> None:
    names = [each.node.name for each in known]
    down = data.draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    election = Election(wanted, known)
    dead = [Candidate(each.node, Verdict.DEAD) if each.node.name in down else each for each in known]
    moves = election.update_candidates(dead)
    foretold = what_if(wanted, known, down=down).moves
    assert [(each.service.name, each.before, each.after) for each in foretold] == [
        (move.service, move.old_leader, move.new_leader) for move in moves
    ]

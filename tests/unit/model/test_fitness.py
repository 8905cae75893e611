"""Who leads where nodes say how fit they are."""

import pytest
from tests.unit.model.builders import alive, service

from roost.model.election import Election, Move
from roost.model.explain import explain
from roost.model.fitness import Fitness
from roost.model.node import Candidate, Node, Verdict
from roost.model.what_if import what_if

NAMES = ("n1", "n2", "n3")
WEB = service("192.0.2.1")
ORDER = [place.node for place in Election([WEB], alive(*NAMES)).rankings["web"].places]
FIRST, SECOND, THIRD = ORDER
SICK = Fitness(fit=False, why="tcp 127.0.0.1:80: Connection refused")


def elected(fitness: dict[str, Fitness], **verdicts: Verdict) -> str | None:
    election = Election([WEB])
    known = [Candidate(Node(name), verdicts.get(name, Verdict.ALIVE)) for name in NAMES]
    election.update_candidates(known, {"web": fitness})
    return election.rankings["web"].leader


def test_who_is_unfit_comes_after_all_others() -> None:
    assert elected({}) == FIRST
    assert elected({FIRST: SICK}) == SECOND
    assert elected({FIRST: SICK, SECOND: SICK}) == THIRD
    assert elected({FIRST: Fitness(fit=False, weight=1000)}) == SECOND, "unfit counts before the score"


def test_all_sick_the_first_of_the_order_leads() -> None:
    """keepalived: all in FAULT, and the address is nowhere."""
    assert elected(dict.fromkeys(NAMES, SICK)) == FIRST
    assert elected(dict.fromkeys(NAMES, SICK), **{FIRST: Verdict.DEAD}) == SECOND


@pytest.mark.parametrize("verdict", [each for each in Verdict if each.reluctant])
def test_a_fit_node_that_would_rather_not_goes_before_an_unfit_one(verdict: Verdict) -> None:
    assert elected({SECOND: SICK, THIRD: SICK}, **{FIRST: verdict}) == FIRST
    assert elected({FIRST: SICK, SECOND: SICK, THIRD: SICK}, **{FIRST: verdict}) == SECOND


def test_the_fit_that_are_gone_lead_nothing() -> None:
    assert elected({THIRD: SICK}, **{FIRST: Verdict.DEAD, SECOND: Verdict.LEAVING}) == THIRD


def test_weights_count_in_the_order() -> None:
    assert elected({FIRST: Fitness(weight=-50)}) == SECOND
    assert elected({THIRD: Fitness(weight=1)}) == THIRD
    assert elected({FIRST: Fitness(weight=-50), SECOND: Fitness(weight=-51), THIRD: SICK}) == FIRST


def test_only_services_that_it_is_about_are_looked_at() -> None:
    many = [service(f"192.0.2.{last}", name=f"s{last}") for last in range(1, 40)]
    election = Election(many, alive(*NAMES))
    led = sorted(election.led_by("n1"))
    before = dict(election.rankings)
    moves = election.update_candidates(alive(*NAMES), {led[0]: {"n1": SICK}})
    assert [(move.service, move.old_leader) for move in moves] == [(led[0], "n1")]
    assert not election.ranked_anew
    assert all(election.rankings[name] is ranking for name, ranking in before.items() if name != led[0])
    back = election.update_candidates(alive(*NAMES), {led[0]: {"n1": Fitness()}})
    assert back == (Move(led[0], moves[0].new_leader, "n1"),)
    assert election.fitness == {}


def test_a_new_service_is_led_by_the_fit_from_the_start() -> None:
    election = Election((), alive(*NAMES))
    moves = election.update_services([WEB], election.prepare([WEB]), {"web": {FIRST: SICK}})
    assert moves == (Move("web", None, SECOND),)


def test_each_place_says_how_fit_its_node_is() -> None:
    election = Election([WEB])
    slow = Fitness(weight=-5, why="command x: exited with 1")
    election.update_candidates(alive(*NAMES), {"web": {FIRST: SICK, THIRD: slow}})
    told = explain(election.rankings["web"], election.candidates)
    assert [place["node"] for place in told["places"]] == [SECOND, THIRD, FIRST]
    assert told["places"][1]["why"] == f"less preferred than {SECOND} (-5 < 0): command x: exited with 1"
    assert told["places"][2]["why"] == "unfit (tcp 127.0.0.1:80: Connection refused)"
    assert told["places"][2]["fitness"] == {"fit": False, "weight": 0, "why": SICK.why}
    election.update_candidates(alive(*NAMES), {"web": dict.fromkeys(NAMES, SICK)})
    told = explain(election.rankings["web"], election.candidates)
    assert told["places"][0]["why"] == f"leads although it is unfit ({SICK.why}): no node is fit"


def test_what_if_takes_fitness_as_it_is() -> None:
    known = alive(*NAMES)
    found = what_if([WEB], known, down=[FIRST], fitness={"web": {SECOND: SICK}})
    assert [(each.before, each.after) for each in found.moves] == [(FIRST, THIRD)]

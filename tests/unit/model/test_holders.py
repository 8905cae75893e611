"""An election in which a lead stays with its holder: while it is well, and no longer."""

import math
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.model.builders import EVERYWHERE, alive, candidates

from roost.model.election import Election
from roost.model.explain import explain, why_kept
from roost.model.fitness import Fitness
from roost.model.node import Candidate, Node, Verdict
from roost.model.service import Service
from roost.model.what_if import what_if

VIP = ip_address("192.0.2.100")
STAYS = Service("web", (VIP,), (EVERYWHERE,), failback=math.inf)
NAMES = ("n1", "n2", "n3")
FIRST, SECOND, LAST = [place.node for place in Election([STAYS], alive(*NAMES)).rankings["web"].places]


def told(verdicts: dict[str, Verdict]) -> list[Candidate]:
    return [Candidate(Node(name), verdicts.get(name, Verdict.ALIVE)) for name in NAMES]


def leader(election: Election) -> str | None:
    return election.rankings["web"].leader


def election(holder: str = LAST, *, service: Service = STAYS) -> Election:
    made = Election([service])
    made.update_candidates(alive(*NAMES), holders={VIP: holder})
    return made


def test_the_holder_leads_though_others_stand_before_it() -> None:
    assert leader(election()) == LAST


def test_a_service_that_goes_by_rank_has_no_holder() -> None:
    assert leader(election(service=replace(STAYS, failback=0.0))) == FIRST


def test_another_holder_moves_the_lead() -> None:
    made = election()
    (move,) = made.update_candidates(alive(*NAMES), holders={VIP: SECOND})
    assert (move.old_leader, move.new_leader) == (LAST, SECOND)


def test_a_better_node_that_goes_and_comes_moves_nothing() -> None:
    made = election()
    assert made.update_candidates(told({FIRST: Verdict.DEAD}), holders={VIP: LAST}) == ()
    assert made.update_candidates(told({}), holders={VIP: LAST}) == ()


def test_a_holder_that_is_lost_is_followed_by_rank_and_comes_back_as_holder() -> None:
    made = election()
    made.update_candidates(told({LAST: Verdict.DEAD}), holders={VIP: LAST})
    assert leader(made) == FIRST
    made.update_candidates(told({}), holders={VIP: LAST})
    assert leader(made) == LAST, "until another node says that it has taken the lead"


def test_a_holder_that_drains_gives_the_lead_up_while_another_can_have_it() -> None:
    made = election()
    made.update_candidates(told({LAST: Verdict.DRAINING}), holders={VIP: LAST})
    assert leader(made) == FIRST
    everybody = dict.fromkeys(NAMES, Verdict.DRAINING)
    made.update_candidates(told(everybody), holders={VIP: LAST})
    assert leader(made) == LAST, "where all drain, nothing moves without need"


def test_a_holder_that_is_unfit_gives_the_lead_up() -> None:
    made = election()
    made.update_candidates(told({}), {"web": {LAST: Fitness(fit=False, why="tcp")}}, {VIP: LAST})
    assert leader(made) == FIRST


def test_where_nobody_is_fit_the_holder_leads_on() -> None:
    made = election()
    made.update_candidates(told({}), {"web": dict.fromkeys(NAMES, Fitness(fit=False))}, {VIP: LAST})
    assert leader(made) == LAST


def test_a_holder_whose_own_checks_make_it_less_preferred_gives_the_lead_up() -> None:
    """keepalived's nopreempt keeps such a node for ever (keepalived#2599, #942)."""
    made = election()
    made.update_candidates(told({}), {"web": {LAST: Fitness(weight=-50)}}, {VIP: LAST})
    assert leader(made) == FIRST
    made.update_candidates(told({}), {"web": dict.fromkeys(NAMES, Fitness(weight=-50))}, {VIP: LAST})
    assert leader(made) == LAST, "all are as bad"


def test_a_node_whose_weight_grows_takes_nothing() -> None:
    made = election()
    made.update_candidates(told({}), {"web": {FIRST: Fitness(weight=50)}}, {VIP: LAST})
    assert leader(made) == LAST


@given(st.lists(st.tuples(candidates, st.sampled_from(["n0", "n1", "n2"])), min_size=1, max_size=5))
def test_updates_come_to_what_a_fresh_election_comes_to(steps: list[tuple[Iterable[Candidate], str]]) -> None:
    made = Election([STAYS])
    for known, holder in steps:
        nodes = list(known)
        made.update_candidates(nodes, holders={VIP: holder})
        fresh = Election([STAYS])
        fresh.update_candidates(nodes, holders={VIP: holder})
        assert leader(made) == leader(fresh)
        assert made.led_by(leader(made) or "") == fresh.led_by(leader(fresh) or "")


def test_it_says_why_the_lead_stays() -> None:
    made = election()
    data = explain(made.rankings["web"], made.candidates)
    assert data["failback"] == "never"
    assert data["why_kept"] == f"{LAST} leads because failback is never; {FIRST} stands first by rank"
    whys = {place["node"]: place["why"] for place in data["places"]}
    assert whys[LAST] == "leads because failback is never"
    assert whys[FIRST] == f"stands before {LAST}, which keeps the lead: failback is never"
    made.update_candidates(alive(*NAMES), holders={VIP: FIRST})
    assert why_kept(made.rankings["web"], made.candidates) == "", "it stands first as well"


def test_it_says_what_a_duration_waits_for() -> None:
    made = election(service=replace(STAYS, failback=30.0))
    why = why_kept(made.rankings["web"], made.candidates)
    assert why == (
        f"{LAST} leads because failback is 30s; {FIRST} stands first by rank, and leads once it has been "
        "well for so long"
    )


def test_what_if_knows_that_the_lead_stays() -> None:
    away = told({FIRST: Verdict.DEAD})
    (prospect,) = what_if([STAYS], away, add=[FIRST], address="web", holders={VIP: LAST}).moves
    assert (prospect.before, prospect.after) == (LAST, LAST)
    assert prospect.why == f"stays: {LAST} leads because failback is never; {FIRST} stands first by rank"
    (moved,) = what_if([STAYS], told({}), down=[LAST], holders={VIP: LAST}).moves
    assert (moved.before, moved.after) == (LAST, FIRST)

"""Keeping rankings up to date: what moves, what must not, and at what cost."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.model.builders import alive, candidates, fitnesses, service, services

from roost.model.election import Election, Move
from roost.model.fitness import Fitness
from roost.model.node import Candidate, Node, Verdict
from roost.model.ranking import Ranking
from roost.model.service import Service

NAMES = ("n1", "n2", "n3")
MANY = [service(f"192.0.2.{last}", name=f"s{last:03}") for last in range(1, 60)]


def with_verdict(verdict: Verdict, name: str, among: tuple[str, ...] = NAMES) -> list[Candidate]:
    return [Candidate(Node(each), verdict if each == name else Verdict.ALIVE) for each in among]


def leaders(election: Election) -> dict[str, str | None]:
    return {name: ranking.leader for name, ranking in election.rankings.items()}


def test_a_death_moves_what_the_node_led_to_the_next_in_order() -> None:
    election = Election(MANY, alive(*NAMES))
    before = dict(election.rankings)
    led = election.led_by("n1")
    moves = election.update_candidates(with_verdict(Verdict.DEAD, "n1"))
    assert {move.service for move in moves} == led
    for move in moves:
        order = [place.node for place in before[move.service].places if place.node != "n1"]
        assert (move.old_leader, move.new_leader) == ("n1", order[0])
    assert election.led_by("n1") == frozenset()


def test_a_death_does_not_look_at_other_services(monkeypatch: pytest.MonkeyPatch) -> None:
    election = Election(MANY, alive(*NAMES))
    led = election.led_by("n1")
    looked: list[str] = []
    original = Ranking.led_by_first

    def counting(self: Ranking, *groups: Callable[[str], bool]) -> Ranking:
        looked.append(self.service.name)
        return original(self, *groups)

    monkeypatch.setattr(Ranking, "led_by_first", counting)
    monkeypatch.setattr(Ranking, "with_nodes", None)  # a death must rank nothing
    election.update_candidates(with_verdict(Verdict.DEAD, "n1"))
    assert set(looked) == led
    looked.clear()
    election.update_candidates(alive(*NAMES))
    assert set(looked) == led


def test_of_damped_nodes_one_leads_that_hears_others() -> None:
    """All flap: one whose link has to hold first would be elected, and answer nothing meanwhile."""
    election = Election(MANY, alive(*NAMES))
    order = [place.node for place in election.rankings[MANY[0].name].places]

    def leader(*deaf: str) -> str | None:
        election.update_candidates(Candidate(Node(each), Verdict.DAMPED, deaf=each in deaf) for each in NAMES)
        return election.rankings[MANY[0].name].leader

    assert leader() == order[0]
    assert leader(order[0]) == order[1]
    assert leader(*order[:2]) == order[2]
    assert leader(*order) == order[0], "rather than nobody"
    assert leader(order[2]) == order[0]


def test_a_suspicion_moves_nothing() -> None:
    election = Election(MANY, alive(*NAMES))
    assert election.update_candidates(with_verdict(Verdict.SUSPECT, "n1")) == ()


def test_a_node_that_comes_back_takes_back_what_it_led() -> None:
    election = Election(MANY, alive(*NAMES))
    gone = election.update_candidates(with_verdict(Verdict.UNREACHABLE, "n2"))
    back = election.update_candidates(alive(*NAMES))
    assert back == tuple(Move(move.service, move.new_leader, move.old_leader) for move in gone)


def test_services_come_and_go() -> None:
    election = Election((), alive(*NAMES))
    assert election.update_services(MANY[:1]) == (Move("s001", None, election.rankings["s001"].leader),)
    leader = election.rankings["s001"].leader
    assert election.update_services(()) == (Move("s001", leader, None),)
    assert not election.rankings
    assert not any(election.led_by(name) for name in NAMES)


def test_an_unchanged_service_keeps_its_ranking() -> None:
    election = Election(MANY, alive(*NAMES))
    before = election.rankings["s001"]
    election.update_services(MANY[:2])
    assert election.rankings["s001"] is before


def test_find_by_address_or_name() -> None:
    election = Election([service("192.0.2.1 2001:db8::1")], alive(*NAMES))
    assert election.find("web") is election.find("2001:DB8:0::1") is election.rankings["web"]
    assert election.find("192.0.2.99") is None
    assert election.find("nothing") is None
    election.update_services([service("192.0.2.7", name="b"), service("192.0.2.7", name="a")])
    assert election.find("192.0.2.7") is election.rankings["a"]
    assert election.find("192.0.2.1") is None


@given(services, candidates, st.data())
def test_losing_a_node_that_does_not_lead_moves_nothing(
    wanted: list[Service], known: list[Candidate], data: st.DataObject
) -> None:
    election = Election(wanted, known)
    idle = [each for each in known if not election.led_by(each.node.name)]
    if idle:
        gone = data.draw(st.sampled_from(idle))
        assert election.update_candidates([each for each in known if each is not gone]) == ()


@given(services, candidates, st.data())
def test_a_node_that_comes_only_takes(
    wanted: list[Service], known: list[Candidate], data: st.DataObject
) -> None:
    """Minimal disruption: nothing moves between two nodes that were there before."""
    if not known:
        return
    new = data.draw(st.sampled_from(known))
    election = Election(wanted, [each for each in known if each is not new])
    assert all(move.new_leader == new.node.name for move in election.update_candidates(known))


@given(services, candidates, st.randoms(use_true_random=False))
def test_the_order_of_inputs_does_not_matter(
    wanted: list[Service], known: list[Candidate], random: random.Random
) -> None:
    expected = Election(wanted, known).rankings
    random.shuffle(wanted)
    random.shuffle(known)
    assert Election(wanted, known).rankings == expected


Update = list[Service] | list[Candidate] | dict[str, dict[str, Fitness]]


@given(st.lists(services | candidates | fitnesses, max_size=8))
def test_updates_end_where_a_fresh_election_starts(updates: list[Update]) -> None:
    election = Election()
    fitness: dict[str, dict[str, Fitness]] = {}
    wanted: list[Service] = []
    known: list[Candidate] = []
    for update in updates:
        before = leaders(election)
        if isinstance(update, dict):
            for name, nodes in update.items():
                fitness[name] = fitness.get(name, {}) | nodes
            moves = election.update_candidates(known, update)
        elif update and isinstance(update[0], Service):
            wanted = [each for each in update if isinstance(each, Service)]
            moves = election.update_services(wanted)
        else:
            known = [each for each in update if isinstance(each, Candidate)]
            moves = election.update_candidates(known)
        fresh = Election(wanted)
        fresh.update_candidates(known, fitness)
        after = leaders(election)
        assert election.rankings == fresh.rankings
        assert all(election.led_by(each.node.name) == fresh.led_by(each.node.name) for each in known)
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        assert {move.service for move in moves} == changed
        assert all(
            (before.get(move.service), after.get(move.service)) == (move.old_leader, move.new_leader)
            for move in moves
        )


@given(services, candidates)
def test_every_node_is_placed_or_excluded_once(wanted: list[Service], known: list[Candidate]) -> None:
    for ranking in Election(wanted, known).rankings.values():
        names = [place.node for place in ranking.places] + [out.node for out in ranking.exclusions]
        assert sorted(names) == sorted(each.node.name for each in known)


def test_a_draining_node_gives_away_what_another_can_lead_and_keeps_the_rest() -> None:
    election = Election(MANY, alive(*NAMES))
    led = election.led_by("n1")
    moves = election.update_candidates(with_verdict(Verdict.DRAINING, "n1"))
    assert {move.service for move in moves} == led
    assert not election.led_by("n1")
    everybody = [Candidate(Node(each), Verdict.DEAD) for each in NAMES[1:]]
    election.update_candidates([Candidate(Node("n1"), Verdict.DRAINING), *everybody])
    assert len(election.led_by("n1")) == len(MANY)
    election.update_candidates(with_verdict(Verdict.DRAINING, "n1"))
    assert not election.led_by("n1"), "a node that came back takes all, wherever it stands"


@given(services, st.lists(st.lists(st.sampled_from(Verdict), min_size=3, max_size=3), max_size=6))
def test_whatever_verdicts_came_before_the_leader_is_that_of_a_fresh_election(
    wanted: list[Service], history: list[list[Verdict]]
) -> None:
    election = Election(wanted, alive(*NAMES))
    for verdicts in history:
        now = [Candidate(Node(name), verdict) for name, verdict in zip(NAMES, verdicts, strict=True)]
        election.update_candidates(now)
        assert leaders(election) == leaders(Election(wanted, now))


@given(services, services, candidates, candidates)
def test_what_was_prepared_changes_no_outcome(
    before: list[Service], after: list[Service], nodes: list[Candidate], others: list[Candidate]
) -> None:
    prepared, plain = Election(before, nodes), Election(before, nodes)
    ahead = prepared.prepare(after)
    assert prepared.rankings == plain.rankings, "preparing changes nothing"
    for each in (prepared, plain):
        each.update_candidates(others)  # while it was prepared elsewhere
    assert prepared.update_services(after, ahead) == plain.update_services(after)
    assert prepared.rankings == plain.rankings


def test_what_was_prepared_is_not_ranked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    election = Election(MANY[:10], alive(*NAMES))
    ahead = election.prepare(MANY)
    assert ahead.rankings.keys() == {each.name for each in MANY[10:]}
    monkeypatch.setattr(Ranking, "with_nodes", None)
    election.update_services(MANY, ahead)
    assert len(election.rankings) == len(MANY)

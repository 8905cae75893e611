"""Checks decide who leads: what the decider does of their results, and of what peers say."""

from tests.unit.decide.one import One, address_of, web

from roost.decide.effects import Describe, Happened, Track
from roost.model.check import Check, Process, Result
from roost.model.event import Happening
from roost.model.fitness import Fitness
from roost.model.node import Verdict
from roost.model.sharing import Sharing
from roost.protocols.words.fit import Fit, FitRow

MINE, THEIRS = address_of(1, 2, 3), address_of(2, 1, 3)
CHECK = Check(Process(name="haproxy"))
LIGHT = Check(Process(name="haproxy"), weight=-50)
WELL, ILL = Result(ok=True, why="well"), Result(ok=False, why="it is gone")
SICK = Fitness(fit=False, why="process haproxy: it is gone")


def checked(one: One, result: Result, check: Check = CHECK) -> None:
    one.tell(one.decider.checked, check, result)


def says(one: One, number: int, fitness: Fitness, serial: int = 1) -> None:
    one.hear(Fit(f"n{number}", (FitRow("web", fitness, serial),)))


def well(*addresses: object, check: Check = CHECK, **settings: object) -> One:
    """Node n1 whose check is well."""
    one = One(web(*addresses, track=(check,)), **settings)  # type: ignore[arg-type]
    checked(one, WELL, check)
    one.run(0.5)
    one.effects.clear()
    return one


def leader(one: One, address: object) -> str | None:
    return one.decider.state.plan.lead(address).node  # type: ignore[arg-type]


def test_exactly_what_is_tracked_is_to_be_checked() -> None:
    one = One(web(MINE))
    one.want(web(MINE, track=(CHECK,)), web(THEIRS, name="other", track=(CHECK, LIGHT)))
    one.want(web(MINE, track=(CHECK,)), web(THEIRS, name="other", track=(CHECK, LIGHT)))
    one.want(web(MINE))
    assert one.of(Track) == [Track((CHECK, LIGHT)), Track(())]


def test_a_sick_leader_answers_until_the_next_is_heard() -> None:
    one = well(MINE)
    assert one.answered == {MINE}
    checked(one, ILL)
    assert leader(one, MINE) == "n2"
    (told, *_) = one.told(Fit)
    assert told[0] == ("n2", "n3")
    assert isinstance(told[1], Fit)
    assert told[1].rows[0].fitness == SICK
    assert one.of(Describe)[-1].metadata.unfit
    assert one.answered == {MINE}, "moved without a gap"
    one.claim(MINE, 2)
    assert one.answered == frozenset()
    assert Happening.FITNESS in one.happened()
    assert Happening.NOBODY_FIT not in one.happened()


def test_what_a_failing_check_has_said_is_in_the_event() -> None:
    one = well(MINE)
    checked(one, Result(ok=False, why="exited with 1", output="looking\nno replica is in sync\n"))
    (event,) = (effect.event for effect in one.of(Happened) if effect.event.what is Happening.FITNESS)
    assert event.facts["output"] == "no replica is in sync"
    assert event.facts["why"] == "process haproxy: exited with 1"


def test_who_hears_that_the_leader_is_sick_answers_at_once() -> None:
    """No question first: the leader lives, and hands over."""
    one = well(THEIRS)
    before = one.now
    says(one, 2, SICK)
    assert one.answered == {THEIRS}
    assert one.announced() == {THEIRS}
    assert one.now == before
    says(one, 2, Fitness(), serial=2)
    assert leader(one, THEIRS) == "n2"
    assert one.answered == {THEIRS}, "until that one is heard"
    one.claim(THEIRS, 2)
    assert one.answered == frozenset()


def test_who_is_well_again_takes_back_what_it_stands_first_for() -> None:
    one = well(MINE)
    checked(one, ILL)
    one.claim(MINE, 2)
    checked(one, WELL)
    assert one.answered == {MINE}


# -- keepalived's traps --------------------------------------------------------------------------


def test_trap_all_sick_exactly_one_leads_and_says_so() -> None:
    """keepalived: with every instance in FAULT nobody has the address."""
    one = well(MINE)
    says(one, 2, SICK)
    says(one, 3, SICK)
    checked(one, ILL)
    assert leader(one, MINE) == "n1"
    assert one.answered == {MINE}
    assert one.happened().count(Happening.NOBODY_FIT) == 1
    one.run(5.0)
    assert one.answered == {MINE}
    says(one, 3, Fitness(), serial=2)
    assert leader(one, MINE) == "n3"
    one.claim(MINE, 3)
    assert one.answered == frozenset()
    assert one.happened().count(Happening.NOBODY_FIT) == 2, "the alarm ends"


def test_trap_all_sick_the_others_do_not_answer() -> None:
    one = well(THEIRS)
    for number in (2, 3):
        says(one, number, SICK)
    one.answering = {2}
    checked(one, ILL)
    assert leader(one, THEIRS) == "n2"
    one.claim(THEIRS, 2)
    one.run(5.0)
    assert one.answered == frozenset()
    assert Happening.NOBODY_FIT not in one.happened(), "who leads says it"


def test_trap_a_weight_moves_the_lead() -> None:
    """keepalived#2599 #2483 #2379 #942 #2103: with nopreempt a weight never moves anything."""
    one = well(MINE, check=LIGHT)
    checked(one, ILL, LIGHT)
    assert leader(one, MINE) == "n2"
    assert one.answered == {MINE}
    one.claim(MINE, 2)
    assert one.answered == frozenset()
    says(one, 2, Fitness(weight=-60))
    says(one, 3, Fitness(weight=-60))
    assert one.answered == {MINE}, "less preferred is no reason not to lead"


# -- before anything is known --------------------------------------------------------------------


def test_a_node_that_starts_is_not_yet_fit() -> None:
    one = One(web(MINE, track=(CHECK,)))
    assert leader(one, MINE) == "n2"
    assert one.answered == frozenset()
    assert one.decider.metadata(one.now).unfit
    checked(one, WELL)
    assert one.answered == {MINE}
    assert not one.decider.metadata(one.now).unfit


def test_a_node_that_starts_alone_leads_all_the_same_and_raises_no_alarm_yet() -> None:
    one = One(web(MINE, track=(CHECK,)), peers=(), settled=False)
    one.run(2.0)
    assert one.answered == {MINE}
    assert Happening.NOBODY_FIT not in one.happened()
    checked(one, ILL)
    assert one.answered == {MINE}
    assert Happening.NOBODY_FIT in one.happened()


def test_a_peer_that_comes_and_is_not_fit_for_something_leads_nothing_that_is_tracked_yet() -> None:
    one = well(THEIRS, peers=(3,))
    assert one.answered == {THEIRS}
    one.have(2, unfit=True)
    assert leader(one, THEIRS) == "n1"
    says(one, 2, Fitness())
    assert leader(one, THEIRS) == "n2"


def test_whoever_comes_hears_how_fit_this_node_is() -> None:
    one = well(MINE, peers=(2,))
    checked(one, ILL)
    one.effects.clear()
    one.have(3)
    assert any("n3" in to for to, _ in one.told(Fit))
    assert any(isinstance(word, Fit) for word in one.of(Describe)[-1].state)


def test_what_a_lost_node_said_counts_for_a_moment_when_it_is_back() -> None:
    one = well(THEIRS)
    says(one, 2, SICK, serial=9)
    one.have(2, Verdict.DEAD)
    one.have(2)
    assert leader(one, THEIRS) == "n1", "it may not know that it was lost"
    one.run(6.0)
    assert leader(one, THEIRS) == "n2", "it would have said so again"
    says(one, 2, SICK, serial=1)
    assert leader(one, THEIRS) == "n1", "it has begun anew"


def test_a_reload_with_other_checks_does_not_cost_the_lead() -> None:
    one = well(MINE)
    one.want(web(MINE, track=(LIGHT, Check(Process(name="nginx")))))
    one.run(1.0)
    assert one.answered == {MINE}
    assert leader(one, MINE) == "n1"
    assert all(row.fitness.fit for _, word in one.told(Fit) if isinstance(word, Fit) for row in word.rows)


def test_a_word_is_repeated_for_who_did_not_hear_it() -> None:
    one = well(MINE)
    checked(one, ILL)
    one.run(10.0)
    assert len(one.told(Fit)) >= 6


def test_the_only_fit_node_whose_link_flaps_is_awaited_each_time_that_it_says_so() -> None:
    """It leads, and answers nothing before its link has held for a while: somebody stands in meanwhile."""
    one = well(THEIRS)
    checked(one, ILL)
    says(one, 3, SICK)
    one.run(1.0)
    one.answering = {2}
    one.have(2, deaf=True, waits=2)
    one.run(0.3)
    assert leader(one, THEIRS) == "n2"
    assert one.answered == frozenset()
    one.answering = set()
    one.have(2, deaf=True, waits=3)
    one.run(0.3)
    assert leader(one, THEIRS) == "n2"
    assert one.answered == {THEIRS}


def test_so_is_the_only_fit_one_that_shares_an_address() -> None:
    one = One(web(THEIRS, track=(CHECK,), sharing=Sharing()))
    checked(one, ILL)
    says(one, 3, SICK)
    one.answering = {2}
    one.run(1.0)
    one.have(2, deaf=True, waits=2)
    one.run(0.5)
    assert one.answered == frozenset()
    one.answering = set()
    one.have(2, deaf=True, waits=3)
    one.run(0.5)
    assert one.answered == {THEIRS}

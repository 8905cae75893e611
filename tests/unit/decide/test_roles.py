"""What each service is to a node, as a stream of changes."""

from tests.unit.decide.builders import endpoint, link
from tests.unit.decide.one import One, address_of, web

from roost.decide.effects import Became
from roost.model.check import Check, Process, Result
from roost.model.fitness import Fitness
from roost.model.node import Verdict
from roost.model.role import Role
from roost.protocols.words.fit import Fit, FitRow

MINE, THEIRS = address_of(1, 2, 3), address_of(2, 1, 3)
CHECK = Check(Process(name="haproxy"))
LEADING, STANDBY, UNFIT, STOPPED = Role.LEADING, Role.STANDBY, Role.UNFIT, Role.STOPPED


def changes(one: One) -> list[tuple[str, Role | None, Role]]:
    """Hand over service, role before and role of each change since the last call."""
    found = [
        (each.change.service, each.change.before, each.change.role)
        for each in one.effects
        if isinstance(each, Became)
    ]
    one.effects.clear()
    return found


def begun(*services: object, **settings: object) -> One:
    one = One(*services, **settings)  # type: ignore[arg-type]
    assert changes(one) == []  # told while it settled
    return one


def test_nothing_is_said_before_a_role_is_known() -> None:
    """Not standby first, and leading once the LAN was asked: leading at once."""
    one = One(web(MINE, name="a"), web(THEIRS, name="b"), settled=False)
    assert changes(one) == []
    one.answering = {2, 3}
    one.tell(one.decider.synchronized)
    one.run(1.0)
    assert sorted(changes(one)) == [("a", None, LEADING), ("b", None, STANDBY)]


def test_alone_it_leads() -> None:
    one = One(web(MINE), peers=(), settled=False, bind=None)
    one.run(1.0)
    assert changes(one) == [("web", None, LEADING)]


def test_what_is_delivered_here_is_led_once_this_host_has_it() -> None:
    one = One(web(MINE, deliver="local"), settled=False)
    one.answering = {2, 3}
    one.tell(one.decider.synchronized)
    one.run(1.0)
    assert changes(one) == []
    one.tell(one.decider.delivered, frozenset({MINE}), {})
    assert changes(one) == [("web", None, LEADING)]
    one.tell(one.decider.delivered, frozenset(), {MINE: "this host has it itself"})
    assert changes(one) == [("web", LEADING, UNFIT)]


def test_a_leader_that_dies_is_followed() -> None:
    one = begun(web(THEIRS))
    one.have(2, Verdict.DEAD)
    one.run(1.0)
    assert changes(one) == [("web", STANDBY, LEADING)]
    one.have(2)
    one.claim(THEIRS, 2)
    one.run(1.0)
    assert changes(one) == [("web", LEADING, STANDBY)]


def test_who_passes_the_lead_on_is_standby_although_it_answers_yet() -> None:
    one = begun(web(MINE, THEIRS, track=(CHECK,)))
    one.tell(one.decider.checked, CHECK, Result(ok=True, why="well"))
    one.run(1.0)
    changes(one)
    one.tell(one.decider.checked, CHECK, Result(ok=False, why="it is gone"))
    assert one.answered
    assert changes(one) == [("web", LEADING, UNFIT)]
    one.claim(MINE, 2)
    one.claim(THEIRS, 2)
    one.run(5.0)
    assert changes(one) == []
    one.tell(one.decider.checked, CHECK, Result(ok=True, why="well"))
    one.run(1.0)
    assert changes(one) == [("web", UNFIT, LEADING)]


def test_who_stands_in_for_a_leader_that_never_claimed_leads_again() -> None:
    """It has answered all along, so that nothing else changes."""
    one = One(web(THEIRS), peers=(3,))
    one.have(2)
    one.run(1.0)
    assert one.roles == {"web": STANDBY}
    one.run(4.0)
    assert one.answered == {THEIRS}
    assert one.roles == {"web": LEADING}


def test_the_one_that_leads_though_nobody_is_fit_leads() -> None:
    one = begun(web(MINE, track=(CHECK,)), bind=None, peers=())
    one.tell(one.decider.checked, CHECK, Result(ok=False, why="it is gone"))
    one.run(1.0)
    assert changes(one) in ([], [("web", None, LEADING)])
    assert one.answered == {MINE}


def test_a_lost_link_makes_unfit() -> None:
    one = begun(web(THEIRS))
    one.answering = {2}
    one.plug(link(carrier=False))
    assert changes(one) == [("web", STANDBY, UNFIT)]
    one.plug(link())
    one.tell(one.decider.synchronized)
    one.claim(THEIRS, 2)
    one.run(1.0)
    assert changes(one) == [("web", UNFIT, STANDBY)]


def test_a_service_that_goes_is_stopped_and_comes_anew() -> None:
    one = begun(web(MINE))
    one.want()
    assert changes(one) == [("web", LEADING, STOPPED)]
    one.want(web(MINE))
    one.run(1.0)
    assert changes(one) == [("web", None, LEADING)]


def test_a_planned_end_stops_each_service_once_it_is_not_answered_any_more() -> None:
    one = begun(web(MINE, name="a"), web(THEIRS, name="b"))
    one.tell(one.decider.leave)
    assert changes(one) == [("b", STANDBY, STOPPED)]
    one.claim(MINE, 2)
    assert changes(one) == [("a", LEADING, STOPPED)]
    one.tell(one.decider.end)
    assert changes(one) == []


def test_an_end_in_a_hurry_stops_what_is_still_answered() -> None:
    one = begun(web(MINE))
    one.tell(one.decider.leave)
    one.tell(one.decider.end)
    assert changes(one) == [("web", LEADING, STOPPED)]


def test_what_was_never_known_is_never_stopped() -> None:
    one = One(web(MINE), settled=False, join=(endpoint(2),))
    one.tell(one.decider.leave)
    one.tell(one.decider.end)
    assert changes(one) == []


def test_a_gap_in_which_it_did_not_run_is_no_change_when_it_leads_afterwards() -> None:
    one = begun(web(MINE))
    one.sleep(5.0)
    one.tell(one.decider.synchronized)
    one.run(2.0)
    assert one.answered == {MINE}
    assert changes(one) == []


def test_weights_are_in_the_priority() -> None:
    light = Check(Process(name="haproxy"), weight=-30)
    one = One(web(MINE, track=(light,)))
    one.tell(one.decider.checked, light, Result(ok=False, why="it is gone"))
    one.hear(Fit("n2", (FitRow("web", Fitness(weight=-50), 1),)))
    one.run(1.0)
    told = [each.change.priority for each in one.effects if isinstance(each, Became)]
    assert told[-1] == 70

"""What is called a problem, and what is not."""

from types import SimpleNamespace
from typing import Any, cast

from tests.unit.decide.one import One, address_of, web

from roost.model.node import Verdict
from roost.speaker.problems import problems
from roost.speaker.speaker import Speaker

MINE, THEIRS = address_of(1, 2, 3), address_of(2, 1, 3)


def kinds(one: One, **changed: Any) -> list[str]:
    """Ask for the problems of the node that `one` plays."""
    well = {
        "name": "n1",
        "waiting_for": "",
        "config_error": "",
        "source": SimpleNamespace(trouble=(), delivers_locally=True),
        "decider": one.decider,
        "cluster": SimpleNamespace(members=lambda: tuple(one.members.values())),
        "faults": SimpleNamespace(records=()),
        "complaints": (),
        "passing_on": SimpleNamespace(problem=""),
    }
    speaker = SimpleNamespace(**{**well, **changed})
    return [problem.kind for problem in problems(cast("Speaker", speaker), one.now)]


def test_a_node_that_is_well_has_none() -> None:
    assert kinds(One(web(MINE))) == []


def test_a_member_that_is_lost_is_one() -> None:
    one = One(web(MINE))
    for verdict in (Verdict.DEAD, Verdict.UNREACHABLE, Verdict.PROCESS_GONE):
        one.have(2, verdict)
        assert kinds(one) == ["lost member"]


def test_a_member_that_left_on_purpose_is_none() -> None:
    one = One(web(MINE))
    one.have(2, Verdict.LEAVING)
    assert kinds(one) == []
    one.have(2, Verdict.LEAVING, digest="what it wanted then")
    assert kinds(one) == []


def test_a_member_that_wants_other_services_is_one() -> None:
    one = One(web(MINE))
    one.have(2, digest="another")
    assert kinds(one) == ["other services"]


def test_what_concerns_the_whole_node_comes_first() -> None:
    one = One(web(THEIRS))
    one.have(2, Verdict.DEAD)
    one.run(1.0)
    one.claim(THEIRS, 2)
    found = kinds(one, config_error="line 3: no such key")
    assert found == ["stale configuration", "lost member", "yielded"]

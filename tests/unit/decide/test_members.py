"""Why members are called dead, as it is told beside gossip."""

from tests.unit.decide.builders import endpoint

from roost.decide.members import Roster
from roost.model.node import Verdict
from roost.protocols.memberlist.members import Member
from roost.protocols.memberlist.messages import Status, Versions
from roost.protocols.words.verdict import Ground


def member(since: float, status: Status = Status.DEAD) -> Member:
    place, evidence = endpoint(2), "declared dead by n1"
    return Member("n2", place, b"", 1, status, since, Versions(1, 5, 5), evidence, b"")


def test_a_ground_that_is_said_again_is_no_news_and_counts_from_when_it_was_said_first() -> None:
    roster, members = Roster(), {"n2": member(10.0)}
    ground = Ground("n2", Verdict.PROCESS_GONE, "its process is silent: so says n3")
    again = Ground("n2", Verdict.PROCESS_GONE, "its process is silent: so says n1")
    assert roster.note(ground, members, 10.0)
    assert not roster.note(again, members, 14.0), "two may have found it"
    assert [each.evidence for each in roster.members(members.values())] == [ground.evidence]
    assert roster.note(Ground("n2", Verdict.UNREACHABLE, "its host is silent"), members, 14.1)
    assert [each.verdict for each in roster.members(members.values())] == [Verdict.UNREACHABLE]


def test_a_ground_of_the_next_death_counts() -> None:
    roster = Roster()
    ground = Ground("n2", Verdict.PROCESS_GONE, "its process is silent")
    assert roster.note(ground, {"n2": member(10.0)}, 10.0)
    later = {"n2": member(30.0)}
    assert [each.verdict for each in roster.members(later.values())] == [Verdict.DEAD]
    assert roster.note(ground, later, 30.0)
    assert [each.verdict for each in roster.members(later.values())] == [Verdict.PROCESS_GONE]


def test_who_came_back_and_is_lost_again_is_not_lost_for_the_former_ground() -> None:
    roster = Roster()
    ground = Ground("n2", Verdict.PROCESS_GONE, "its process is silent")
    assert roster.note(ground, {"n2": member(9.0, Status.SUSPECT)}, 10.0), "it comes before the death itself"
    assert [each.verdict for each in roster.members([member(9.0, Status.ALIVE)])] == [Verdict.ALIVE]
    assert [each.verdict for each in roster.members([member(10.0)])] == [Verdict.PROCESS_GONE]
    assert [each.verdict for each in roster.members([member(10.5, Status.ALIVE)])] == [Verdict.ALIVE]
    assert [each.verdict for each in roster.members([member(12.0)])] == [Verdict.DEAD]
    assert roster.note(ground, {"n2": member(12.0)}, 12.0), "said of this death it is news"


def test_of_who_is_not_known_nothing_is_remembered() -> None:
    assert not Roster().note(Ground("n9", Verdict.PROCESS_GONE, "it is silent"), {}, 1.0)

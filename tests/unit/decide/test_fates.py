"""What became of members that are there no more: known until they are forgotten on purpose."""

from dataclasses import replace

from tests.unit.decide.builders import member
from tests.unit.decide.one import One, address_of, web

from roost.decide.fates import FateBook
from roost.model.node import Verdict
from roost.protocols.words.fates import Fates

ALIVE = [member(1), member(2), member(3)]


def book(name: str = "n1") -> FateBook:
    made = FateBook(name)
    made.follow(ALIVE)
    return made


def lose(made: FateBook, number: int = 3, verdict: Verdict = Verdict.DEAD) -> None:
    made.follow(member(each, verdict if each == number else Verdict.ALIVE) for each in (1, 2, 3))


def exchange(one: FateBook, other: FateBook) -> None:
    """Let two nodes exchange their states; both see n1 and n2 alive."""
    for teller, listener in ((one, other), (other, one)):
        for word in teller.words():
            listener.hear(word, ALIVE[:2], 50.0)


def test_who_is_lost_is_known_after_gossip_forgot_it() -> None:
    made = book()
    lose(made)
    made.follow(ALIVE[:2])
    assert list(made.lost) == ["n3"]


def test_who_is_back_is_missed_no_more() -> None:
    made = book()
    lose(made)
    made.follow(ALIVE)
    assert not made.lost
    assert made.words() == []


def test_who_left_on_purpose_is_not_missed() -> None:
    made = book()
    lose(made, verdict=Verdict.LEAVING)
    made.follow(ALIVE[:2])
    assert not made.lost


def test_who_was_cut_off_learns_that_a_member_left_on_purpose_meanwhile() -> None:
    one, away = book(), book("n2")
    lose(one, verdict=Verdict.LEAVING)
    lose(away)
    exchange(away, one)
    assert not one.lost
    assert not away.lost


def test_a_later_verdict_is_the_one_that_is_shown() -> None:
    made = book()
    lose(made)
    lose(made, verdict=Verdict.UNREACHABLE)
    assert made.lost["n3"].verdict is Verdict.UNREACHABLE


def test_who_starts_later_is_told_who_is_missing() -> None:
    old, new = book(), FateBook("n2")
    lose(old)
    new.follow(ALIVE[:2])
    exchange(old, new)
    told = new.lost["n3"]
    assert (told.verdict, told.endpoint, told.since) == (Verdict.DEAD, member(3).endpoint, 50.0)


def test_what_a_node_sees_itself_counts_more_than_what_it_is_told() -> None:
    old, new = book(), book("n2")
    lose(old)
    for word in old.words():
        assert not new.hear(word, ALIVE, 1.0)
    assert not new.lost


def test_nobody_is_told_that_it_is_lost_itself() -> None:
    made, other = book("n3"), book()
    lose(other)
    for word in other.words():
        made.hear(word, [], 1.0)
    assert not made.lost


def test_who_is_forgotten_is_so_everywhere_also_where_more_was_counted() -> None:
    one, other = book(), book("n2")
    for _ in range(5):  # the other one was cut off some times, and saw more come and go
        lose(other)
        other.follow(ALIVE)
    lose(one)
    lose(other)
    assert one.forget("n3")
    assert not one.forget("n3")
    exchange(one, other)
    assert not other.lost
    exchange(other, one)
    assert not one.lost


def test_who_was_away_learns_whom_to_forget_and_not_the_other_way_round() -> None:
    one, away = book(), book("n2")
    lose(one)
    lose(away)
    one.forget("n3")
    exchange(away, one)
    assert not one.lost
    assert not away.lost


def test_who_comes_back_after_that_and_is_lost_again_is_missed_again() -> None:
    one, other = book(), book("n2")
    for made in (one, other):
        lose(made)
    one.forget("n3")
    exchange(one, other)
    for made in (one, other):
        made.follow(ALIVE)
        lose(made)
    exchange(one, other)
    assert list(one.lost) == list(other.lost) == ["n3"]


def test_a_node_that_is_not_to_be_any_more_is_forgotten() -> None:
    made = book()
    lose(made)
    made.keep({"n1", "n2", "n3"})
    assert made.lost
    made.keep({"n1", "n2"})
    assert not made.lost


def test_the_table_is_bounded() -> None:
    made = book()
    made.follow(replace(member(2, Verdict.DEAD), name=f"n{number}") for number in range(2, 2000))
    assert len(made.lost) == 512
    assert sum(len(word.rows) for word in made.words()) == 128


def test_a_decider_tells_everybody_whom_to_forget_and_joins_it_no_more() -> None:
    one = One(web(address_of(2, 1, 3)))
    one.have(3, Verdict.DEAD)
    one.tell(one.decider.forget, "n3")
    ((to, word),) = one.told(Fates)
    assert to == ("n2",)
    assert isinstance(word, Fates)
    assert [(fate.node, fate.verdict) for fate in word.rows] == [("n3", None)]
    other = One(web(address_of(2, 1, 3)))
    other.have(3, Verdict.DEAD)
    other.hear(word)
    assert not other.decider.state.fates.lost

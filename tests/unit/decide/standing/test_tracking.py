"""From results of checks to how fit a node is, and from words to how fit the others are."""

from ipaddress import ip_address

import pytest

from roost.decide.standing.tracking import Tracking
from roost.model.check import Check, Command, NumberFile, Process, Result, Subject, TcpPort
from roost.model.election import Election
from roost.model.fitness import FIT, Fitness
from roost.model.service import Service
from roost.protocols.words.codec import decode, encode
from roost.protocols.words.fit import Fit, FitRow

PORT = Check(TcpPort("127.0.0.1", 80), rise=2, fall=3)
PROCESS = Check(Process(name="haproxy"))
LIGHT = Check(Process(name="cache"), weight=-50)
FILE = Check(NumberFile("/etc/roost/weight"))
WELL, ILL = Result(ok=True, why="well"), Result(ok=False, why="it is gone")


def web(*track: Check, name: str = "web") -> Service:
    return Service(name, (ip_address("192.0.2.1"),), (), track=track)


def tracking(*track: Check, result: Result | None = WELL) -> Tracking:
    """Tracking of n1 that has had one result of each check, unless that is None."""
    found = Tracking("n1")
    found.take_services([web(*track)], 1.0)
    for check in track:
        if result is not None:
            found.checked(check, result, 2.0)
    return found


def test_unfit_until_the_first_result() -> None:
    one = tracking(PORT, result=None)
    assert one.own("web") == Fitness(fit=False, why="tcp 127.0.0.1:80: not known yet")
    assert tracking(PORT, result=ILL).own("web").why == "tcp 127.0.0.1:80: it is gone"
    assert (one.own("web").fit, one.unfit) == (False, True)
    assert one.checked(PORT, WELL, 2.0) == {"web"}, "the first result decides alone"
    assert (one.own("web").fit, one.unfit) == (True, False)
    two = tracking(PORT, PROCESS, result=None)
    two.checked(PORT, WELL, 2.0)
    assert not two.own("web").fit, "of one nothing is known"


def test_so_many_failures_in_a_row() -> None:
    one = tracking(PORT)
    states = [(one.checked(PORT, result, 3.0), one.own("web").fit)[1] for result in [ILL] * 3 + [WELL] * 2]
    assert states == [True, True, False, False, True]
    assert one.own("web") == Fitness()


def test_a_check_with_a_weight_leaves_it_fit() -> None:
    one = tracking(LIGHT)
    assert one.own("web") == FIT
    one.checked(LIGHT, ILL, 3.0)
    assert one.own("web") == Fitness(weight=-50, why="process cache: it is gone")
    heavy = tracking(LIGHT, result=ILL)
    assert heavy.own("web") == one.own("web")
    both = tracking(LIGHT, PROCESS)
    both.checked(LIGHT, ILL, 3.0)
    both.checked(PROCESS, ILL, 3.0)
    assert both.own("web") == Fitness(fit=False, weight=-50, why="process haproxy: it is gone")


def test_the_number_in_a_file_always_counts_and_nothing_else_of_it() -> None:
    one = tracking(FILE, LIGHT)
    assert one.checked(FILE, Result(ok=True, why="", weight=7), 3.0) == {"web"}
    assert one.own("web") == Fitness(weight=7)
    one.checked(LIGHT, ILL, 3.0)
    assert one.own("web").weight == -43
    assert one.checked(FILE, Result(ok=False, why="it does not exist"), 4.0) == {"web"}
    assert one.own("web") == Fitness(weight=-50, why="process cache: it is gone")


def test_what_is_said_is_short_and_whole() -> None:
    long = Check(Command(("/usr/local/lib/checks/check-database", "--host", "database.example", "--quick")))
    one = tracking(long, PROCESS, LIGHT, result=Result(ok=False, why="it said so at great length, " * 9))
    why = one.own("web").why
    assert why.startswith("command /usr/local/lib/checks/check-database --ho…: it said so")
    assert why.endswith("… (and 1 more)")
    assert len(why.encode()) <= 100


def test_one_check_of_several_services_is_made_once() -> None:
    one = Tracking("n1")
    one.take_services([web(PROCESS), web(PROCESS, PORT, name="other"), web(name="none")], 1.0)
    assert one.wanted == (PROCESS, PORT)
    one.checked(PORT, WELL, 2.0)
    assert one.checked(PROCESS, WELL, 2.0) == {"web", "other"}
    assert one.checked(PROCESS, ILL, 3.0) == {"web", "other"}
    assert one.own("none") == FIT


def test_a_reload_with_the_same_checks_keeps_their_state() -> None:
    one = tracking(PORT)
    one.checked(PORT, ILL, 3.0)
    one.checked(PORT, ILL, 4.0)
    assert one.take_services([web(PORT, PROCESS)], 5.0) == frozenset()
    assert one.checked(PORT, ILL, 6.0) == {"web"}, "the third failure in a row"


@pytest.mark.parametrize("subject", [TcpPort("127.0.0.1", 81), Process(name="nginx")])
def test_changed_checks_start_anew_and_do_not_cost_the_lead(subject: Subject) -> None:
    changed = Check(subject, fall=2)
    one = tracking(PORT)
    assert one.take_services([web(changed)], 5.0) == frozenset()
    assert one.own("web").fit
    assert one.checked(changed, ILL, 6.0) == frozenset()
    assert one.checked(changed, ILL, 7.0) == {"web"}
    assert one.checked(PORT, ILL, 8.0) == frozenset(), "nobody wants it any more"


def test_who_was_unfit_stays_that_until_changed_checks_are_well() -> None:
    one = tracking(PORT, result=ILL)
    one.take_services([web(PROCESS)], 5.0)
    assert not one.own("web").fit
    one.checked(PROCESS, WELL, 6.0)
    assert one.own("web").fit


def test_a_service_that_comes_has_to_be_proven_even_by_a_check_that_is_new() -> None:
    one = tracking(PORT)
    one.take_services([web(PORT), web(PROCESS, name="new")], 5.0)
    assert one.own("web").fit
    assert not one.own("new").fit


def test_a_check_that_is_taken_away_makes_nobody_unfit() -> None:
    one = tracking(PROCESS, result=ILL)
    assert one.take_services([web()], 5.0) == {"web"}
    assert one.own("web") == FIT
    assert [row.fitness for word in one.words() for row in word.rows] == [FIT], "the others have to hear it"


# -- words ---------------------------------------------------------------------------------------


def test_serials_grow_also_over_a_restart() -> None:
    def serials(one: Tracking) -> list[int]:
        return [row.serial for word in one.words() for row in word.rows]

    one = tracking(PROCESS)
    one.checked(PROCESS, ILL, 2.0)
    one.checked(PROCESS, WELL, 2.0)
    again = Tracking("n1")
    again.take_services([web(PROCESS)], 2.5)
    assert serials(one) < serials(again)


def test_what_was_said_is_said_again_soon_and_now_and_then_as_long_as_there_is_something_to_say() -> None:
    def times(one: Tracking, until: float) -> list[float]:
        found = []
        while (due := one.next_wake()) is not None and due < until:
            found.append(round(due, 2))
            assert one.wake(due) <= {"web"}
            assert one.next_wake() != due
        return found

    ill = tracking(PROCESS, result=ILL)
    assert times(ill, 9.0) == [2.05, 2.1, 2.15, 2.2, 2.25, 2.3, 2.4, 2.5, 2.6, 3.0, 4.0, 6.0, 8.0]
    well = tracking(PROCESS, result=WELL)
    assert max(times(well, 100.0), default=0.0) < 40.0
    assert well.wake(100.0) == frozenset()
    assert well.next_wake() is None


def test_a_word_that_was_overtaken_does_not_count() -> None:
    one = tracking()
    sick = Fitness(fit=False, why="it is gone")
    assert one.hear(Fit("n2", (FitRow("web", sick, 5),)))
    assert one.news() == {"web": {"n2": sick}}
    assert not one.hear(Fit("n2", (FitRow("web", FIT, 4),)))
    assert not one.hear(Fit("n2", (FitRow("web", sick, 6),)))
    assert one.hear(Fit("n2", (FitRow("web", FIT, 7),)))
    assert one.news() == {"web": {"n2": FIT}}
    assert not one.hear(Fit("n1", (FitRow("web", sick, 9),))), "of itself it knows better"


def test_who_came_back_counts_anew() -> None:
    one = tracking()
    sick = Fitness(fit=False, why="it is gone")
    one.hear(Fit("n2", (FitRow("web", sick, 5000),)))
    one.news()
    one.came("n2", 10.0)
    assert one.news() == {}, "it may not know that it was lost, and repeats itself now and then only"
    assert one.hear(Fit("n2", (FitRow("web", FIT, 3),))), "its host was started anew"


def test_what_one_that_came_back_does_not_repeat_counts_no_more() -> None:
    one = tracking()
    sick = Fitness(fit=False, why="it is gone")
    one.hear(Fit("n2", (FitRow("web", sick, 5000), FitRow("mail", sick, 5001))))
    one.news()
    one.came("n2", 10.0)
    one.hear(Fit("n2", (FitRow("mail", sick, 3),)))
    due = one.next_wake()
    assert due is not None
    one.wake(due)
    assert one.has_news
    assert one.news() == {"web": {"n2": FIT}}
    assert one.next_wake() is None


def test_who_has_not_said_what_it_is_unfit_for_is_unfit_for_all() -> None:
    one = tracking(PROCESS)
    one.news()
    one.presume(["n2"])
    assert not one.news()["web"]["n2"].fit
    one.presume(["n2"])
    assert one.news() == {}
    one.hear(Fit("n2", (FitRow("other", Fitness(fit=False), 5),)))
    one.presume(["n2"])
    assert one.news() == {"other": {"n2": Fitness(fit=False)}, "web": {"n2": FIT}}
    one.presume([])
    assert one.news() == {}


def test_what_a_peer_invents_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roost.decide.standing.tracking._ROWS", 10)
    one, election = tracking(), Election()
    sick = Fitness(fit=False)
    for number in range(100):
        one.hear(Fit(f"n{number}", (FitRow(f"s{number}", sick, 1),)))
        election.update_candidates((), one.news())
    assert len(election.fitness) == 10


@pytest.mark.parametrize("length", [2, 253])
def test_words_are_cut_to_fit(length: int) -> None:
    one = Tracking("n" * length)
    one.take_services([web(PROCESS, name=f"{number:0{length}}") for number in range(100)], 1.0)
    words = list(one.words())
    assert sum(len(word.rows) for word in words) == 100
    assert len(words) > 3
    assert all(decode(encode(word)) == word for word in words)

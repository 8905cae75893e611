"""A lead that stays: taken once, said, learned in time, given up by a sick holder, taken back in time."""

import math
from ipaddress import ip_address
from typing import Any

from tests.unit.decide.one import One, address_of, web

from roost.decide.effects import Describe
from roost.model.address import IPAddress
from roost.model.check import Check, Result, TcpPort
from roost.model.fitness import Fitness
from roost.model.node import Node, Verdict
from roost.model.service import DesiredState, Service
from roost.model.tenure import Tenure
from roost.protocols.words.fit import Fit, FitRow
from roost.protocols.words.tenures import Tenures

MINE, THEIRS = address_of(1, 2, 3), address_of(2, 1, 3)


def stays(*addresses: IPAddress, failback: float = math.inf, **changed: Any) -> Service:
    return web(*addresses, failback=failback, **changed)


def said(one: One) -> list[tuple[str, int]]:
    return [(word.node, word.rows[0][1]) for _, word in one.told(Tenures) if isinstance(word, Tenures)]


def hear(one: One, node: str, address: IPAddress, term: int) -> None:
    one.hear(Tenures(node, ((address, term),)))
    one.run(0.01)


def test_what_it_leads_it_takes_and_says() -> None:
    one = One(stays(MINE))
    one.effects.clear()
    one.run(3.0)
    assert one.decider.state.tenures.holders == {MINE: "n1"}
    assert next(to for to, _ in one.told(Tenures)) == ("n2", "n3")


def test_at_a_cold_start_rank_decides() -> None:
    one = One(stays(THEIRS), peers=(3,))
    one.run(0.2)
    assert one.answered == {THEIRS}
    assert one.decider.state.tenures.holders == {}
    one.have(2)
    one.claim(THEIRS, 2)
    assert one.answered == frozenset(), "n2 has started at the same time, and stands first"


def test_a_leader_lost_right_after_a_cold_start_does_not_get_it_back() -> None:
    one = One(stays(THEIRS))
    one.have(2, Verdict.PROCESS_GONE)
    one.run(0.01)
    assert said(one) == [("n1", 2)]
    one.have(2)
    one.run(1.0)
    assert one.answered == {THEIRS}


def test_a_better_node_that_comes_later_leads_nothing() -> None:
    one = One(stays(THEIRS), peers=(3,))
    one.run(3.0)
    one.have(2)
    one.run(5.0)
    assert one.answered == {THEIRS}
    assert (("n2",), Tenures("n1", ((THEIRS, 2),))) in one.told(Tenures), "it is told so as it comes"


def test_a_node_that_starts_learns_the_holder_before_it_answers() -> None:
    one = One(stays(MINE), settled=False)
    one.answering = {2}
    one.hear(Tenures("n2", ((MINE, 3),)))
    one.tell(one.decider.synchronized)
    one.run(5.0)
    assert one.answered == frozenset()
    assert one.decider.why(MINE) == "n2 leads it"


def test_it_takes_over_from_a_lost_holder_and_keeps_that_from_it() -> None:
    one = One(stays(MINE))
    one.answering = {2, 3}
    hear(one, "n2", MINE, 7)
    one.claim(MINE, 2)
    one.run(1.0)
    assert one.answered == frozenset()
    one.answering.clear()
    one.effects.clear()
    one.have(2, Verdict.UNREACHABLE)
    one.run(0.01)
    assert one.answered == {MINE}
    assert said(one) == [("n1", 8)]
    one.have(2)
    assert one.decider.state.plan.lead(MINE).node == "n1"


def test_what_another_has_taken_it_gives_up_once_that_one_answers() -> None:
    one = One(stays(MINE))
    one.run(3.0)
    hear(one, "n2", MINE, 9)
    assert one.answered == {MINE}, "held until the new leader is heard"
    one.claim(MINE, 2)
    assert one.answered == frozenset()


def test_never_is_never() -> None:
    one = One(stays(MINE))
    one.answering = {2}
    hear(one, "n2", MINE, 4)
    one.claim(MINE, 2)
    one.run(600.0)
    assert one.answered == frozenset()


def test_a_duration_is_counted_from_when_it_is_well() -> None:
    one = One(stays(MINE, failback=30.0))
    one.answering = {2}
    hear(one, "n2", MINE, 4)
    one.claim(MINE, 2)
    one.run(20.0)
    one.have(1, draining=True)
    one.run(5.0)
    one.have(1)
    one.run(29.0)
    assert one.answered == frozenset(), "it was drained meanwhile"
    one.effects.clear()
    one.run(2.0)
    assert one.answered == {MINE}
    assert ("n1", 5) in said(one)


def test_a_duration_begins_anew_when_it_has_left_the_lead_to_another() -> None:
    one = One(stays(MINE, failback=5.0), peers=(2,))
    one.answering = {2}
    hear(one, "n2", MINE, 4)
    one.claim(MINE, 2)
    one.run(6.0)
    assert one.decider.state.tenures.holders == {MINE: "n1"}
    one.have(2, Verdict.DEAD)
    for _ in range(2):  # n2 has not heard that n1 has it
        one.claim(MINE, 2)
        one.run(0.25)
    one.have(2)
    one.run(4.0)
    assert one.decider.state.tenures.holders == {MINE: "n2"}
    one.run(2.0)
    assert one.decider.state.tenures.holders == {MINE: "n1"}


def test_of_two_better_ones_the_best_comes_first() -> None:
    second = address_of(3, 1, 2)
    one = One(stays(second, failback=5.0))
    one.answering = {2, 3}
    hear(one, "n2", second, 4)
    one.claim(second, 2)
    one.run(4.2)  # it is well since a second ago
    assert one.answered == frozenset(), "n3 stands before it, and is well, too"
    one.run(1.0)
    assert one.answered == {second}, "it did not come"


def test_who_ranks_behind_takes_nothing_back() -> None:
    one = One(stays(THEIRS, failback=5.0))
    one.answering = {2, 3}
    hear(one, "n2", THEIRS, 4)
    one.claim(THEIRS, 2)
    one.run(60.0)
    assert one.answered == frozenset()


def test_a_drained_holder_does_not_take_it_back_when_it_is_drained_no_more() -> None:
    one = One(stays(MINE))
    one.run(3.0)
    one.have(1, draining=True)
    one.claim(MINE, 2)
    hear(one, "n2", MINE, 9)
    one.have(1)
    one.answering = {2}
    one.run(10.0)
    assert one.answered == frozenset()


def test_it_stands_in_for_a_holder_that_hangs_and_then_has_the_lead() -> None:
    one = One(stays(THEIRS))
    hear(one, "n2", THEIRS, 4)
    one.processes = set()
    one.have(2, Verdict.SUSPECT)
    one.run(2.0)
    assert one.answered == {THEIRS}
    assert one.decider.state.tenures.holders == {THEIRS: "n1"}
    one.have(2)
    assert one.decider.state.plan.lead(THEIRS).node == "n1"


def test_a_lost_peer_that_has_taken_the_lead_meanwhile_keeps_it() -> None:
    one = One(stays(MINE), peers=(2,))
    one.run(3.0)
    one.have(2, Verdict.DEAD)
    one.run(1.0)
    one.claim(MINE, 2)
    assert one.answered == {MINE}
    one.run(0.25)
    one.claim(MINE, 2)
    assert one.answered == frozenset(), "it ranks behind, and took it later"
    assert one.decider.state.tenures.holders == {MINE: "n2"}


def test_what_it_took_with_proof_from_a_lost_peer_it_keeps() -> None:
    one = One(stays(THEIRS), peers=(2,))
    hear(one, "n2", THEIRS, 4)
    one.have(2, Verdict.UNREACHABLE)
    one.run(1.0)
    for _ in range(2):
        one.claim(THEIRS, 2)
        one.run(0.25)
    assert one.answered == {THEIRS}, "though the peer ranks before it"


def test_what_it_took_without_proof_it_leaves_to_the_holder() -> None:
    one = One(stays(MINE), peers=(2,))
    one.answering = {2}
    hear(one, "n2", MINE, 4)
    one.claim(MINE, 2)
    one.answering.clear()
    one.have(2, Verdict.DEAD)
    one.run(2.0)
    assert one.answered == {MINE}
    one.claim(MINE, 2)
    assert one.answered == frozenset(), "it may have been this node that was cut off"


def alone_without_proof() -> One:
    """Return n1 after gossip alone has lost n2, which has the lead as the 4th in turn, and n3."""
    one = One(stays(MINE), peers=(2, 3))
    one.answering = {2, 3}
    hear(one, "n2", MINE, 4)
    one.claim(MINE, 2)
    one.answering.clear()
    one.have(2, Verdict.DEAD)
    one.have(3, Verdict.DEAD)
    one.run(2.0)
    return one


def test_beside_a_peer_it_has_what_it_took_without_proof_for_sure_if_the_holder_is_not_back() -> None:
    one = alone_without_proof()
    assert one.answered == {MINE}
    assert said(one) == []
    one.have(3)
    one.run(0.4)
    assert said(one)[-1] == ("n1", 3), "before the term of its holder, who may be there"
    one.run(0.2)
    assert said(one)[-1] == ("n1", 5)


def test_beside_a_peer_it_leaves_what_it_took_without_proof_to_a_holder_that_is_back() -> None:
    one = alone_without_proof()
    one.have(3)
    one.run(0.3)
    one.have(2)
    one.run(1.0)
    assert ("n1", 5) not in said(one)


def test_back_from_being_away_it_leaves_what_another_answers_for() -> None:
    one = One(stays(MINE))
    one.run(3.0)
    one.holding[MINE] = 2
    one.sleep(5.0)
    one.run(0.2)
    assert one.answered == frozenset()
    hear(one, "n2", MINE, 1)
    assert one.decider.state.plan.lead(MINE).node == "n2", "its own word is old"


def test_right_after_it_was_away_it_takes_nothing() -> None:
    """It may hold for lost who is there, until that one has refuted it."""
    one = One(stays(MINE))
    one.answering = {2}
    hear(one, "n2", MINE, 4)
    one.claim(MINE, 2)
    one.answering.clear()
    one.effects.clear()
    one.sleep(5.0)
    one.have(2, Verdict.UNREACHABLE)
    one.tell(one.decider.synchronized)
    one.run(0.8)
    assert said(one) == []
    one.have(2)
    hear(one, "n2", MINE, 4)
    assert one.decider.state.plan.lead(MINE).node == "n2"


def test_an_unfit_holder_gives_the_lead_up_and_gets_it_back_from_nobody() -> None:
    one = One(stays(MINE))
    one.answering = {2}
    hear(one, "n2", MINE, 4)
    one.claim(MINE, 2)
    one.hear(Fit("n2", (FitRow("web", Fitness(fit=False, why="tcp"), 1),)))
    one.run(0.01)
    assert one.answered == {MINE}
    assert one.decider.state.tenures.holders == {MINE: "n1"}
    one.hear(Fit("n2", (FitRow("web", Fitness(), 2),)))
    one.run(1.0)
    assert one.answered == {MINE}


def test_a_duration_begins_when_it_is_fit() -> None:
    check = Check(TcpPort("127.0.0.1", 80))
    one = One(stays(MINE, failback=5.0, track=(check,)))
    one.answering = {2}
    hear(one, "n2", MINE, 4)
    one.claim(MINE, 2)
    one.run(30.0)
    assert one.answered == frozenset(), "it is not known to be fit"
    one.tell(one.decider.checked, check, Result(True, "connected"))
    one.run(4.9)
    assert one.answered == frozenset()
    one.run(0.2)
    assert one.answered == {MINE}


def test_trap_a_failing_check_with_a_weight_moves_a_lead_that_never_goes_back() -> None:
    """keepalived#2599 #2483 #2379 #942 #2103: with nopreempt it stays for ever."""
    one = One(stays(MINE))
    one.answering = {2, 3}
    hear(one, "n2", MINE, 4)
    one.claim(MINE, 2)
    one.hear(Fit("n2", (FitRow("web", Fitness(weight=-50), 1),)))
    one.run(0.01)
    assert one.answered == {MINE}
    one.hear(Fit("n2", (FitRow("web", Fitness(), 2),)))
    one.run(5.0)
    assert one.answered == {MINE}, "and it stays there"


def test_another_speaker_would_not_know_so_rank_decides_beside_it() -> None:
    one = One(stays(MINE))
    one.have(3, version="")
    nodes = {name: Node(name) for name in ("n1", "n2", "n3")}
    one.tell(one.decider.want, DesiredState((stays(MINE),), "same", nodes), frozenset(), "")
    hear(one, "n2", MINE, 9)
    assert one.decider.state.plan.lead(MINE).node == "n1"


def test_with_many_leads_it_says_them_in_turn() -> None:
    wanted = [stays(ip_address(f"198.51.100.{last}"), name=f"s{last}") for last in range(200)]
    one = One(*wanted, peers=(2,))
    one.run(3.0)
    own = set(one.decider.state.tenures.own())
    assert len(own) > 60
    one.effects.clear()
    one.run(60.0)
    told = [word for _, word in one.told(Tenures) if isinstance(word, Tenures)]
    assert {address for word in told for address, _ in word.rows} == own
    assert len(told) <= 21, "a word every three seconds"


def test_what_it_knew_before_it_stood_still_it_tells_nobody_and_hears_from_nobody() -> None:
    """Exchanges of peers wait in its sockets: it answers them before it has asked anybody."""
    one = One(stays(THEIRS))
    hear(one, "n2", THEIRS, 4)
    one.sleep(2.0)
    assert Tenures("n2", ((THEIRS, 4),)) not in one.of(Describe)[-1].state
    one.hear(Tenures("n2", ((THEIRS, 4),)))
    assert one.decider.state.tenures.of(THEIRS) == Tenure("n2", 0)

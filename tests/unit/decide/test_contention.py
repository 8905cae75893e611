"""Two answer for one address: every row of the table of who gives way."""

from ipaddress import ip_address

import pytest
from tests.unit.decide.builders import mac, service

from roost.decide.contention import Contender, Disputes, reason_to_yield
from roost.model.node import Node
from roost.model.ranking import digest, rank

VIP, OTHER = ip_address("192.0.2.200"), ip_address("192.0.2.201")
RANKING = rank(service(str(VIP)), [Node("n1"), Node("n2")])
FIRST, SECOND = (place.node for place in RANKING.places)


def yields(
    contender: Contender,
    me: str = FIRST,
    *,
    answers: bool = True,
    gossiped: bool = True,
    blind: bool = False,
    ranked: bool = True,
    doubled: bool = False,
    left: bool = False,
) -> bool:
    ranking = RANKING if ranked else None
    why = reason_to_yield(
        me,
        contender,
        ranking,
        VIP,
        answers=answers,
        gossiped=gossiped,
        blind=blind,
        doubled=doubled,
        yields=left,
    )
    return bool(why)


def test_to_a_stranger_while_gossip_has_never_reached_anybody() -> None:
    assert yields(Contender(None), gossiped=False)
    assert not yields(Contender(None))


@pytest.mark.parametrize("answers", [True, False])
def test_to_a_lost_peer_that_ranks_before(answers: bool) -> None:
    assert yields(Contender(FIRST, lost=True), SECOND, answers=answers)


def test_to_a_lost_peer_that_ranks_behind_only_before_answering() -> None:
    assert yields(Contender(SECOND, lost=True), FIRST, answers=False)
    assert not yields(Contender(SECOND, lost=True), FIRST, answers=True)


def test_to_an_informed_peer_that_goes_on_while_blind() -> None:
    early, late = sorted(("n1", "n2"), key=lambda name: digest(name, str(VIP)))  # by the hash it would not
    assert yields(Contender(late, informed=True, goes_on=True), early, blind=True)
    assert not yields(Contender(late, informed=True), early, blind=True), "a straggler of a handover"
    assert not yields(Contender(late, informed=False, goes_on=True), early, blind=True)
    assert not yields(Contender(late, informed=True, goes_on=True), early, blind=False)


def test_to_a_peer_that_goes_on_and_stands_first_by_the_hash_alone() -> None:
    """What is wanted may differ between the two: the order of hashes does not."""
    early, late = sorted(("n1", "n2"), key=lambda name: digest(name, str(VIP)))
    assert yields(Contender(early, goes_on=True), late)
    assert yields(Contender(early, goes_on=True), late, ranked=False)
    assert not yields(Contender(early), late), "gossip settles it within moments"
    assert not yields(Contender(late, goes_on=True), early)


@pytest.mark.parametrize("lost", [True, False])
def test_of_two_that_answer_and_go_on_exactly_one_yields(lost: bool) -> None:
    ends = ((FIRST, SECOND), (SECOND, FIRST))
    assert sum(yields(Contender(one, lost=lost, goes_on=True), other) for one, other in ends) == 1


def test_to_a_lost_peer_without_a_ranking_only_before_answering() -> None:
    assert yields(Contender(SECOND, lost=True), FIRST, answers=False, ranked=False)
    assert not yields(Contender(SECOND, lost=True), FIRST, answers=True, ranked=False)


def test_to_a_namesake_before_answering_or_when_it_goes_on_and_is_ahead() -> None:
    assert yields(Contender(None, namesake=True), answers=False)
    assert not yields(Contender(None, namesake=True, ahead=True))
    assert not yields(Contender(None, namesake=True, goes_on=True))
    assert yields(Contender(None, namesake=True, goes_on=True, ahead=True))


def test_to_a_peer_that_knows_the_namesake_only() -> None:
    late = max(("n1", "n2"), key=lambda name: digest(name, str(VIP)))
    early = "n1" if late == "n2" else "n2"
    assert yields(Contender(late, goes_on=True), early, doubled=True)
    assert yields(Contender(late), early, doubled=True, left=True)
    assert not yields(Contender(late), early, doubled=True)
    assert not yields(Contender(late), early, left=True)


def test_a_dispute_lasts_while_it_is_claimed_and_is_forgotten_after_longer() -> None:
    disputes = Disputes()
    assert disputes.lasts(VIP, mac(2), 10.0) == 0
    assert disputes.lasts(VIP, mac(2), 10.5) == 0.5
    assert disputes.lasts(OTHER, mac(2), 10.5) == 0, "each address by itself"
    assert disputes.lasts(VIP, mac(3), 10.5) == 0, "and each machine"
    assert disputes.lasts(VIP, mac(2), 20.0) == 0, "that is another one"


def test_to_a_lost_peer_that_insists_and_so_takes_this_node_for_a_stranger() -> None:
    assert not yields(Contender(SECOND, lost=True, goes_on=True))
    assert yields(Contender(SECOND, lost=True, goes_on=True, insists=True))


def test_so_many_disputes_are_remembered_and_no_more() -> None:
    disputes = Disputes()
    disputes.lasts(VIP, mac(1), 0.0)
    for number in range(10_000):
        disputes.lasts(OTHER, number.to_bytes(6, "big"), 0.1)
    assert len(disputes._since) == 4096
    assert disputes.lasts(VIP, mac(1), 0.5) == 0, "forgotten: it gave way"

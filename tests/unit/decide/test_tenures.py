"""What a node knows of who has which lead: learned, told, bounded, and doubted after it was away."""

import math
from ipaddress import ip_address

from tests.unit.decide.builders import service

from roost.decide.tenures import Grip, TenureBook
from roost.model.service import Service
from roost.protocols.words.tenures import LAST_TERM, Tenures

VIP, OTHER = ip_address("192.0.2.100"), ip_address("192.0.2.101")


def stays(failback: float = math.inf) -> Service:
    return service(str(VIP), failback=failback)


def book(*services: Service) -> TenureBook:
    made = TenureBook("n1")
    made.want(services or (stays(),))
    made.news = False
    return made


def test_it_learns_who_has_a_lead_from_anybody() -> None:
    made = book()
    made.hear(Tenures("n2", ((VIP, 4),)))
    assert (made.holders, made.news) == ({VIP: "n2"}, True)
    assert made.words() == [Tenures("n2", ((VIP, 4),))], "and tells it to whoever asks for its state"


def test_what_is_old_is_no_news() -> None:
    made = book()
    made.hear(Tenures("n2", ((VIP, 4),)))
    made.news = False
    made.hear(Tenures("n3", ((VIP, 3),)))
    assert (made.holders, made.news) == ({VIP: "n2"}, False)


def test_taking_begins_the_next_term() -> None:
    made = book()
    made.hear(Tenures("n2", ((VIP, 4),)))
    made.take(VIP, Grip())
    assert made.words_of(made.unsaid) == [Tenures("n1", ((VIP, 5),))]
    assert made.own() == [VIP]


def test_a_lead_taken_without_proof_goes_back_to_a_holder_that_is_there_after_all() -> None:
    made = book()
    made.hear(Tenures("n2", ((VIP, 4),)))
    made.take(VIP, Grip(unproven="n9"))
    assert made.holders == {VIP: "n1"}
    made.hear(Tenures("n2", ((VIP, 4),)))
    assert made.holders == {VIP: "n2"}


def test_what_was_taken_without_proof_and_is_proven_later_comes_after_the_holders() -> None:
    made = book()
    made.hear(Tenures("n2", ((VIP, 4),)))
    made.take(VIP, Grip(unproven="n2"))
    made.take(VIP, Grip())
    made.hear(Tenures("n2", ((VIP, 4),)))
    assert made.holders == {VIP: "n1"}
    made.hear(Tenures("n2", ((VIP, 6),)))
    assert made.holders == {VIP: "n2"}, "who takes it after that has it"


def test_a_restarted_holder_without_memory_follows_it() -> None:
    made = book()
    made.hear(Tenures("n2", ((VIP, 4),)))
    made.take(VIP, Grip(unproven="n9"))
    fresh = TenureBook("n2")
    fresh.want([stays()])
    for word in made.words():
        fresh.hear(word)
    assert fresh.holders == {VIP: "n1"}


def test_what_it_leaves_to_a_peer_is_the_peers() -> None:
    made = book()
    made.concede(VIP, "n3")
    assert made.holders == {}, "it had nothing to leave"
    made.take(VIP, Grip())
    made.concede(VIP, "n3")
    assert made.holders == {VIP: "n3"}
    assert made.grips == {}


def test_after_it_was_away_what_any_other_says_counts_more() -> None:
    made = book()
    made.take(VIP, Grip())
    made.take(VIP, Grip())
    made.doubt(all_of_them=True)
    assert made.holders == {VIP: "n1"}, "nobody says otherwise"
    assert (made.own(), made.words()) == ([], [])
    made.hear(Tenures("n2", ((VIP, 1),)))
    assert made.holders == {VIP: "n2"}


def test_what_it_doubts_and_no_peer_tells_again_is_given_up() -> None:
    made = book(stays(), service(str(OTHER), name="other", failback=math.inf))
    made.hear(Tenures("n2", ((VIP, 4), (OTHER, 6))))
    made.doubt(all_of_them=True)
    made.hear(Tenures("n3", ((OTHER, 2),)))
    made.news = False
    made.give_up_doubted()
    assert (made.holders, made.news) == ({OTHER: "n3"}, True), "n2 may have begun anew, and goes by rank"
    assert made.of(VIP) is None
    made.news = False
    made.give_up_doubted()
    assert not made.news


def test_lost_to_others_it_doubts_what_it_took_alone() -> None:
    made = book(stays(), service(str(OTHER), name="other", failback=5.0))
    made.take(VIP, Grip())
    made.hear(Tenures("n2", ((OTHER, 3),)))
    made.doubt(all_of_them=False)
    made.hear(Tenures("n3", ((VIP, 1), (OTHER, 2))))
    assert made.holders == {VIP: "n3", OTHER: "n2"}


def test_what_is_told_before_the_configuration_has_it_is_remembered() -> None:
    made = book(service(str(OTHER), name="other"))
    made.hear(Tenures("n2", ((VIP, 1),)))
    assert made.holders == {}
    made.want([stays()])
    assert made.holders == {VIP: "n2"}


def test_two_reloads_in_a_row_bring_no_old_tenure_back() -> None:
    made = book()
    made.hear(Tenures("n2", ((VIP, 4),)))
    made.want([stays(0.0)])
    assert made.holders == {}
    made.want([stays()])
    made.hear(Tenures("n2", ((VIP, 4),)))  # of a node that has read neither
    assert made.holders == {}
    made.take(VIP, Grip())
    assert made.words() == [Tenures("n1", ((VIP, 5),))], "this one counts there, too"


def test_a_service_that_is_gone_for_a_while_keeps_its_holder() -> None:
    made = book()
    made.hear(Tenures("n2", ((VIP, 4),)))
    made.want([])
    made.want([stays()])
    assert made.holders == {VIP: "n2"}


def test_the_last_term_is_no_end() -> None:
    made = book()
    made.hear(Tenures("n2", ((VIP, LAST_TERM),)))
    made.take(VIP, Grip())
    assert made.of(VIP) is not None


def test_addresses_that_nobody_wants_are_bounded() -> None:
    made = book()
    for number in range(3000):
        made.hear(Tenures("n2", ((ip_address(0x0A000000 + number), 1),)))
    made.hear(Tenures("n2", ((VIP, 1),)))
    assert len(made._others) == 1024
    assert made.holders == {VIP: "n2"}

"""The decider as a whole: what comes in, and what this node then answers and does."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from tests.unit.decide.builders import endpoint, link, mac
from tests.unit.decide.one import SETTINGS, One, address_of, web

from roost.decide.effects import (
    Announce,
    Answer,
    AskHosts,
    AskProxy,
    Correct,
    Declare,
    Deliver,
    Describe,
    Follow,
    Happened,
    Join,
    Notice,
    Open,
    Resolve,
    Teach,
    Tell,
)
from roost.decide.effects import Ask as AskLan
from roost.decide.join_target import parse_target
from roost.decide.succession import WAIT
from roost.model.address import IPAddress
from roost.model.event import Happening, Level
from roost.model.node import Node, Verdict
from roost.model.ranking import digest
from roost.model.service import DesiredState
from roost.protocols.witness.voice import ProbeKind
from roost.protocols.words.draining import Ask, Progress
from roost.protocols.words.macs import Macs
from roost.protocols.words.sightings import News, Sighting, Sightings
from roost.protocols.words.statement import Kind, Statement
from roost.protocols.words.unable import Unable
from roost.protocols.words.verdict import Ground

MINE, THEIRS = address_of(1, 2, 3), address_of(2, 1, 3)
MORE = address_of(1, 2, 3, number=1)  # which n1 leads, too
CLIENT = Sighting(MINE, ip_address("192.0.2.90"), mac(90))
STRANGER = 99
JOIN = (parse_target("192.0.2.12"),)


# -- beginning -----------------------------------------------------------------------------------


def test_nothing_is_answered_before_it_knows_what_the_others_know() -> None:
    one = One(web(MINE), settled=False)
    one.run(0.6)
    assert one.answered == frozenset()
    assert MINE in one.asked(), "meanwhile the LAN is asked"
    assert "asked first" in one.decider.why(MINE)


def test_with_a_peers_state_it_answers_what_it_leads_and_announces_it() -> None:
    one = One(web(MINE), web(THEIRS, name="theirs"), settled=False)
    one.tell(one.decider.synchronized)
    assert one.answered == {MINE}
    assert one.announced() == {MINE}
    assert Happening.SETTLED in one.happened()
    assert one.decider.why(MINE) == "this node leads it"
    assert one.decider.why(THEIRS) == "n2 leads it"


def test_alone_it_answers_after_a_while() -> None:
    one = One(web(MINE), peers=(), settled=False)
    one.run(0.69)
    assert one.answered == frozenset()
    one.run(0.03)
    assert one.answered == {MINE}


def test_alone_though_there_ought_to_be_others_it_asks_once_more() -> None:
    one = One(web(MINE), peers=(), settled=False, join=JOIN)
    one.run(0.8)
    assert one.answered == frozenset()
    one.run(0.1)
    assert one.answered == {MINE}


def test_a_starting_node_waits_for_its_proxy() -> None:
    one = One(web(MINE, health_port=32000), settled=False)
    one.holding[MINE] = 2
    one.tell(one.decider.synchronized)
    one.run(0.5)
    assert one.answered == frozenset()
    assert one.decider.why(MINE) == "this node's proxy does not pass its traffic on yet"
    one.tell(one.decider.proxied, "web")
    assert one.answered == {MINE}


def test_what_nobody_else_answers_for_does_not_wait_for_the_proxy() -> None:
    """Its traffic is lost either way until the proxy knows it, and no longer than that."""
    one = One(web(MINE, health_port=32000), settled=False)
    one.tell(one.decider.synchronized)
    one.run(0.1)
    assert one.answered == frozenset(), "the LAN is asked first"
    one.run(0.1)
    assert one.answered == {MINE}


def test_what_was_asked_for_in_vain_before_it_settled_does_not_wait_for_the_proxy_either() -> None:
    one = One(web(MINE, health_port=32000), settled=False)
    one.run(0.1)
    assert one.answered == frozenset()
    one.tell(one.decider.synchronized)
    assert one.answered == {MINE}


def test_a_starting_node_looks_that_leaders_are_there() -> None:
    one = One(web(THEIRS), settled=False)
    one.tell(one.decider.synchronized)
    one.run(0.3)
    assert one.answered == {THEIRS}
    assert Happening.STOOD_IN in one.happened()


def test_without_gossip_it_answers_at_once() -> None:
    one = One(web(MINE), peers=(), settled=False, bind=None, timing=None)
    one.run(0.0)
    assert one.answered == {MINE}


def test_parts_outside_are_told_what_they_have_to_know() -> None:
    one = One(web(MINE, deliver="local"), settled=False)
    assert one.of(Open)[-1].links == (link(),)
    assert one.of(Notice)[-1].addresses == {MINE}
    assert one.of(Deliver)[-1].addresses == {MINE}
    assert one.of(Describe)[-1].metadata.macs == (mac(1),)
    assert one.of(Follow)


def test_what_a_starting_node_learns_is_no_news_for_people() -> None:
    one = One(web(THEIRS), settled=False)
    moves = [each.event for each in one.of(Happened) if each.event.what is Happening.LEAD_MOVED]
    assert {event.level for event in moves} == {Level.DEBUG}


# -- a leader is lost ----------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", [Verdict.UNREACHABLE, Verdict.PROCESS_GONE, Verdict.LEAVING])
def test_after_a_leader_that_is_gone_by_what_was_seen_or_by_its_own_word_it_answers_at_once(
    verdict: Verdict,
) -> None:
    one = One(web(THEIRS))
    one.have(2, verdict)
    assert one.answered == {THEIRS}
    assert one.announced() == {THEIRS}


def test_after_a_leader_that_gossip_alone_has_lost_it_asks_first() -> None:
    one = One(web(THEIRS))
    one.have(2, Verdict.DEAD)
    assert one.answered == frozenset()
    one.run(0.09)
    assert (one.answered, one.asked()) == (frozenset(), {THEIRS})
    one.run(0.02)
    assert one.answered == {THEIRS}


def test_a_witness_that_comes_later_ends_the_asking() -> None:
    one = One(web(THEIRS))
    one.have(2, Verdict.DEAD)
    one.have(2, Verdict.UNREACHABLE)
    assert one.answered == {THEIRS}


def test_a_leader_that_gossip_has_lost_and_that_answers_keeps_its_address() -> None:
    one = One(web(THEIRS))
    one.have(2, Verdict.DEAD)
    one.run(0.05)
    one.holding[THEIRS] = 2
    one.claim(THEIRS, 2)
    one.run(2.0)
    assert one.answered == frozenset()
    assert Happening.YIELDED in one.happened()


def test_the_silence_of_the_old_leader_is_measured() -> None:
    one = One(web(THEIRS))
    one.silent.add(2)
    one.run(0.05)
    one.have(2, Verdict.UNREACHABLE)
    (event,) = [each.event for each in one.of(Happened) if each.event.what is Happening.LEAD_MOVED]
    assert 0.0 < event.facts["silent_s"] < 0.1
    assert (event.facts["from"], event.facts["to"]) == ("n2", "n1")


def test_witnesses_that_agree_declare_a_silent_host() -> None:
    one = One(web(THEIRS))
    one.silent.add(2)
    one.run(0.05)
    one.hear(Statement(Kind.SILENT, "n3", "n2"))
    one.run(0.1)
    assert [each.ground.subject for each in one.of(Declare)] == ["n2"]


def test_a_process_that_has_ended_is_declared_gone() -> None:
    one = One(web(THEIRS))
    one.tell(one.decider.process_gone, "n2")
    (declared,) = one.of(Declare)
    assert (declared.ground.subject, declared.ground.verdict) == ("n2", Verdict.PROCESS_GONE)


def test_what_ended_while_this_process_did_not_run_may_run_again() -> None:
    one = One(web(THEIRS))
    one.now += 3.0
    one.tell(one.decider.process_gone, "n2")
    assert one.of(Declare) == []


# -- a successor that is not there ---------------------------------------------------------------


def test_the_next_in_rank_stands_in_for_a_mute_successor_until_it_is_heard() -> None:
    address = address_of(3, 2, 1)
    one = One(web(address))
    one.have(3, Verdict.UNREACHABLE)
    one.run(0.12)
    assert one.asked() == {address}
    one.run(0.1)
    assert one.answered == {address}
    assert Happening.STOOD_IN in one.happened()
    one.claim(address, 2)
    assert one.answered == frozenset()
    assert Happening.HANDED_OVER in one.happened()


def test_who_hangs_right_after_it_has_taken_over_is_stood_in_for() -> None:
    """It never answered for what it is watched by, so that its silence alone would mean nothing."""
    one = One(web(THEIRS), peers=(3,))
    one.have(2, digest="same")
    one.answering = {3}
    one.claim(THEIRS, 2)
    assert one.answered == frozenset()
    one.run(0.19)
    assert one.asked() == set(), "nobody is in doubt yet"
    one.run(0.25)
    assert one.answered == {THEIRS}


def test_a_successor_that_is_heard_is_left_alone() -> None:
    address = address_of(3, 2, 1)
    one = One(web(address))
    one.have(3, Verdict.UNREACHABLE)
    one.claim(address, 2)
    one.run(2.0)
    assert (one.answered, one.asked()) == (frozenset(), set())


def test_what_a_leaving_node_holds_is_asked_for_again_until_it_ends() -> None:
    """Its end is no news to anybody: it has left long before."""
    address = address_of(3, 2, 1)
    one = One(web(address))
    one.holding[address] = 3
    one.have(3, Verdict.LEAVING)
    one.run(2.0)
    assert one.answered == frozenset()
    del one.holding[address]
    one.run(0.45)
    assert one.answered == {address}


def test_who_claims_out_of_turn_is_waited_for_no_longer_than_the_leader() -> None:
    """It may have given up again the next moment: it was only coming back."""
    address = address_of(2, 1, 3)
    one = One(web(address))
    one.have(2, digest="other services")
    one.claim(address, 3, direct=False)
    one.run(0.3)
    assert one.answered == {address}


def test_who_answers_out_of_turn_when_it_is_asked_is_left_alone() -> None:
    address = address_of(2, 1, 3)
    one = One(web(address))
    one.holding[address] = 3
    one.have(2, digest="other services")
    one.claim(address, 3, direct=False)
    one.run(0.3)
    assert one.asked() == {address}
    assert one.answered == frozenset()


def test_standbys_wait_one_after_the_other() -> None:
    address = address_of(4, 2, 3, 1)
    one = One(web(address), peers=(2, 3, 4))
    one.have(4, Verdict.UNREACHABLE)
    one.run(2 * WAIT - 0.01)
    assert one.asked() == set(), "n3 has the first turn"
    one.run(0.02)
    assert one.asked() == {address}


def test_who_is_heard_again_is_looked_for_at_once_in_all_that_is_answered() -> None:
    """It may have stood still with its clock, and not know that it was away."""
    mine = [address_of(1, 2, 3, number=number) for number in range(6)]
    one = One(web(*mine))
    one.have(2, Verdict.UNREACHABLE)
    one.silent = {2}
    one.run(2.0)
    one.silent.clear()
    one.effects.clear()
    one.run(0.4)
    assert one.asked() == set(mine)


def test_nobody_waits_for_a_standby_that_may_be_silent_too() -> None:
    address = address_of(4, 2, 3, 1)
    one = One(web(address), peers=(2, 3, 4))
    one.have(3, Verdict.SUSPECT)
    one.have(4, Verdict.UNREACHABLE)
    one.run(WAIT + 0.01)
    assert one.asked() == {address}


def test_a_leader_that_has_just_come_is_awaited_too() -> None:
    address = address_of(2, 1, 3)
    one = One(web(address), peers=(3,))
    one.tell(one.decider.wish, "n1", True)
    one.have(1, draining=True)
    one.claim(address, 3)
    assert one.answered == frozenset()
    one.have(2)
    one.have(3, Verdict.UNREACHABLE)
    one.run(1.0)
    assert one.answered == {address}


def test_standing_in_ends_when_the_lead_moves_on() -> None:
    address = address_of(3, 2, 1)
    one = One(web(address))
    one.have(3, Verdict.UNREACHABLE)
    one.run(0.3)
    assert one.answered == {address}
    one.have(2, Verdict.UNREACHABLE)
    assert one.decider.why(address) == "this node leads it"
    assert one.answered == {address}
    one.have(2)
    assert one.decider.held == {address}


def test_a_leader_whose_cable_is_back_is_awaited_too() -> None:
    address = address_of(2, 3, 1)
    one = One(web(address))
    one.have(2, macs=(), addresses=(), interfaces=())
    one.claim(address, 3)
    assert one.decider.why(address) == "n3 leads it"
    one.have(2)
    one.run(0.3)
    assert one.answered == {address}, "n3 and n2 are mute now"


def test_a_stand_in_answers_until_the_next_leader_is_heard() -> None:
    address = address_of(4, 3, 1, 2)
    one = One(web(address), peers=(2, 3, 4))
    one.have(4, Verdict.UNREACHABLE)
    one.run(0.5)
    assert one.answered == {address}, "n3 is mute"
    one.have(4)
    assert one.decider.held == {address}, "it asks the LAN first"
    assert address in one.answered
    one.claim(address, 4)
    assert not one.answered


def mute_pair() -> tuple[One, IPAddress]:
    """n4 led and is gone, n2 leads and n3 is next: both are mute, and n1 stands in."""
    address = address_of(4, 2, 3, 1)
    one = One(web(address), peers=(2, 3, 4))
    one.have(4, Verdict.UNREACHABLE)
    one.run(0.5)
    assert one.answered == {address}
    one.effects.clear()
    return one, address


def test_a_standby_before_this_one_that_is_heard_stands_in_instead() -> None:
    one, address = mute_pair()
    one.claim(address, 3)
    assert one.answered == frozenset()
    assert one.happened() == [Happening.HANDED_OVER]


def test_a_standby_that_stands_in_instead_is_followed_when_it_is_lost() -> None:
    one, address = mute_pair()
    one.claim(address, 3)
    one.have(3, Verdict.UNREACHABLE)
    one.run(0.2)
    assert one.answered == {address}


def test_a_lost_standby_that_answers_is_yielded_to_as_anybody() -> None:
    one, address = mute_pair()
    one.have(3, Verdict.DEAD)
    one.effects.clear()
    one.claim(address, 3)
    assert one.answered == frozenset()
    assert one.happened() == [Happening.YIELDED]


def test_who_stood_in_gives_the_next_leader_its_turn() -> None:
    one, address = mute_pair()
    one.have(2, Verdict.UNREACHABLE)
    assert one.decider.held == {address}
    assert address in one.answered
    one.claim(address, 3)
    one.run(1.0)
    assert not one.answered


def test_where_claims_would_not_be_heard_nobody_is_stood_in_for() -> None:
    address = address_of(3, 2, 1)
    one = One(web(address))
    one.have(2, addresses=(ip_address("198.51.100.2"),))
    one.have(3, Verdict.UNREACHABLE)
    one.run(3.0)
    assert one.answered == frozenset()


def well_served() -> tuple[One, IPAddress]:
    """n2 leads two services and shows by one of them that its process lives."""
    also = address_of(2, 1, 3, number=1)
    one = One(web(THEIRS), web(also, name="also"))
    one.answering, one.processes = {2}, {2}
    one.have(2, digest="same")
    one.run(2.0)
    one.effects.clear()
    assert one.answered == frozenset()
    return one, also


def test_a_process_that_owes_an_answer_is_asked_for_at_once_and_stood_in_for_in_everything() -> None:
    one, also = well_served()
    one.answering, one.processes = set(), set()
    one.run(0.45)
    assert one.of(Declare) == [], "no verdict yet: a process on a busy host answers late and lives"
    assert one.happened().count(Happening.STOOD_IN) == 1, "mute for one, mute for all"
    assert one.answered == {THEIRS, also}


def test_nobody_waits_for_a_standby_whose_link_flaps() -> None:
    """It answers nothing before that holds (campaign, seed 39001106)."""
    alone, behind = address_of(2, 1, 3), address_of(2, 3, 1)
    waited = {}
    for flaps in (False, True):
        one = One(web(alone), web(behind, name="behind"))
        one.answering, one.processes = {2, 3}, {2, 3}
        one.have(2, digest="same")
        one.have(3, digest="same", deaf=flaps)
        one.run(2.0)
        one.answering, one.processes = set(), set()
        begun = one.now
        while one.answered != {alone, behind}:
            one.run(0.005)
        waited[flaps] = one.now - begun
    assert waited[True] <= waited[False] - WAIT + 0.005


def test_a_process_that_owes_an_answer_and_answers_others_is_left_alone() -> None:
    one, _ = well_served()
    one.processes.clear()
    one.run(0.45)
    assert len(one.asked()) == 1
    assert one.answered == frozenset()


def test_a_process_that_hangs_right_after_its_services_changed_is_stood_in_for() -> None:
    """Whether it knows the new ones is not known, so its silence alone would mean nothing."""
    one, _ = well_served()
    one.answering, one.processes = set(), set()
    desired = DesiredState((web(THEIRS),), "fewer services")
    one.tell(one.decider.want, desired, frozenset(), "")
    one.have(2, digest="fewer services")
    one.run(0.3)
    assert one.answered == {THEIRS}


def test_who_answers_no_more_for_what_it_is_watched_by_is_watched_by_what_it_answers_for() -> None:
    """This node may not have heard that it wants that service no more."""
    one, also = well_served()
    one.run(0.3)
    (watched,) = one.watched()
    one.processes.clear()
    one.answering.clear()
    (other,) = {THEIRS, also} - {watched}
    while not one.asked():
        one.run(0.005)
    one.effects.clear()
    one.claim(other, 2)
    one.run(0.1)
    assert one.watched() == {other}


def test_a_claim_from_before_its_sender_was_heard_counts_once_its_host_answers() -> None:
    one = One(web(THEIRS), settled=False)
    one.silent.add(2)
    one.tell(one.decider.synchronized)
    one.claim(THEIRS, 2, direct=False)  # perhaps it hears no questions
    one.silent.clear()
    one.run(0.5)
    assert one.asked() == set()
    assert one.answered == set()


def test_a_claim_whose_senders_host_stays_silent_counts_for_nothing() -> None:
    one = One(web(THEIRS), settled=False)
    one.silent.add(2)
    one.tell(one.decider.synchronized)
    one.claim(THEIRS, 2, direct=False)
    one.run(0.5)
    assert one.asked() == {THEIRS}
    assert one.answered == {THEIRS}


def test_who_stands_in_is_looked_at_and_stood_in_for_where_it_is_silent() -> None:
    """It may be killed right after its claim, and gossip sees neither that nor that the leader hangs."""
    first, second = address_of(2, 3, 1), address_of(2, 3, 1, number=1)
    one = One(web(first), web(second, name="second"))
    one.have(2, digest="another")
    for address in (first, second):
        one.claim(address, 3)
    one.holding = {first: 3, second: 3}
    one.run(1.0)
    one.effects.clear()
    one.run(3.0)
    assert one.answered == frozenset()
    assert len(one.asked()) == 1, "one address shows that it is there"
    one.holding.clear()
    one.run(3.0)
    assert one.answered == {first, second}


def test_a_process_that_was_only_late_is_not_asked_for() -> None:
    one, _ = well_served()
    one.answering, one.processes = set(), set()
    while one.decider.state.succession.next_wake() is None:
        one.run(0.005)
    one.processes.add(2)
    one.run(1.0)
    assert (one.answered, one.asked()) == (frozenset(), set())


def test_who_is_mute_for_one_address_is_asked_for_all() -> None:
    """n1 does not watch the process of a leader that wants other services; its claims it can await."""
    also = address_of(2, 1, 3, number=1)
    one = One(web(THEIRS), web(also, name="also"))
    one.have(2, digest="another")
    one.run(0.3)
    assert one.asked() == {THEIRS, also}
    assert one.answered == {THEIRS, also}


def test_a_leader_is_watched_by_what_it_has_taken_over_and_not_by_what_this_node_holds() -> None:
    """It answers for that itself: the leader's silence says nothing, and nothing proves the leader."""
    one, also = well_served()
    one.have(2, Verdict.DEAD, digest="same")
    one.run(1.0)
    assert one.answered == {THEIRS, also}
    one.answering.clear()
    one.have(2, digest="same")
    one.effects.clear()
    one.run(0.5)
    assert one.decider.held == {THEIRS, also}
    assert one.watched() == frozenset()
    one.claim(THEIRS, 2)
    one.run(0.5)
    assert one.decider.held == {also}
    assert one.watched() == {THEIRS}


def test_who_is_stood_in_for_and_owes_an_answer_here_too_is_asked_for_all() -> None:
    one, also = well_served()
    one.answering, one.processes = set(), set()
    while not one.asked():
        one.run(0.005)
    (watched,) = one.asked()
    assert one.answered == frozenset()
    one.claim(watched, 3)
    one.run(0.2)
    assert one.answered == {THEIRS, also} - {watched}


def test_a_leader_that_yielded_what_it_is_watched_by_is_watched_by_something_else() -> None:
    """Else its process would be called gone."""
    one, also = well_served()
    one.run(0.3)
    (watched,) = one.watched()
    one.claim(watched, 3)
    one.effects.clear()
    one.run(0.5)
    assert one.watched() == {THEIRS, also} - {watched}


def test_whom_swim_suspects_is_asked_for() -> None:
    one, _ = well_served()
    one.processes.clear()
    one.answering.clear()
    one.have(2, Verdict.SUSPECT, digest="same")
    one.run(0.3)
    assert THEIRS in one.answered


@pytest.mark.parametrize("drains", [False, True])
def test_a_new_leader_that_is_suspected_already_is_asked_for_soon(drains: bool) -> None:
    """Its own wish not to lead hides no suspicion."""
    last = address_of(3, 2, 1)
    one = One(web(last))
    one.have(1, draining=drains)
    one.have(2, Verdict.SUSPECT, draining=drains)
    one.run(1.0)
    one.effects.clear()
    one.have(3, Verdict.UNREACHABLE)
    one.run(0.03)
    assert one.asked() == {last}


# -- planned moves -------------------------------------------------------------------------------


def test_an_address_passed_on_is_answered_until_the_new_leader_claims_it() -> None:
    one = One(web(THEIRS), peers=(3,))
    assert one.answered == {THEIRS}
    one.have(2)
    one.run(1.0)
    assert one.answered == {THEIRS}
    assert one.decider.held == {THEIRS}
    assert THEIRS in one.asked(), "perhaps it has answered all along"
    one.claim(THEIRS, 2)
    assert one.answered == frozenset()
    assert Happening.HANDED_OVER in one.happened()


def test_what_a_new_leader_claimed_before_it_wanted_other_services_is_asked_for() -> None:
    """Its claim may come late: then it says that it has what it has given up by now."""
    one = One(web(THEIRS), peers=(3,))
    one.have(2, digest="same")
    one.run(0.1)
    one.have(2, digest="other services")
    one.claim(THEIRS, 2)
    assert one.answered == frozenset()
    one.effects.clear()
    one.run(0.5)
    assert one.asked() == {THEIRS}
    assert one.answered == {THEIRS}


def test_what_another_than_the_leader_took_is_asked_for() -> None:
    """It may have stood in, and have given that up for this node at the same time."""
    one = One(web(THEIRS), peers=(3,))
    one.have(2)
    one.claim(THEIRS, 3)
    assert one.answered == frozenset()
    one.run(0.5)
    assert one.answered == {THEIRS}


def test_a_new_leader_that_never_claims_is_stood_in_for() -> None:
    one = One(web(THEIRS), peers=(3,))
    one.have(2)
    one.run(4.5)
    assert not one.decider.held
    assert one.answered == {THEIRS}
    assert "stands in" in one.decider.why(THEIRS)


def returning(**changed: Any) -> One:
    """n2 drained and n1 leads in its place; n2 is back now."""
    one = One(web(THEIRS, **changed))
    one.have(2, draining=True)
    one.claim(THEIRS, 2)
    one.run(4.0)
    assert one.answered == {THEIRS}
    one.have(2)
    one.effects.clear()
    return one


def test_what_is_held_is_not_stood_in_for_as_well() -> None:
    one = returning()
    one.run(1.0)
    assert one.decider.held == {THEIRS}
    assert Happening.STOOD_IN not in one.happened()


def test_what_comes_back_while_it_is_held_is_not_asked_for() -> None:
    one = returning()
    one.have(2, Verdict.DEAD)
    assert one.answered == {THEIRS}
    one.run(0.2)
    assert one.answered == {THEIRS}
    assert one.asked() == set()


def test_what_comes_back_while_it_is_held_is_announced_again() -> None:
    """Clients may have believed the claim of a node that was failing already, and this node did not."""
    one = returning()
    one.effects.clear()
    one.have(2, Verdict.DEAD)
    assert one.announced() == {THEIRS}


def test_what_is_passed_on_is_announced_no_more() -> None:
    one = returning()
    one.tell(one.decider.asked, Sighting(THEIRS, CLIENT.client, CLIENT.mac), one.now)
    one.have(2, Verdict.UNREACHABLE)
    one.plug(link(mac=mac(77)))
    assert one.announced() == {THEIRS}
    one.have(2)
    one.claim(THEIRS, 2)
    one.effects.clear()
    one.run(10.0)
    assert (one.announced(), one.corrected()) == (set(), set())


def test_another_speaker_that_leads_is_known_by_its_claim() -> None:
    """MetalLB gossips no hardware addresses."""
    one = One(peers=(3,))
    nodes = {name: Node(name) for name in ("n1", "n2", "n3")}
    one.tell(one.decider.want, DesiredState((web(THEIRS),), "same", nodes), frozenset(), "")
    one.run(1.0)
    one.have(2, version="", macs=(), interfaces=None)
    assert one.decider.held == {THEIRS}
    one.claim(THEIRS, STRANGER)
    assert one.answered == frozenset()
    assert Happening.HANDED_OVER in one.happened()


def test_leaving_passes_everything_on() -> None:
    one = One(web(MINE))
    one.tell(one.decider.leave)
    assert one.answered == {MINE}
    assert one.decider.held == {MINE}
    one.claim(MINE, 2)
    assert one.answered == frozenset()
    one.run(1.0)
    assert one.answered == frozenset()


def test_a_leaving_node_claims_nothing_more() -> None:
    one = One(web(MINE))
    one.run(1.2)
    assert one.of(Announce), "its rounds go on"
    one.effects.clear()
    one.tell(one.decider.leave)
    one.run(3.0)
    assert one.answered == {MINE}, "nobody has claimed it"
    assert not one.of(Announce)


def test_a_leaving_node_stands_in_no_more() -> None:
    """It ends within moments: the next standby has to notice before that."""
    one, _ = mute_pair()
    one.tell(one.decider.leave)
    assert one.answered == frozenset()
    one.run(4.5)
    assert one.answered == frozenset()


def test_a_draining_node_gives_others_their_turn_before_it_stands_in_again() -> None:
    one, address = mute_pair()
    one.tell(one.decider.wish, "n1", True)
    one.have(1, draining=True)
    assert one.answered == frozenset()
    one.run(0.1)
    assert (one.answered, one.asked()) == (frozenset(), set()), "n3 has the first turn"
    one.run(0.4)
    assert one.answered == {address}, "n3 is mute, too"


@pytest.mark.parametrize("how", [{"draining": True}, {"verdict": Verdict.LEAVING}])
def test_where_a_node_stood_in_that_goes_somebody_else_does(how: dict[str, Any]) -> None:
    """n2 leads and is mute, n3 has stood in for it."""
    address = address_of(2, 3, 1)
    one = One(web(address))
    one.claim(address, 3)
    one.have(3, **how)
    one.run(0.3)
    assert one.asked() == {address}
    assert one.answered == {address}


def test_a_leaving_node_ends_though_nobody_claims() -> None:
    one = One(web(MINE))
    one.tell(one.decider.leave)
    one.run(4.5)
    assert (one.answered, set(one.decider.held)) == (frozenset(), set())


def test_leaving_alone_passes_nothing_on() -> None:
    one = One(web(MINE), peers=())
    one.tell(one.decider.leave)
    assert not one.decider.held
    assert one.answered == frozenset()


def test_a_service_that_is_gone_is_answered_no_more() -> None:
    one = One(web(MINE))
    one.want()
    assert one.answered == frozenset()
    assert one.of(Notice)[-1].addresses == frozenset()


def test_what_the_proxy_does_not_know_yet_is_answered_once_it_does() -> None:
    one = One(web(MINE, health_port=32000, endpoint_nodes=frozenset({"n2"})))
    one.holding[MINE] = 2
    one.want(here := web(MINE, health_port=32000, endpoint_nodes=frozenset({"n1"})))
    one.run(0.3)
    assert {each.service for each in one.of(AskProxy)} == {here}
    assert one.answered == frozenset()
    one.tell(one.decider.proxied, "web")
    assert one.answered == {MINE}


def test_waiting_for_the_proxy_ends_when_the_old_leader_is_lost() -> None:
    one = One(web(THEIRS, health_port=32000))
    one.holding[THEIRS] = 2
    one.have(2, draining=True)
    one.run(0.2)
    assert one.answered == frozenset()
    one.have(2, Verdict.UNREACHABLE)
    assert one.answered == {THEIRS}


def test_nothing_is_awaited_of_the_proxy_when_the_old_leader_is_lost() -> None:
    one = One(web(THEIRS, health_port=32000))
    one.have(2, Verdict.UNREACHABLE)
    assert one.answered == {THEIRS}


# -- not having run, not being heard -------------------------------------------------------------


def test_a_process_that_did_not_run_answers_nothing_until_a_peer_has_told_its_state() -> None:
    one = One(web(MINE))
    assert one.decider.may_answer(one.now)
    one.now += 0.3
    assert not one.decider.may_answer(one.now)
    assert one.until < one.now
    one.sleep(2.0)
    assert one.answered == frozenset()
    assert Happening.NOT_RUNNING in one.happened()
    assert {target for each in one.of(Join) for target in each.endpoints} == {endpoint(2), endpoint(3)}
    one.run(0.04)
    one.tell(one.decider.synchronized)
    assert one.answered == {MINE}
    assert one.decider.may_answer(one.now)


def test_what_waited_while_it_did_not_run_settles_nothing_and_peers_are_asked_once_more() -> None:
    one = One(web(MINE))
    one.sleep(2.0)
    one.tell(one.decider.synchronized)
    assert one.answered == frozenset(), "a state from before"
    one.run(0.04)
    assert {target for each in one.of(Join) for target in each.endpoints} == {endpoint(2), endpoint(3)}
    one.tell(one.decider.synchronized)
    assert one.answered == {MINE}


def test_or_nobody_else_has_answered_for_a_moment() -> None:
    one = One(web(MINE))
    one.sleep(2.0)
    one.run(0.14)
    assert (one.answered, one.asked()) == (frozenset(), {MINE})
    one.run(0.02)
    assert one.answered == {MINE}


def slept(one: One) -> None:
    one.sleep(2.0)


def unplugged(one: One) -> None:
    one.plug(link(carrier=False))
    one.run(1.0)
    one.plug(link())


@pytest.mark.parametrize("away", [slept, unplugged])
def test_who_was_away_and_hears_nobody_since_claims_nothing(away: Callable[[One], None]) -> None:
    """It may be deaf: then nobody's silence says that an address is free, and clients must not come here."""
    one = One(web(MINE))
    one.silent |= {2, 3}
    away(one)
    one.effects.clear()
    one.run(0.2)
    assert one.answered == frozenset()
    assert one.asked() == {MINE}
    one.effects.clear()
    one.tell(one.decider.answered, link().index, CLIENT.client, CLIENT.mac, ProbeKind.ECHO)
    one.run(0.14)
    assert (one.answered, one.asked()) == (frozenset(), {MINE}), "now it hears what it asks"
    one.run(0.02)
    assert one.answered == {MINE}
    one.run(0.01)
    assert one.announced() == {MINE}


def test_hosts_are_asked_at_once_whether_it_hears() -> None:
    one = One(web(MINE))
    one.tell(one.decider.asked, CLIENT, one.now)
    one.silent |= {2, 3}
    one.sleep(2.0)
    assert [each.hosts for each in one.of(AskHosts)] == [((CLIENT.client, CLIENT.mac),)]


def test_who_was_away_and_hears_nobody_but_knew_one_peer_alone_is_the_last() -> None:
    one = One(web(MINE), peers=(2,))
    one.silent.add(2)
    one.sleep(2.0)
    one.run(0.2)
    assert one.answered == frozenset()
    one.run(1.0)
    assert one.answered == {MINE}


@pytest.mark.parametrize("away", [slept, unplugged])
def test_who_was_away_and_had_lost_several_and_hears_nobody_is_cut_off(away: Callable[[One], None]) -> None:
    """They did not all die just then: with nobody to watch it would not find that it is deaf."""
    one = One(web(MINE))
    one.silent |= {2, 3}
    one.have(2, Verdict.DEAD)
    one.have(3, Verdict.DEAD)
    away(one)
    one.run(2.0)
    assert one.happened().count(Happening.CUT_OFF) == 1
    assert one.answered == frozenset()
    one.tell(one.decider.asked, CLIENT, one.now)
    one.run(0.2)
    assert one.answered == {MINE}


@pytest.mark.parametrize("answers", [True, False])
def test_who_was_away_and_heard_somebody_at_first_asks_hosts_before_it_settles(answers: bool) -> None:
    """It may be deaf again; nobody it watches is left by whose silence it would find that."""
    one = One(web(MINE))
    one.silent |= {2, 3}
    one.have(2, Verdict.DEAD)
    one.have(3, Verdict.DEAD)
    unplugged(one)
    one.tell(one.decider.asked, CLIENT, one.now)
    one.run(0.65)
    one.effects.clear()
    one.run(0.1)
    assert [each.hosts for each in one.of(AskHosts)] == [((CLIENT.client, CLIENT.mac),)]
    if answers:
        one.tell(one.decider.answered, link().index, CLIENT.client, CLIENT.mac, ProbeKind.ECHO)
    one.run(0.1)
    assert (Happening.CUT_OFF in one.happened()) is not answers
    assert (Happening.SETTLED in one.happened()) is answers


def test_who_hears_a_frame_at_times_and_no_peer_is_lost_once() -> None:
    """Hosts of another link may be heard that no peer's probes come by: it was cut off all along."""
    one = One(web(MINE))
    one.silent |= {2, 3}
    one.have(2, Verdict.DEAD)
    one.have(3, Verdict.DEAD)
    unplugged(one)
    for _ in range(6):
        one.tell(one.decider.asked, CLIENT, one.now)
        one.run(2.5)
    assert one.happened().count(Happening.CUT_OFF) >= 6
    assert Happening.DAMPED not in one.happened()


def test_without_witnesses_nobody_has_to_be_heard() -> None:
    one = One(web(MINE), timing=None)
    one.sleep(2.0)
    one.run(0.2)
    assert one.answered == {MINE}


def test_what_waited_while_it_did_not_run_does_not_say_that_it_hears() -> None:
    one = One(web(MINE))
    one.silent |= {2, 3}
    one.sleep(2.0)
    one.tell(one.decider.asked, CLIENT, one.now)
    one.run(0.2)
    assert one.answered == frozenset()


def test_silence_from_before_a_second_gap_does_not_count() -> None:
    one = One(web(MINE))
    one.sleep(0.5)
    one.run(0.1)
    one.sleep(0.5)
    assert one.answered == frozenset()
    one.run(0.2)
    assert one.answered == {MINE}


def test_who_answers_meanwhile_keeps_it() -> None:
    one = One(web(MINE))
    one.have(2, Verdict.DEAD)
    one.run(1.0)
    one.sleep(2.0)
    one.holding[MINE] = 2
    one.run(2.0)
    assert one.answered == frozenset()


def test_what_was_held_before_a_gap_is_held_no_more() -> None:
    one = returning()
    one.sleep(1.0)
    assert (one.answered, set(one.decider.held)) == (frozenset(), set())


def test_a_leader_that_gossip_alone_had_lost_is_asked_for_once_more_after_a_gap() -> None:
    one = One(web(THEIRS))
    one.have(2, Verdict.DEAD)
    one.sleep(0.5)
    one.tell(one.decider.synchronized)
    assert one.answered == frozenset()
    one.run(0.11)
    assert one.answered == {THEIRS}


def test_a_process_that_runs_keeps_its_lease() -> None:
    one = One(web(MINE))
    for _ in range(50):
        one.run(0.1)
        assert one.decider.may_answer(one.now)
        assert one.until > one.now
    assert one.answered == {MINE}


def test_a_pulled_cable_isolates_and_nothing_is_claimed() -> None:
    one = One(web(MINE), web(THEIRS, name="theirs"))
    one.plug(link(carrier=False))
    assert one.isolated
    assert one.answered == frozenset()
    one.have(2, Verdict.DEAD)
    one.have(3, Verdict.DEAD)
    one.run(5.0)
    assert one.answered == frozenset()
    assert one.of(Declare) == []


def test_with_the_cable_back_it_asks_first() -> None:
    one = One(web(MINE))
    one.plug(link(carrier=False))
    one.run(1.0)
    one.effects.clear()
    one.plug(link())
    assert not one.isolated
    assert Happening.HEARD_AGAIN in one.happened()
    assert one.answered == frozenset()
    one.run(0.1)
    assert (one.answered, one.asked()) == (frozenset(), {MINE})
    one.run(0.1)
    assert one.answered == {MINE}


def replugged(address: IPAddress) -> One:
    """n1, whose cable was out for so long that it lost the others."""
    one = One(web(address))
    one.plug(link(carrier=False))
    one.have(2, Verdict.DEAD)
    one.have(3, Verdict.DEAD)
    one.run(1.0)
    one.plug(link())
    one.run(0.01)
    return one


def test_one_peers_state_does_not_tell_that_the_others_are_gone() -> None:
    """While its cable was out this node lost them all, and the first to answer may not be who leads."""
    one = replugged(THEIRS)
    one.have(3)
    one.tell(one.decider.synchronized)
    assert one.answered == frozenset()
    one.run(0.05)
    assert one.answered == frozenset()
    one.run(0.1)
    assert one.answered == {THEIRS}, "it is gone, or does not answer"


def test_who_was_lost_then_and_is_heard_again_is_not_asked_for() -> None:
    one = replugged(MINE)
    one.have(2)
    one.have(3)
    one.tell(one.decider.synchronized)
    assert one.answered == {MINE}


def test_a_deaf_node_keeps_what_it_answers_and_takes_over_nothing() -> None:
    one = One(web(MINE), web(THEIRS, name="theirs"))
    one.silent |= {2, 3}
    one.run(1.0)
    assert Happening.CUT_OFF in one.happened()
    assert one.isolated
    assert one.answered == {MINE}
    assert one.decider.metadata(one.now).deaf
    one.have(2, Verdict.DEAD)
    one.have(3, Verdict.DEAD)
    one.run(1.0)
    assert one.answered == {MINE}
    assert one.of(Declare) == []


def test_a_deaf_node_claims_nothing() -> None:
    """What it has just taken over others may take from it, and what it gave up they have."""
    one = One(web(MINE))
    one.want(web(MINE), web(MORE, name="more"))
    one.run(0.01)
    assert one.announced() == {MORE}
    one.silent |= {2, 3}
    one.run(0.5)
    assert Happening.CUT_OFF in one.happened()
    one.effects.clear()
    one.run(3.0)
    one.want(web(MINE))
    one.run(1.0)
    assert one.answered == {MINE}
    one.want(web(MINE), web(MORE, name="more"))
    one.run(6.0)
    assert one.announced() == set()
    assert one.answered == {MINE, MORE}


def test_a_deaf_node_whose_peers_have_left_meanwhile_asks_hosts_whether_it_still_is() -> None:
    one = One(web(MINE))
    one.silent |= {2, 3}
    one.run(1.0)
    for number in (2, 3):
        one.have(number, Verdict.LEAVING)
    one.effects.clear()
    one.run(1.0)
    assert one.of(AskHosts)
    one.tell(one.decider.answered, link().index, CLIENT.client, CLIENT.mac, ProbeKind.ECHO)
    assert Happening.HEARD_AGAIN in one.happened()
    one.effects.clear()
    one.run(1.0)
    assert not one.of(AskHosts)


def test_a_deaf_node_that_hears_again_asks_before_it_answers() -> None:
    one = One(web(MINE), web(THEIRS, name="theirs"))
    one.silent |= {2, 3}
    one.run(1.0)
    one.effects.clear()
    one.tell(one.decider.asked, CLIENT, one.now)
    assert not one.isolated
    assert Happening.HEARD_AGAIN in one.happened()
    assert one.answered == frozenset()
    assert one.of(Join)
    one.tell(one.decider.synchronized)
    assert one.answered == {MINE}


def test_what_a_client_asked_before_does_not_say_that_a_deaf_node_hears_again() -> None:
    """Where the kernel answers, who asked is looked up now and then."""
    one = One(web(MINE))
    asked = one.now + 0.1
    one.silent |= {2, 3}
    one.run(1.0)
    one.tell(one.decider.asked, CLIENT, asked)
    assert one.isolated
    one.plug(link(carrier=False))
    one.run(1.0)
    one.plug(link())
    one.tell(one.decider.asked, CLIENT, asked)
    one.run(2.0)
    assert one.answered == frozenset()


def test_a_deaf_node_that_hears_again_takes_over_as_before() -> None:
    one = One(web(MINE), web(THEIRS, name="theirs"))
    one.silent |= {2, 3}
    one.run(1.0)
    one.silent.clear()
    one.run(0.5)
    one.tell(one.decider.synchronized)
    one.have(2, Verdict.UNREACHABLE)
    one.run(0.2)
    assert one.answered == {MINE, THEIRS}


def test_a_deaf_node_declares_nobody_whatever_it_is_told() -> None:
    one = One(web(MINE))
    one.silent |= {2, 3}
    one.run(1.0)
    one.hear(Statement(Kind.SILENT, "n3", "n2"))
    one.run(0.2)
    assert one.of(Declare) == []


def test_a_link_that_comes_and_goes_is_lost_each_time() -> None:
    """Others must not give leads back to it, which it may not answer for until the link holds."""
    one = One(web(MINE))
    for _ in range(2):
        one.plug(link(carrier=False))
        one.run(0.05)
        one.plug(link())
        one.run(0.05)
    assert Happening.DAMPED in one.happened()
    assert one.decider.metadata(one.now).waits


def test_being_cut_off_again_and_again_is_being_lost() -> None:
    one = One(web(MINE))
    for _ in range(2):
        one.plug(link(carrier=False))
        one.run(3.0)
        one.plug(link())
        one.run(3.0)
        one.tell(one.decider.synchronized)
    assert Happening.DAMPED in one.happened()


def test_a_link_that_flaps_has_to_hold_for_longer() -> None:
    one = One(web(MINE))
    for patience in (0.15, 0.5, 0.5):
        one.plug(link(carrier=False))
        one.run(0.2)
        one.plug(link())
        one.run(patience - 0.01)
        assert one.answered == frozenset()
        one.run(0.02)
        assert one.answered == {MINE}


def test_a_node_whose_link_flaps_says_that_it_may_not_be_relied_on() -> None:
    """Else it would be elected where the others are damped, while it waits for its link to hold."""
    one = One(web(MINE))
    told = []
    for _ in range(2):
        one.plug(link(carrier=False))
        one.run(0.2)
        one.plug(link())
        one.run(0.01)
        told.append(one.of(Describe)[-1].metadata.deaf)
    one.run(0.6)
    told.append(one.of(Describe)[-1].metadata.deaf)
    assert told == [False, True, True], "it holds, but it was lost again and again, and goes on waiting"
    one.run(2.0)
    assert not one.of(Describe)[-1].metadata.deaf


def test_a_link_that_held_for_a_while_is_trusted_as_before() -> None:
    one = One(web(MINE))
    for _ in range(2):
        one.plug(link(carrier=False))
        one.run(0.2)
        one.plug(link())
        one.run(0.16)
        assert one.answered == {MINE}
        one.run(1.8)


def test_what_others_say_of_a_node_that_is_cut_off_is_known_to_it() -> None:
    one = One(web(MINE))
    one.plug(link(carrier=False))
    for _ in range(3):
        one.tell(one.decider.accused, "n2")
        one.run(2.0)
    assert Happening.DAMPED not in one.happened()


def test_a_host_called_silent_by_others_looks_whether_it_is_deaf() -> None:
    one = One(web(MINE), timing=None)
    one.hear(Ground("n1", Verdict.UNREACHABLE, "its host is silent"))
    one.run(0.2)
    assert not one.isolated
    one.run(0.1)
    assert one.isolated


# -- claims of others ----------------------------------------------------------------------------


def contested() -> One:
    """n2 ranks first and gossip has lost it: n1 leads in its place."""
    one = One(web(THEIRS))
    one.have(2, Verdict.DEAD)
    one.run(1.0)
    assert one.answered == {THEIRS}
    one.effects.clear()
    return one


def test_a_claim_that_answers_nobody_is_a_challenge_alone() -> None:
    """Whoever speaks to all may be deaf: then it must not have the address."""
    one = contested()
    one.claim(THEIRS, 2, direct=False)
    assert one.answered == {THEIRS}
    assert one.asked() == {THEIRS}
    one.claim(THEIRS, 2)
    assert one.answered == frozenset(), "it hears the question"


def test_a_burst_of_claims_is_challenged_once() -> None:
    one = contested()
    for _ in range(5):
        one.claim(THEIRS, 2, direct=False)
    assert len(one.of(AskLan)) == 1
    one.run(0.06)
    one.claim(THEIRS, 2, direct=False)
    assert len(one.of(AskLan)) == 2


def test_claims_for_what_this_node_does_not_want_are_not_challenged() -> None:
    one = One(web(THEIRS))
    one.claim(THEIRS, STRANGER, direct=False)
    assert one.asked() == set()


def test_the_claim_of_a_peer_whose_host_answers_counts_however_it_is_made() -> None:
    one = returning()
    one.run(0.5)
    one.claim(THEIRS, 2, direct=False)
    assert one.answered == frozenset()
    assert Happening.HANDED_OVER in one.happened()


def test_and_that_of_a_peer_whose_host_owes_an_answer_does_not() -> None:
    one = returning()
    one.silent.add(2)
    one.run(0.06)
    one.claim(THEIRS, 2, direct=False)
    assert one.decider.held == {THEIRS}
    assert one.answered == {THEIRS}


def test_a_better_ranked_lost_peer_keeps_what_it_answers_and_is_looked_for() -> None:
    one = One(web(THEIRS))
    one.have(2, Verdict.DEAD)
    one.run(1.0)
    assert one.answered == {THEIRS}
    one.effects.clear()
    one.claim(THEIRS, 2)
    assert one.answered == frozenset()
    assert one.decider.why(THEIRS) == "left to n2, which answers for it on the LAN"
    one.run(0.3)
    assert endpoint(2) in {target for each in one.of(Join) for target in each.endpoints}
    assert one.asked() == {THEIRS}, "it goes on asking"
    one.run(0.3)
    assert one.answered == {THEIRS}
    assert Happening.TOOK_OVER in one.happened()


def test_a_lost_peer_that_falls_silent_is_followed_without_delay() -> None:
    one = One(web(THEIRS))
    one.have(2, Verdict.DEAD)
    one.run(1.0)
    one.claim(THEIRS, 2)
    one.run(0.29)
    assert one.answered == frozenset()
    one.run(0.02)
    assert one.answered == {THEIRS}


def test_what_is_wanted_no_more_is_not_yielded_either() -> None:
    one = One(web(THEIRS))
    one.have(2, Verdict.DEAD)
    one.claim(THEIRS, 2)
    assert one.decider.state.yielding.addresses == {THEIRS}
    one.want()
    assert not one.decider.state.yielding.addresses


def test_a_stranger_that_turns_out_to_be_a_peer_holds_nothing_any_more() -> None:
    one = One(web(MINE), peers=(), settled=False, join=JOIN)
    one.run(1.0)
    one.claim(MINE, 2)
    assert one.answered == frozenset()
    one.have(2)
    assert one.answered == {MINE}


def test_once_gossip_has_reached_anybody_strangers_are_no_cluster() -> None:
    one = One(web(MINE), peers=(), settled=False, join=JOIN)
    one.run(1.0)
    one.have(2)
    one.claim(MINE, STRANGER)
    assert one.answered == {MINE}


def test_a_worse_ranked_lost_peer_yields_and_this_node_announces_again() -> None:
    one = One(web(MINE))
    one.have(2, Verdict.DEAD)
    one.run(10.0)
    one.effects.clear()
    one.claim(MINE, 2)
    one.run(0.1)
    assert one.answered == {MINE}
    assert one.announced() == {MINE}


def test_a_peer_that_left_and_claims_seconds_later_is_back() -> None:
    one = One(web(THEIRS))
    one.have(2, Verdict.LEAVING)
    one.claim(THEIRS, 2)
    assert one.answered == {THEIRS}, "it hands over"
    one.run(10.0)
    one.claim(THEIRS, 2)
    assert one.answered == frozenset(), "gossip does not reach it, and it ranks first"


def test_a_peer_found_again_by_gossip_holds_nothing_any_more() -> None:
    one = One(web(THEIRS))
    one.have(2, Verdict.DEAD)
    one.run(1.0)
    one.claim(THEIRS, 2)
    one.effects.clear()
    one.have(2)
    assert not one.decider.state.yielding.addresses
    assert (one.answered, one.announced()) == (frozenset(), set())
    assert one.decider.why(THEIRS) == "n2 leads it"


def test_while_gossip_never_worked_a_stranger_that_answers_keeps_the_address() -> None:
    one = One(web(MINE), peers=(), settled=False, join=JOIN)
    one.run(0.8)
    one.claim(MINE, STRANGER)
    one.run(0.3)
    assert one.answered == frozenset()
    assert "left to a stranger" in one.decider.why(MINE)
    for _ in range(20):
        one.run(0.1)
        one.claim(MINE, STRANGER)
    assert one.answered == frozenset()
    one.run(1.0)
    assert one.answered == {MINE}
    assert Happening.TOOK_OVER in one.happened()


def yielded(one: One) -> list[Level]:
    events = [effect.event for effect in one.of(Happened)]
    return [event.level for event in events if event.what is Happening.YIELDED]


def test_a_starting_node_does_not_complain_that_it_knows_nobody_yet() -> None:
    one = One(web(MINE), web(THEIRS, name="theirs"), peers=(), settled=False, join=JOIN)
    one.claim(MINE, 2)
    one.have(2)
    one.tell(one.decider.synchronized)
    assert yielded(one) == [Level.DEBUG]


def test_who_is_left_out_of_gossip_complains_once() -> None:
    one = One(web(MINE), peers=(), settled=False, join=JOIN)
    for _ in range(20):
        one.claim(MINE, STRANGER)
        one.run(0.1)
    assert yielded(one) == [Level.DEBUG, Level.WARNING]


def test_a_stranger_is_an_alarm_and_is_told_off() -> None:
    one = One(web(MINE))
    one.run(10.0)
    one.effects.clear()
    one.claim(MINE, STRANGER)
    one.run(0.1)
    (alarm,) = one.decider.alarms(one.now)
    assert (alarm.kind, alarm.address, alarm.mac, alarm.interface) == (
        "stranger",
        MINE,
        mac(STRANGER),
        "eth0",
    )
    assert one.answered == {MINE}
    assert one.announced() == {MINE}
    assert Happening.CLAIMED in one.happened()


def test_a_stranger_that_turns_out_to_be_a_peer_is_no_alarm_any_more() -> None:
    """Nodes that start together may hear each other's claims before gossip says whose they are."""
    one = One(web(MINE))
    one.claim(MINE, 4)
    assert [alarm.kind for alarm in one.decider.alarms(one.now)] == ["stranger"]
    one.have(4)
    assert one.decider.alarms(one.now) == ()


def test_a_peer_is_an_alarm_only_when_it_goes_on() -> None:
    """Of two that claim for moments only, gossip settles it; the one with the later hash never yields."""
    one = One(web(MINE))
    one.claim(MINE, 2)
    assert one.decider.alarms(one.now) == ()
    assert Happening.CLAIMED not in one.happened()
    one.run(0.35)
    one.claim(MINE, 2)
    assert [alarm.peer for alarm in one.decider.alarms(one.now)] == ["n2"]


def test_who_leaves_and_waits_for_this_nodes_claim_does_not_go_on() -> None:
    """Its answers end by themselves: two that wait for each other would leave the address to nobody."""
    address = address_of(2, 1, 3)
    one = One(web(address, endpoint_nodes=frozenset({"n1", "n2"}), health_port=32000))
    one.have(2, Verdict.LEAVING)
    for _ in range(4):
        one.run(0.1)
        one.claim(address, 2)
    one.tell(one.decider.proxied, "web")
    assert one.answered == {address}


def test_who_answered_a_starting_nodes_questions_does_not_go_on_yet() -> None:
    early = min("n1", "n2", key=lambda name: digest(name, str(THEIRS)))
    assert early == "n2"
    one = One(web(THEIRS), settled=False)
    one.have(2, draining=True)
    for _ in range(4):
        one.claim(THEIRS, 2)
        one.run(0.1)
    one.tell(one.decider.synchronized)
    one.claim(THEIRS, 2)
    assert one.answered == {THEIRS}


def test_its_own_frames_are_no_claims() -> None:
    one = One(web(MINE))
    one.claim(MINE, 1)
    assert one.answered == {MINE}
    assert one.decider.alarms(one.now) == ()


def test_hardware_addresses_are_learned_from_words_too() -> None:
    one = One(web(MINE))
    one.hear(Macs((("n2", (mac(STRANGER),)),)))
    one.claim(MINE, STRANGER)
    assert one.decider.alarms(one.now) == ()


def test_a_blind_node_gives_way_to_a_peer_that_hears_of_changes_and_goes_on() -> None:
    one = One(web(MINE))
    one.tell(one.decider.source_trouble, True)
    one.run(4.0)
    assert one.decider.metadata(one.now).blind
    one.claim(MINE, 2)
    assert one.answered == {MINE}, "it may be a straggler of a handover"
    one.run(0.35)
    one.claim(MINE, 2)
    assert one.answered == frozenset()


# -- what this node would rather not, or cannot --------------------------------------------------


def unable(one: One) -> list[tuple[tuple[str, ...], tuple[IPAddress, ...]]]:
    """Return who was told of which addresses."""
    return [(to, word.addresses) for to, word in one.told(Unable) if isinstance(word, Unable)]


def test_an_address_that_the_host_refuses_is_told_and_passed_over() -> None:
    one = One(web(MINE, deliver="local"))
    one.tell(one.decider.delivered, frozenset({MINE}), {})
    assert one.answered == {MINE}
    one.tell(one.decider.delivered, frozenset(), {MINE: "the host has it on eth1"})
    assert one.answered == frozenset()
    assert unable(one) == [(("n2", "n3"), (MINE,))]
    assert one.of(Describe)[-1].metadata.unable
    assert one.decider.state.plan.lead(MINE).node == "n2"
    one.tell(one.decider.delivered, frozenset({MINE}), {})
    assert one.answered == {MINE}
    assert unable(one)[-1][1] == ()


def test_who_can_hold_an_address_again_looks_whether_its_leader_answers() -> None:
    """The leader may not know it: this node could not stand in while the host refused the address."""
    one = One(web(THEIRS, deliver="local"))
    one.tell(one.decider.delivered, frozenset(), {THEIRS: "the host has it on eth1"})
    one.run(1.0)
    one.tell(one.decider.delivered, frozenset({THEIRS}), {})
    one.run(0.5)
    assert one.answered == {THEIRS}


def test_a_service_that_does_not_fit_this_host_is_left_to_others_who_hear_of_it() -> None:
    one = One(web(MINE))
    one.want(web(MINE), refused=frozenset({"web"}))
    assert one.answered == frozenset()
    assert (("n2", "n3"), (MINE,)) in unable(one)


def test_whoever_comes_hears_what_this_node_cannot_hold() -> None:
    one = One(web(MINE, deliver="local"), peers=(2,))
    one.tell(one.decider.delivered, frozenset(), {MINE: "the host has it on eth1"})
    one.effects.clear()
    one.have(3)
    assert any("n3" in to for to, _ in one.told(Unable))
    assert one.told(Unable)[-1][1] in one.of(Describe)[-1].state


def test_whoever_comes_hears_that_this_node_can_hold_all_again() -> None:
    """It may remember the word before."""
    one = One(web(MINE, deliver="local"))
    one.tell(one.decider.delivered, frozenset(), {MINE: "the host has it on eth1"})
    one.tell(one.decider.delivered, frozenset({MINE}), {})
    one.have(3, Verdict.DEAD)
    one.effects.clear()
    one.have(3)
    assert [addresses for to, addresses in unable(one) if "n3" in to] == [()]


def test_who_never_said_that_it_could_not_hold_something_says_nothing() -> None:
    one = One(web(MINE))
    one.have(3, Verdict.DEAD)
    one.have(3)
    assert one.told(Unable) == []


def test_a_peer_that_came_back_counts_its_words_anew() -> None:
    one = One(web(THEIRS))
    one.have(2, unable=True)
    one.hear(Unable("n2", (THEIRS,), 5))
    one.hear(Unable("n2", (), 4))
    assert one.decider.state.plan.lead(THEIRS).node == "n1", "that one was overtaken"
    one.have(2, Verdict.PROCESS_GONE)
    one.have(2, unable=True)
    one.hear(Unable("n2", (MINE,), 1))
    assert one.decider.state.plan.lead(THEIRS).node == "n2"


def test_what_cannot_be_held_is_said_again_now_and_then() -> None:
    one = One(web(MINE, deliver="local"))
    one.tell(one.decider.delivered, frozenset(), {MINE: "the host has it on eth1"})
    one.run(0.5)
    soon = len(one.told(Unable))
    assert soon >= 3
    one.run(9.0)
    assert len(one.told(Unable)) >= soon + 3


def test_what_a_peer_cannot_hold_it_does_not_lead() -> None:
    one = One(web(THEIRS))
    one.have(2, unable=True)
    one.hear(Unable("n2", (THEIRS,)))
    assert one.decider.state.plan.lead(THEIRS).node == "n1"
    one.run(0.5)
    assert one.answered == {THEIRS}


def test_a_draining_node_leads_what_nobody_else_can() -> None:
    one = One(web(MINE))
    one.tell(one.decider.wish, "n1", True)
    assert one.decider.metadata(one.now).draining
    one.have(1, draining=True)
    assert one.decider.held == {MINE}
    one.claim(MINE, 2)
    assert one.answered == frozenset()
    one.have(2, Verdict.UNREACHABLE)
    one.have(3, Verdict.UNREACHABLE)
    assert one.answered == {MINE}


def test_a_peers_wish_is_carried_out_and_answered() -> None:
    one = One(web(MINE))
    one.hear(Ask("n2", "n1", True))
    assert one.decider.state.drain.draining
    ((to, word),) = one.told(Progress)
    assert to == ("n2",)
    assert isinstance(word, Progress)
    assert (word.node, word.draining, word.leads) == ("n1", True, 1)
    one.hear(Ask("n2", "n3", False))
    assert one.decider.state.drain.draining, "that was meant for somebody else"


def test_a_wish_for_another_node_is_passed_on_and_its_word_is_kept() -> None:
    one = One(web(MINE))
    one.tell(one.decider.wish, "n2", True)
    assert one.told(Ask) == [(("n2",), Ask("n1", "n2", True))]
    word = Progress("n2", True, 0, 7, 1.5)
    one.hear(word)
    assert one.decider.drain_progress("n2", one.now) == word


def test_a_node_that_gets_lost_again_and_again_waits_before_it_leads() -> None:
    one = One(web(MINE))
    one.run(5.0)
    one.tell(one.decider.accused, "n2")
    one.run(5.0)
    assert one.decider.metadata(one.now).waits == 0
    one.tell(one.decider.accused, "n2")
    assert one.decider.metadata(one.now).waits == 2
    assert Happening.DAMPED in one.happened()
    one.run(2.5)
    assert one.decider.metadata(one.now).waits == 0
    assert one.of(Describe)[-1].metadata.waits == 0


def test_what_the_lost_say_of_this_node_does_not_count() -> None:
    one = One(web(MINE))
    one.have(2, Verdict.DEAD)
    for by in ("n2", "nobody", "", "n2", "n2"):
        one.tell(one.decider.accused, by)
        one.run(5.0)
    assert one.decider.metadata(one.now).waits == 0


def test_what_one_says_that_was_lost_itself_a_moment_ago_does_not_count_either() -> None:
    """It was cut off, and holds for dead whom it has not heard again yet."""
    one = One(web(MINE))
    for _ in range(3):
        one.have(2, Verdict.DEAD)
        one.run(5.0)
        one.have(2)
        one.tell(one.decider.accused, "n2")
        one.run(2.0)
    assert one.decider.metadata(one.now).waits == 0
    one.run(5.0)
    for _ in range(2):
        one.tell(one.decider.accused, "n2")
        one.run(2.5)
    assert Happening.DAMPED in one.happened()


# -- configuration -------------------------------------------------------------------------------


def test_other_settings_leave_what_runs_as_it_is() -> None:
    one = One(web(MINE))
    one.tell(one.decider.asked, CLIENT, one.now)
    one.tell(one.decider.wish, "n2", None)
    one.have(2, Verdict.DEAD)
    before, settled = one.answered, one.decider.state.settling.settled
    one.effects.clear()
    one.tell(
        one.decider.configure,
        replace(SETTINGS, gratuitous_rate=7.0),
    )
    assert one.answered == before
    assert one.decider.state.settling.settled is settled
    assert list(one.decider.state.clients.table.of([MINE])) == [CLIENT]
    assert one.announced() == set()
    assert Happening.SETTLED not in one.happened()
    one.run(5.0)
    assert one.answered == before


def test_other_interfaces_are_used_at_once() -> None:
    one = One(web(MINE), links=(link(), link(1, index=3, name="eth1", address="198.51.100.1/24")))
    assert {each.name for each in one.decider.state.announcing_links} == {"eth0", "eth1"}
    one.tell(one.decider.configure, replace(SETTINGS, interfaces=("eth1",)))
    assert [each.name for each in one.of(Open)[-1].links] == ["eth1"]
    assert one.answered == {MINE}


def test_a_link_with_another_hardware_address_is_announced_on_again() -> None:
    one = One(web(MINE))
    one.run(10.0)
    one.effects.clear()
    one.plug(link(mac=mac(77)))
    assert one.announced() == {MINE}
    assert one.of(Describe)[-1].metadata.macs == (mac(77),)
    order = [type(each) for each in one.effects if isinstance(each, Describe | Open)]
    assert order[:2] == [Describe, Open], "peers ask at the old address until they are told"


def test_join_targets_are_tried_and_names_resolved_first() -> None:
    one = One(web(MINE), peers=(), settled=False, join=(*JOIN, parse_target("peer.example:7")))
    one.run(0.0)
    assert one.of(Join) == [Join((endpoint(2),))]
    assert one.of(Resolve) == [Resolve("peer.example", 7)]
    one.tell(one.decider.resolved, "peer.example", 7, [endpoint(3)])
    assert one.of(Join)[-1] == Join((endpoint(3),))


def test_a_member_that_was_lost_is_tried_again_though_nobody_configured_it() -> None:
    one = One(web(MINE))
    one.have(2, Verdict.DEAD)
    one.run(5.0)
    assert endpoint(2) in {target for each in one.of(Join) for target in each.endpoints}
    one.have(2)
    one.effects.clear()
    one.run(5.0)
    assert one.of(Join) == []


def test_a_member_that_left_after_all_is_looked_for_no_more() -> None:
    one = One(web(MINE))
    one.have(2, Verdict.DEAD)
    one.have(2, Verdict.LEAVING)
    one.effects.clear()
    one.run(5.0)
    assert one.of(Join) == []


def test_a_lead_that_comes_here_while_a_lost_node_answers_is_asked_for_first() -> None:
    """Its leader had to give way to that node, and this one would begin the dispute anew."""
    one = One(web(THEIRS))
    one.have(3, Verdict.UNREACHABLE)
    one.claim(THEIRS, 3)
    one.have(2, Verdict.UNREACHABLE)
    assert one.answered == set()
    one.run(0.3)
    assert one.answered == {THEIRS}, "nobody answers any more"


def test_the_return_of_a_lost_host_on_the_wire_is_joined_at_once() -> None:
    one = One(web(MINE), rejoin_interval=3600.0)
    one.silent.add(2)
    one.have(2, Verdict.DEAD)
    one.run(3.0)
    one.effects.clear()
    one.silent.clear()
    one.run(0.2)
    assert one.of(Join) == [Join((endpoint(2),))]


# -- clients -------------------------------------------------------------------------------------


def test_clients_are_told_by_unicast_on_a_takeover() -> None:
    one = One(web(THEIRS))
    client = Sighting(THEIRS, CLIENT.client, CLIENT.mac)
    one.hear(Sightings(News.KNOWN, (client,)))
    one.have(2, Verdict.UNREACHABLE)
    assert one.corrected() == {client}
    assert Teach(2, client.client, client.mac) in one.effects


def test_clients_are_told_before_the_kernel_is_taught_and_asked_for_anything() -> None:
    """They wait for that alone, and the kernel takes milliseconds."""
    one = One(web(THEIRS))
    one.hear(Sightings(News.KNOWN, (Sighting(THEIRS, CLIENT.client, CLIENT.mac),)))
    one.effects.clear()
    one.have(2, Verdict.UNREACHABLE)
    kinds = [type(each) for each in one.effects]
    assert kinds.index(Answer) < kinds.index(Correct) < min(kinds.index(Teach), kinds.index(Follow))


def test_packets_that_come_for_a_lost_address_are_reported_to_its_leader() -> None:
    one = One(web(MINE))
    one.tell(one.decider.wish, "n1", True)
    one.tell(one.decider.leave)
    one.claim(MINE, 2)
    assert one.of(Follow)[-1] == Follow(frozenset({MINE}), frozenset({mac(2), mac(3)})), "but of the peers"
    one.tell(one.decider.stragglers, 3, [CLIENT])
    assert Tell(("n2",), Sightings(News.STALE, (CLIENT,))) in one.effects


def test_a_client_that_still_sends_to_another_node_is_told_by_unicast() -> None:
    one = One(web(MINE))
    one.run(10.0)
    one.effects.clear()
    one.hear(Sightings(News.STALE, (CLIENT, Sighting(THEIRS, CLIENT.client, CLIENT.mac))))
    one.run(0.1)
    assert one.corrected() == {CLIENT}


def test_frames_that_found_a_queue_full_are_sent_again() -> None:
    one = One(web(MINE))
    one.run(10.0)
    one.effects.clear()
    one.tell(one.decider.unsent, {MINE})
    one.run(0.05)
    assert one.announced() == {MINE}


def test_who_has_said_that_it_takes_over_nothing_stands_in_for_nobody() -> None:
    one = One(web(address_of(2, 3, 1)))
    one.silent = {2, 3}
    while not one.isolated:
        one.run(0.01)
    one.have(2, Verdict.DEAD)  # n3 leads it now
    one.run(0.5)
    assert one.decider.state.succession.stood_in
    assert Happening.CUT_OFF in one.happened()
    assert Happening.STOOD_IN not in one.happened()
    assert one.answered == frozenset()
    assert one.decider.stand_ins == {}

"""Node n1 shares an address with n2 and n3: whom it answers, whom it tells, what it never sends."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from tests.unit.decide.builders import link, mac
from tests.unit.decide.one import One, address_of, web

from roost.decide.effects import Answer, Ask, Describe, Follow, PassOn
from roost.decide.join_target import parse_target
from roost.model.address import IPAddress
from roost.model.event import Happening
from roost.model.fitness import Fitness
from roost.model.node import Verdict
from roost.model.service import Service
from roost.model.sharing import ALL_SLOTS, Share, Sharing, slot_of, table
from roost.protocols.words.fit import Fit, FitRow
from roost.protocols.words.held import Held, HeldRow
from roost.protocols.words.macs import Macs
from roost.protocols.words.sightings import News, Sighting, Sightings

VIP = address_of(2, 1, 3)
SHARED = web(VIP, sharing=Sharing())
EVEN = (("n1", 1), ("n2", 1), ("n3", 1))
CLIENTS = [Sighting(VIP, ip_address(f"192.0.2.{number}"), mac(number)) for number in range(20, 80)]
STRANGER = 99


def sharing(*services: Service, **changed: object) -> One:
    """n1, which has heard n2 and n3 answer."""
    one = One(*(services or (SHARED,)), **changed)  # type: ignore[arg-type]
    one.answering |= {2, 3}
    one.run(1.0)
    one.effects.clear()
    return one


def share(one: One) -> Share:
    found = one.decider.announcements[VIP].share
    assert found is not None
    return found


def own(*there: str) -> bytes:
    return table(EVEN, frozenset(there)).slots_of("n1")


def lent(*there: str) -> bytes:
    """What n1 answers for n2."""
    return bytes(now & ~before for now, before in zip(own(*there), own("n1", "n2", "n3"), strict=True))


def clients_of(*there: str, who: str = "n1") -> set[Sighting]:
    found = table(EVEN, frozenset(there))
    return {each for each in CLIENTS if Share(found.slots_of(who)).answers(each.mac, VIP)}


def asked_by_all(one: One) -> None:
    for client in CLIENTS:
        one.tell(one.decider.asked, client, one.now)


def test_it_answers_its_share_and_says_so() -> None:
    one = sharing()
    assert one.answered == {VIP}
    assert share(one) == Share(own("n1", "n2", "n3"))
    assert one.decider.why(VIP) == "this node shares it with n2, n3"


def test_nothing_is_ever_told_to_everybody() -> None:
    one = One(SHARED, settled=False)
    one.tell(one.decider.synchronized)
    one.run(1.0)
    one.have(2, Verdict.UNREACHABLE)
    one.claim(VIP, STRANGER)
    one.have(2)
    one.run(3.0)
    assert one.announced() == set()


def test_before_it_knows_what_others_know_it_answers_nobody() -> None:
    one = One(SHARED, settled=False)
    assert one.answered == set()
    one.tell(one.decider.synchronized)
    assert one.answered == {VIP}


def test_the_clients_of_a_dead_node_are_told_and_no_others() -> None:
    one = sharing()
    asked_by_all(one)
    one.have(2, Verdict.UNREACHABLE)
    assert share(one) == Share(own("n1", "n3"))
    inherited = clients_of("n1", "n3") - clients_of("n1", "n2", "n3")
    assert one.corrected() == inherited
    assert inherited <= clients_of("n1", "n2", "n3", who="n2")
    assert Happening.SHARES_MOVED in one.happened()


def test_who_comes_back_gets_its_askers_and_nobody_is_told() -> None:
    one = sharing()
    asked_by_all(one)
    one.have(2, Verdict.UNREACHABLE)
    one.run(2.0)
    one.effects.clear()
    one.have(2)
    assert share(one).slots == own("n1", "n3"), "until it is heard, others answer"
    one.run(0.5)
    assert share(one) == Share(own("n1", "n2", "n3"))
    assert one.corrected() == set()


def test_whom_gossip_alone_has_lost_keeps_its_askers_while_it_answers() -> None:
    one = sharing()
    one.have(2, Verdict.DEAD)
    one.run(1.0)
    assert share(one) == Share(own("n1", "n2", "n3"))
    one.answering.discard(2)
    one.run(1.0)
    assert share(one) == Share(own("n1", "n3"))


def test_whom_gossip_alone_has_lost_is_asked_for_first() -> None:
    one = sharing()
    one.answering.discard(2)
    one.have(2, Verdict.DEAD)
    assert share(one) == Share(own("n1", "n2", "n3"))
    one.run(0.2)
    assert share(one) == Share(own("n1", "n3"))


def test_whom_gossip_alone_has_lost_is_stood_in_for_where_it_does_not_answer() -> None:
    """It cannot say which services it wants no more."""
    others = [address_of(2, 1, 3, number=number) for number in (1, 2)]
    one = sharing(SHARED, *(web(each, name=f"s{each}", sharing=Sharing()) for each in others))
    one.have(2, Verdict.DEAD)
    one.run(1.0)
    one.ignorant[VIP] = {2}
    one.run(0.4)
    assert share(one).slots == own("n1", "n3")
    assert one.decider.announcements[others[0]].share == Share(own("n1", "n2", "n3"))


def test_where_those_that_watch_a_mute_node_are_mute_as_well_the_next_one_stands_in() -> None:
    """Of five each is watched by three: none of them has read the new configuration yet."""
    one = One(peers=(2, 3, 4, 5))
    one.want(SHARED)
    one.run(0.3)
    assert share(one).slots == ALL_SLOTS


def test_whom_it_has_to_watch_from_now_on_is_asked_for_what_it_may_not_know() -> None:
    """Of five nodes each is watched by three, of four by all others."""
    one = One(SHARED, peers=(2, 3, 4, 5))
    (unwatched,) = {"n2", "n3", "n4", "n5"} - one.decider.state.duties.keys()
    number = int(unwatched[1:])
    one.answering = {2, 3, 4, 5} - {number}
    one.have(number, digest="other services")
    one.run(1.0)
    assert one.decider.state.roll_call.mute(VIP) == set()
    gone = min({2, 3, 4, 5} - {number})
    one.have(gone, Verdict.UNREACHABLE)
    one.run(0.3)
    assert unwatched in one.decider.state.duties
    assert one.decider.state.roll_call.mute(VIP) == {unwatched}


def test_whose_turn_it_is_to_stand_in_for_a_mute_node_changes_with_who_watches_it() -> None:
    """n4 watches n2 no more once n5 is back: what it answered for n2 falls to this node, among others."""
    one = One(SHARED, peers=(2, 3, 4, 5))
    one.answering = {3, 4}
    one.have(5, Verdict.UNREACHABLE)
    one.have(2, digest="other services")
    one.run(0.5)
    assert one.decider.state.roll_call.mute(VIP) == {"n2"}
    before = share(one)
    one.have(5, draining=True)
    assert share(one).exceeds(before)


def test_who_drains_answers_until_another_is_ready() -> None:
    """Its proxy may not pass the traffic on yet; who shares an address claims nothing."""
    one = One(SHARED, peers=(2,))
    one.tell(one.decider.wish, "n1", True)
    one.have(1, draining=True)
    one.run(1.0)
    assert one.answered == {VIP}
    one.answering = {2}
    one.run(0.5)
    assert one.answered == set()


def test_a_mute_node_is_stood_in_for_and_its_clients_stay() -> None:
    one = sharing()
    asked_by_all(one)
    one.answering.discard(2)
    one.have(2, Verdict.SUSPECT)
    one.run(0.3)
    assert share(one).own == own("n1", "n2", "n3")
    assert share(one).slots == own("n1", "n3")
    assert "stands in for n2" in one.decider.why(VIP)
    assert one.corrected() == set()
    one.answering.add(2)
    one.have(2)
    one.run(0.5)
    assert share(one) == Share(own("n1", "n2", "n3"))


def test_who_may_be_mute_is_asked_for_what_it_shares_now() -> None:
    """What it is unfit for it does not answer, and that says nothing."""
    also = address_of(2, 1, 3, number=1)
    one = sharing(SHARED, web(also, name="also", sharing=Sharing()))
    one.hear(Fit("n2", (FitRow("web", Fitness(fit=False, why="tcp"), 1),)))
    one.run(1.0)
    one.effects.clear()
    one.have(2, Verdict.SUSPECT)
    one.run(0.02)
    assert one.asked() == {also}


def test_who_is_mute_for_one_address_is_asked_for_all_that_it_shares() -> None:
    others = [address_of(2, 1, 3, number=number) for number in range(1, 12)]
    one = sharing(SHARED, *(web(each, name=f"s{each}", sharing=Sharing()) for each in others))
    one.answering.discard(2)
    one.have(2, Verdict.SUSPECT)
    one.run(0.3)
    for address in (VIP, *others):
        assert one.decider.announcements[address].share == Share(own("n1", "n2", "n3"), lent("n1", "n3"))


def test_who_is_mute_for_what_it_shares_is_asked_for_what_it_leads_alone() -> None:
    """It may have hung right after it took that over, before it could be watched by it."""
    alone = address_of(2, 1, 3, number=1)
    one = sharing(SHARED, web(alone, name="alone"))
    one.hear(Fit("n2", (FitRow("web", Fitness(fit=False, why="tcp"), 1),)))
    one.run(1.0)
    one.answering.discard(2)
    one.hear(Fit("n2", (FitRow("web", Fitness(fit=True), 2),)))
    one.run(0.4)
    assert alone in one.answered


def test_a_node_with_other_services_is_asked_for_what_it_shares() -> None:
    one = sharing()
    one.answering.discard(2)
    one.have(2, digest="other")
    one.run(0.3)
    assert share(one).slots == own("n1", "n3")


def test_a_node_with_other_services_is_watched_by_what_it_answered_its_share_of() -> None:
    one = sharing()
    one.have(2, digest="other")
    one.processes.add(2)
    one.run(1.0)
    assert share(one).slots == own("n1", "n2", "n3")
    one.processes.discard(2)
    one.answering.discard(2)
    one.run(0.4)
    assert share(one).slots == own("n1", "n3")


def test_who_drains_answers_until_the_others_know() -> None:
    one = sharing()
    one.have(1, draining=True)
    assert one.answered == {VIP}
    assert share(one) == Share(own("n1", "n2", "n3"))
    one.run(0.6)
    assert one.answered == set()
    assert one.decider.why(VIP) == "n2, n3 answer for it"


def test_who_drains_shares_where_all_others_are_mute() -> None:
    one = sharing()
    one.have(1, draining=True)
    one.run(1.0)
    one.answering.clear()
    one.have(2, Verdict.SUSPECT)
    one.run(0.4)
    assert one.answered == {VIP}


def two_that_drain() -> tuple[One, IPAddress]:
    """n1, which drains as n3 does, so that n2 shares alone; if that is mute it is n3's turn, then its own."""
    address = address_of(2, 3, 1)
    one = sharing(web(address, sharing=Sharing()))
    one.have(1, draining=True)
    one.have(3, draining=True)
    one.run(1.0)
    return one, address


def test_who_drains_does_so_too_when_the_one_that_did_before_it_is_gone() -> None:
    one, address = two_that_drain()
    one.answering = {3}
    one.have(2, digest="other services")
    one.run(0.4)
    assert one.answered == set(), "n3 has the first turn"
    one.have(3, Verdict.PROCESS_GONE)
    assert one.answered == {address}


def test_who_drains_does_so_too_when_the_one_that_should_before_it_does_not_know_the_address() -> None:
    one, address = two_that_drain()
    one.answering.clear()
    for number in (2, 3):
        one.have(number, digest="other services", draining=number == 3)
    one.run(0.8)
    assert one.answered == {address}


def test_who_hears_no_gossip_looks_itself_who_is_mute_and_answers_for_it_alone() -> None:
    """The other witnesses may know that it has left, and tell in vain that its askers are for this node."""
    one = sharing()
    one.answering = {2}
    for number in (2, 3):
        one.have(number, Verdict.SUSPECT)
    one.run(0.5)
    third = table(EVEN, frozenset({"n1", "n2", "n3"})).slots_of("n3")
    assert share(one) == Share(own("n1", "n2", "n3"), third)


@pytest.mark.parametrize(("missed", "unheard"), [(1, False), (2, False), (0, True), (1, True)])
def test_who_misses_half_of_the_others_or_hears_nobody_looks_itself_as_well(
    missed: int, unheard: bool
) -> None:
    """SWIM asks the slower the more it misses: until it misses all, somebody's part is silent for seconds."""
    one = One(SHARED, peers=(2, 3, 4, 5))
    one.answering |= {2, 3, 4, 5}
    one.run(1.0)
    (mute,) = {2, 3, 4, 5} - {int(name[1:]) for name in one.decider.state.duties}
    for number in sorted({2, 3, 4, 5} - {mute})[:missed]:
        one.unheard = unheard
        one.have(number, Verdict.SUSPECT)
    one.answering.discard(mute)
    one.run(10.0)
    there = share(one).slots != share(one).own
    assert there is (missed > 1 or (missed > 0 and unheard))


def test_a_stranger_is_an_alarm_and_only_this_nodes_clients_are_told() -> None:
    one = sharing()
    asked_by_all(one)
    one.claim(VIP, STRANGER)
    assert one.answered == {VIP}
    assert Happening.CLAIMED in one.happened()
    assert one.corrected() == clients_of("n1", "n2", "n3")


def test_the_claims_of_those_that_share_are_right() -> None:
    one = sharing()
    for number in (2, 3):
        one.claim(VIP, number)
    assert one.answered == {VIP}
    assert one.decider.alarms(one.now) == ()
    assert one.happened() == []


def test_without_gossip_it_leaves_the_address_to_strangers_that_answer() -> None:
    one = One(SHARED, peers=(), settled=False, join=(parse_target("192.0.2.12"),))
    one.holding[VIP] = STRANGER
    one.run(2.0)
    assert one.answered == set()
    del one.holding[VIP]
    one.run(1.0)
    assert one.answered == {VIP}


def test_who_starts_leaves_nothing_to_a_node_that_leaves_and_holds_its_part_yet() -> None:
    """Gossip takes nobody in who leaves: it waits for the others' answers (campaign, seed 29000141)."""
    one = One(SHARED, peers=(), settled=False, join=(parse_target("192.0.2.12"),))
    one.holding[VIP] = 3
    one.run(0.2)
    one.claim(VIP, 3)
    assert one.decider.state.yielding.addresses == {VIP}, "it may be a stranger"
    one.hear(Macs((("n3", (mac(3),)),)))
    one.tell(one.decider.synchronized)
    assert one.decider.state.yielding.addresses == set()
    one.run(1.0)
    assert one.answered == {VIP}


def test_who_leaves_tells_who_comes_its_hardware_address() -> None:
    one = sharing(links=[link()])
    assert not any(name == "n1" for word in macs_told(one) for name, _ in word.rows), "gossip does"
    one.tell(one.decider.leave)
    assert any(("n1", (link().mac,)) in word.rows for word in macs_told(one))


def macs_told(one: One) -> list[Macs]:
    return [word for told in one.of(Describe)[-1:] for word in told.state if isinstance(word, Macs)]


def test_cut_off_it_takes_over_nothing() -> None:
    one = sharing(links=[link()])
    one.silent |= {2, 3}
    one.answering.clear()
    one.run(1.0)
    assert one.isolated
    for number in (2, 3):
        one.have(number, Verdict.DEAD)
    one.run(0.5)
    assert share(one).own == own("n1", "n2", "n3")


def test_a_heavier_node_takes_clients_that_it_tells() -> None:
    one = sharing()
    asked_by_all(one)
    heavy = replace(SHARED, sharing=Sharing(weights=(("n1", 5),)))
    one.want(heavy)
    after = table((("n1", 5), ("n2", 1), ("n3", 1)), frozenset({"n1", "n2", "n3"}))
    assert share(one) == Share(after.slots_of("n1"))
    told = {each for each in CLIENTS if Share(after.slots_of("n1")).answers(each.mac, VIP)}
    assert one.corrected() == told - clients_of("n1", "n2", "n3")


def test_clients_are_looked_for_where_another_is_heard_before_this_node_answered_its_part() -> None:
    one = One(SHARED, peers=(2,))
    one.answering.add(2)
    one.tell(one.decider.wish, "n1", True)
    one.have(1, draining=True)
    one.run(1.0)
    one.tell(one.decider.set_links, ())
    one.have(2, Verdict.DEAD)
    one.tell(one.decider.set_links, (link(),))
    one.have(2)  # it has just come, and counts as mute until it is heard
    one.effects.clear()
    one.run(0.08)
    assert one.answered == set()
    assert VIP in one.of(Follow)[-1].addresses


def test_a_client_that_still_sends_here_is_told_by_whose_it_is() -> None:
    one = sharing()
    one.have(1, draining=True)
    one.run(1.0)
    one.effects.clear()
    one.tell(one.decider.stragglers, 3, CLIENTS[:1])
    ((to, word),) = one.told(Sightings)
    assert isinstance(word, Sightings)
    assert word.news is News.STALE
    assert to == (table(EVEN, frozenset({"n2", "n3"})).answerers(slot_of(CLIENTS[0].mac, VIP))[0],)


@pytest.mark.parametrize("verdict", [Verdict.LEAVING, Verdict.ALIVE])
def test_connections_of_others_are_passed_on(verdict: Verdict) -> None:
    """Of one that leaves, and of one that stays and whose client asked anew."""
    one = sharing()
    one.have(2, verdict)
    one.hear(Held("n2", (HeldRow(VIP, 3, 600),)))
    one.run(3.0)
    onward = one.decider.passing_on.onward.onward[VIP]
    assert onward.first is not None
    assert onward.first.mac == mac(2)
    assert any(isinstance(each, PassOn) for each in one.effects) or verdict is Verdict.ALIVE


def test_from_one_leader_to_many_and_back() -> None:
    one = One(web(VIP))
    assert one.answered == set()
    one.answering |= {2, 3}
    one.want(SHARED)
    one.run(0.5)
    assert one.answered == {VIP}
    assert one.announced() == set()
    one.want(web(VIP))
    assert one.answered == {VIP}, "held until its leader is heard"
    one.claim(VIP, 2)
    assert one.answered == set()


def test_it_asks_by_broadcast_for_nothing_when_all_is_well() -> None:
    one = sharing()
    one.run(20.0)
    assert one.of(Ask) == []
    assert one.of(Answer) == []


def test_what_was_guessed_at_one_change_is_guessed_anew_at_the_next() -> None:
    one = sharing()
    one.run(9)
    for weight in (2, 3):
        one.want(replace(SHARED, sharing=Sharing(weights=(("n1", weight),))))
        one.run(1.1)
    assert one.of(PassOn)[-1].onward[VIP].first is not None


def with_holders(*names: str) -> One:
    """n1, which has heard that exactly these hold connections."""
    one = sharing()
    one.run(2.0)  # until nothing is guessed any more
    for name in names:
        one.hear(Held(name, (HeldRow(VIP, 1, 300),)))
    return one


def test_what_begins_at_a_node_that_holds_nothing_is_passed_on_too() -> None:
    one = with_holders("n2")
    onward = one.of(PassOn)[-1].onward[VIP]
    assert onward.led is not None
    assert onward.leader == {mac(2), mac(3)}


def test_who_leaves_passes_on_but_nothing_that_comes_from_behind() -> None:
    one = with_holders("n2", "n3")
    one.tell(one.decider.leave)
    onward = one.of(PassOn)[-1].onward[VIP]
    assert onward.upward is not None
    assert (onward.led, onward.leader) == (None, frozenset())
    one.run(0.2)
    assert one.of(PassOn)[-1].onward[VIP].upward is None, "all know it by now"


def test_who_parts_keeps_its_place_until_all_know_of_it() -> None:
    one = with_holders("n2", "n3")
    one.have(2, Verdict.LEAVING)
    first = [one.of(PassOn)[-1].onward[VIP].first]
    one.run(0.2)
    first.append(one.of(PassOn)[-1].onward[VIP].first)
    assert [each and each.mac for each in first] == [mac(2), mac(3)]

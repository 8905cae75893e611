"""Connections that outlive a move: whom a node passes their packets on to, and for how long."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.unit.decide.builders import link, mac
from tests.unit.decide.one import One, address_of, web

from roost.decide.connections.own import Own
from roost.decide.connections.row import Others, stations
from roost.decide.effects import Answer, Count, NextHop, Onward, PassOn
from roost.model.address import IPAddress
from roost.model.flow import TCP, UDP, Flow
from roost.model.node import Verdict
from roost.protocols.words.draining import Progress
from roost.protocols.words.held import Held, HeldFlows, HeldRow

MINE, THEIRS, LAST = address_of(1, 2, 3), address_of(2, 1, 3), address_of(3, 2, 1)
CLIENT = ip_address("192.0.2.90")
KEEP = 600.0


def hop(number: int) -> NextHop:
    return NextHop(ip_address(f"192.0.2.{10 + number}"), link().index, mac(number))


def onward(one: One, address: IPAddress) -> Onward:
    """What the host was told last about an address."""
    told = one.of(PassOn)
    return told[-1].onward.get(address, Onward()) if told else Onward()


def flow(port: int, address: IPAddress = MINE, protocol: int = TCP) -> Flow:
    return Flow(protocol, CLIENT, port, address, 80)


def lose(one: One) -> None:
    """Let n1 give MINE away to n2, which claims it."""
    one.tell(one.decider.wish, "n1", True)
    one.have(1, draining=True)
    one.claim(MINE, 2)


def test_what_it_served_before_its_services_were_dropped_is_looked_for_when_they_come_again() -> None:
    one = One(web(MINE), peers=(2,))
    one.want()
    one.run(10.0)
    one.have(1, draining=True)
    one.want(web(MINE))
    one.run(0.1)
    assert one.of(Count)[-1].addresses == {MINE}
    one.tell(one.decider.counted, (flow(1),))
    assert Held("n1", (HeldRow(MINE, 1, 600),)) in [word for _, word in one.told(Held)]


# -- the new leader --------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", [Verdict.LEAVING, Verdict.PROCESS_GONE, Verdict.DEAD])
def test_a_new_leader_passes_on_to_who_led_before_it_answers(verdict: Verdict) -> None:
    one = One(web(THEIRS))
    one.have(2, verdict)
    one.run(0.3)
    assert THEIRS in one.answered
    assert onward(one, THEIRS).first == hop(2)
    kinds = [type(each) for each in one.effects if isinstance(each, PassOn | Answer)]
    assert kinds.index(PassOn) < kinds.index(Answer), "or its kernel refuses them first"
    assert one.of(PassOn)[-1].peers == {mac(2), mac(3)}


@pytest.mark.parametrize("verdict", [Verdict.DEAD, Verdict.UNREACHABLE])
def test_nothing_is_passed_on_to_a_host_that_is_dead(verdict: Verdict) -> None:
    one = One(web(THEIRS))
    one.silent.add(2)
    one.run(1.0)
    one.have(2, verdict)
    one.run(1.0)
    assert THEIRS in one.answered
    assert onward(one, THEIRS) == Onward()


def test_a_drained_node_is_passed_on_to_as_long_as_it_says_so() -> None:
    one = One(web(THEIRS))
    one.have(2, draining=True)
    one.run(1.0)
    for _ in range(10):
        one.hear(Held("n2", (HeldRow(THEIRS, 17, 500),)))
        one.run(2.0)
    assert onward(one, THEIRS).first == hop(2)
    assert one.decider.passing_on.holders.of(THEIRS)["n2"].connections == 17
    one.hear(Held("n2", (HeldRow(THEIRS, 0, 0),)))
    assert onward(one, THEIRS) == Onward()


def test_words_about_nodes_that_nobody_knows_are_ignored() -> None:
    one = One(web(MINE))
    one.run(5.0)
    for number in range(4, 2000):
        one.hear(Held(f"n{number}", (HeldRow(MINE, 1, 500),)))
    assert one.decider.passing_on.holders.of(MINE) == {}


def test_a_node_that_is_there_and_says_nothing_holds_nothing() -> None:
    one = One(web(THEIRS))
    one.have(2, draining=True)
    one.run(5.0)
    assert onward(one, THEIRS).first == hop(2)
    one.run(5.0)
    assert onward(one, THEIRS) == Onward()


def test_a_node_that_has_left_is_passed_on_to_until_the_deadline_even_when_gossip_forgets_it() -> None:
    one = One(web(THEIRS))
    one.have(2, Verdict.LEAVING)
    one.run(60.0)
    one.forget(2)
    one.run(KEEP - 65.0)
    assert onward(one, THEIRS).first == hop(2)
    one.run(10.0)
    assert onward(one, THEIRS) == Onward()


def test_a_holder_that_dies_later_is_passed_on_to_no_more() -> None:
    one = One(web(THEIRS))
    one.have(2, draining=True)
    one.run(1.0)
    one.silent.add(2)
    one.run(1.0)
    one.have(2, Verdict.DEAD)
    one.run(1.0)
    assert onward(one, THEIRS) == Onward()


def test_a_peers_new_hardware_address_is_used_at_once() -> None:
    one = One(web(THEIRS))
    one.have(2, draining=True)
    one.run(1.0)
    one.have(2, draining=True, macs=(mac(77),))
    assert onward(one, THEIRS).first == NextHop(hop(2).address, hop(2).link, mac(77))


def test_nothing_is_refused_while_a_new_link_lacks_its_address_and_for_no_longer() -> None:
    """A network card was replaced: this node leads and has no way to the connections yet."""
    one = One(web(THEIRS))
    one.have(2, draining=True)
    one.run(5.0)
    one.hear(Held("n2", (HeldRow(THEIRS, 17, 500),)))
    assert onward(one, THEIRS).first == hop(2)
    one.tell(one.decider.set_links, (replace(link(), index=9, addresses=()),))
    assert onward(one, THEIRS) == Onward(unreached=True)
    one.tell(one.decider.set_links, (replace(link(), index=9),))
    assert onward(one, THEIRS).first == replace(hop(2), link=9)
    assert not onward(one, THEIRS).unreached
    one.tell(one.decider.set_links, (replace(link(), index=9, addresses=()),))
    for _ in range(3):
        one.hear(Held("n2", (HeldRow(THEIRS, 17, 500),)))
        one.run(1.5)
    assert onward(one, THEIRS) == Onward(), "there is none: clients have to be told"


def test_for_ipv6_the_next_hop_is_made_of_the_hardware_address() -> None:
    six = next(
        address
        for last in range(1, 100)
        if (address := ip_address(f"2001:db8::{last:x}")) and One(web(address)).answered == set()
    )
    one = One(web(six))
    leader = int(str(one.decider.state.plan.lead(six).node)[1:])
    one.have(leader, Verdict.LEAVING)
    if six in one.answered:
        expected = NextHop(ip_address(f"fe80::ff:fe00:{leader}"), link().index, mac(leader))
        assert onward(one, six).first == expected


def test_a_node_that_has_just_started_asks_the_next_in_rank_who_may_have_led_so_far() -> None:
    one = One(web(MINE), settled=False)
    one.tell(one.decider.synchronized)
    assert MINE in one.answered
    assert onward(one, MINE).first == hop(2)
    one.run(3.0)
    assert onward(one, MINE) == Onward(), "it did not say that it had"


def test_flows_of_udp_that_a_holder_names_are_passed_on_and_no_others() -> None:
    one = One(web(THEIRS))
    one.have(2, draining=True)
    one.hear(HeldFlows("n3", (flow(5, THEIRS, UDP),)))
    one.run(1.0)
    assert onward(one, THEIRS).flows == {}, "n3 holds nothing"
    one.hear(HeldFlows("n2", (flow(5, THEIRS, UDP),)))
    assert onward(one, THEIRS).flows == {flow(5, THEIRS, UDP): hop(2)}


def test_flows_that_a_node_named_before_it_left_are_passed_on_until_the_deadline() -> None:
    one = One(web(THEIRS))
    one.have(2, draining=True)
    one.hear(HeldFlows("n2", (flow(5, THEIRS, UDP),)))
    one.have(2, Verdict.LEAVING)
    one.run(KEEP - 5.0)
    assert onward(one, THEIRS).flows == {flow(5, THEIRS, UDP): hop(2)}
    one.run(10.0)
    assert onward(one, THEIRS) == Onward()


def test_switched_off_nothing_is_passed_on_or_counted() -> None:
    one = One(web(MINE), web(THEIRS, name="theirs"), keep_connections=0.0)
    one.have(2, Verdict.LEAVING)
    one.run(1.0)
    lose(one)
    one.hear(Held("n2", (HeldRow(THEIRS, 3, 100),)))
    assert (one.of(PassOn), one.of(Count)) == ([], [])


# -- who held it -----------------------------------------------------------------------------------


def test_who_loses_an_address_counts_says_so_and_stops_when_all_have_ended() -> None:
    one = One(web(MINE))
    one.run(5.0)
    lose(one)
    assert one.of(Count)[-1] == Count(frozenset({MINE}))
    one.tell(one.decider.counted, [flow(1), flow(2), Flow(TCP, CLIENT, 3, MINE, 80, open=False)])
    told = (("n2", "n3"), Held("n1", (HeldRow(MINE, 2, 600),)))
    assert one.told(Held) == [told], "at once"
    assert one.decider.drain_progress("n1", one.now) == Progress("n1", True, 0, 0, 0.0, 2)
    assert one.decider.lingering(one.now) == {MINE: KEEP}
    one.run(5.0)
    assert len(one.told(Held)) >= 3, "and again: words get lost"
    one.effects.clear()
    one.tell(one.decider.counted, [])
    assert one.told(Held) == [(("n2", "n3"), Held("n1", (HeldRow(MINE, 0, 0),)))]
    assert one.of(Count)[-1] == Count(frozenset())
    assert one.decider.lingering(one.now) == {}


def test_who_has_lost_an_address_passes_on_to_its_leader_what_it_does_not_know() -> None:
    one = One(web(MINE))
    lose(one)
    assert onward(one, MINE) == Onward(hop(2), hop(2), None, frozenset({mac(2)})), "it stands behind"


def test_who_stands_in_for_a_moment_holds_what_it_held_before_and_says_so_at_once() -> None:
    """The leader goes on: it must not think that there is nothing left to pass on."""
    own = Own("n1")
    own.lose([MINE], 0.0, KEEP)
    assert own.counted_now([flow(1), flow(2)], (), 0.5, KEEP)
    assert own.words(0.5) == [Held("n1", (HeldRow(MINE, 2, 600),))]
    own.regain([MINE], 1.0)
    assert own.words(1.0) == []
    own.lose([MINE], 20.0, KEEP)
    assert own.wake(20.0)
    assert own.words(20.0) == [Held("n1", (HeldRow(MINE, 2, 600),))]
    own.counted_now([], (), 24.0, KEEP)
    own.regain([MINE], 25.0)
    assert own.words(25.0) == [Held("n1", (HeldRow(MINE, 0, 0),))]


def test_the_deadline_ends_it_with_connections_open() -> None:
    one = One(web(MINE))
    lose(one)
    one.run(KEEP + 1.0)
    one.tell(one.decider.counted, [flow(1)])
    assert one.decider.lingering(one.now) == {}


def test_connections_that_a_predecessor_of_this_process_left_are_found() -> None:
    one = One(web(THEIRS))
    one.tell(one.decider.counted, [flow(1, THEIRS)])
    assert one.told(Held) == [(("n2", "n3"), Held("n1", (HeldRow(THEIRS, 1, 600),)))]
    one.run(5.0)
    assert one.decider.lingering(one.now) == {THEIRS: pytest.approx(KEEP - 5.0)}


def test_what_is_found_later_than_a_moment_after_the_start_is_no_predecessors() -> None:
    one = One(web(THEIRS), settled=False)
    assert one.of(Count) == [Count(frozenset({THEIRS}))]
    one.answering = {2}
    one.tell(one.decider.synchronized)
    one.run(5.0)
    assert one.of(Count)[-1] == Count(frozenset())


# -- several holders -------------------------------------------------------------------------------


def test_with_several_holders_packets_visit_one_after_the_other() -> None:
    one = One(web(LAST))
    one.have(3, Verdict.LEAVING)  # n2 leads
    one.claim(LAST, 2)
    leader = frozenset({mac(2)})
    assert onward(one, LAST) == Onward(None, hop(3), hop(3), leader, frozenset({mac(3)})), "it is in the row"
    one.have(2, draining=True)
    one.run(1.0)
    assert onward(one, LAST) == Onward(hop(2), hop(2)), "it leads"


def test_who_leaves_passes_nothing_on_that_a_peer_has_passed_on() -> None:
    """The others put it last, for it ends: were it to pass on, packets would go in circles meanwhile."""
    one = One(web(MINE))
    one.tell(one.decider.leave)
    one.claim(MINE, 2)
    assert onward(one, MINE) == Onward(hop(2), None, None, frozenset({mac(2)}))


def test_who_leaves_passes_on_to_other_holders_until_all_have_heard_of_it() -> None:
    """The leader that takes it for one in the row hands it packets of connections that stand behind it."""
    one = One(web(LAST))
    one.have(3, draining=True)
    one.run(0.5)
    one.hear(Held("n3", (HeldRow(LAST, 3, 500),)))
    one.tell(one.decider.leave)
    one.hear(Held("n1", (HeldRow(LAST, 3, 500),)))
    assert onward(one, LAST).upward == hop(3)


def test_who_has_handed_over_what_it_led_and_leaves_is_known_to_leave() -> None:
    one = One(web(MINE))
    one.hear(Held("n3", (HeldRow(MINE, 3, 500),)))
    one.tell(one.decider.leave)
    one.claim(MINE, 2)
    assert one.answered == frozenset()
    assert onward(one, MINE).led is None


def test_who_has_left_passes_nothing_on_from_behind_it_since_nobody_tells_it_who_leads() -> None:
    """All others put it last by now; one that led before is no beginning of the row any more."""
    one = One(web(LAST))
    one.hear(Held("n2", (HeldRow(LAST, 3, 500),)))
    one.tell(one.decider.leave)
    one.claim(LAST, 3)
    assert onward(one, LAST).led == hop(2)
    one.run(0.2)
    assert onward(one, LAST).led is None


NAMES = [f"n{number}" for number in range(1, 7)]


@dataclass
class View:
    """What one node believes."""

    others: set[str]
    leader: str
    gone: set[str]
    parting: set[str] = field(default_factory=set)
    leaving: bool = False


def visits(start: str, views: Mapping[str, View], ended: set[str]) -> list[str]:
    """Return who gets a packet that nobody knows: first who got it from a client. `ended` pass nothing on."""
    visited, at, source = [start], start, ""
    while len(visited) < 4 * len(NAMES):
        view = views[at]
        others = (view.others | {view.leader}) - {at}
        row = stations(
            at,
            Others(others, view.leader, view.gone - {at}, view.parting - {at}, view.leader in view.others),
            answers=view.leader == at,
            leaving=view.leaving,
        )
        if not source:
            following = row.first
        elif source < at:
            following = row.upward
        else:
            following = row.led if source == view.leader else []
        if not following or (at in ended and source):
            break
        at, source = following[0], at
        visited.append(at)
    return visited


any_name = st.sampled_from(NAMES)


@given(
    holders=st.sets(any_name),
    gone=st.lists(st.sets(any_name, max_size=2), min_size=6, max_size=6),
    leaders=st.lists(st.sampled_from(NAMES), min_size=2, max_size=2),
    camps=st.lists(st.booleans(), min_size=6, max_size=6),
    start=any_name,
)
def test_packets_do_not_go_in_circles_while_two_believe_to_lead_and_holders_are_gone_for_some(
    holders: set[str], gone: list[set[str]], leaders: list[str], camps: list[bool], start: str
) -> None:
    """Those that are gone for others still have their rules, as a node has whose process is stopped."""
    views = {}
    for name, lost, camp in zip(NAMES, gone, camps, strict=True):
        leader = name if name in leaders else leaders[camp]
        views[name] = View(holders, leader, lost - {leader})
    assert len(visits(start, views, set())) <= 2 * len(NAMES)


@given(
    holders=st.sets(any_name, min_size=1),
    gone=any_name,
    leader=any_name,
)
def test_where_all_agree_the_leader_reaches_every_holder(holders: set[str], gone: str, leader: str) -> None:
    assume(leader != gone)
    views = {name: View(holders, leader, {gone}) for name in NAMES}
    assert holders - {leader} <= set(visits(leader, views, {gone}))


@given(
    holders=st.sets(any_name, min_size=1),
    leaver=any_name,
    leader=any_name,
    heard=st.sets(any_name),
    all_heard=st.booleans(),
)
def test_the_leader_reaches_every_holder_while_word_goes_round_that_one_leaves(
    holders: set[str], leaver: str, leader: str, heard: set[str], all_heard: bool
) -> None:
    """First the `heard` know, then all, and then the `heard` put it last: it passes on so long."""
    assume(leader != leaver)
    views = {}
    for name in NAMES:
        gone = {leaver} if all_heard or name in heard else set()
        parting = gone if not all_heard or name not in heard else set()
        views[name] = View(holders, leader, gone, parting, leaving=name == leaver)
    assert holders - {leader} <= set(visits(leader, views, set()))


def test_what_clients_send_that_have_not_heard_reaches_a_leader_that_held_some_before_who_has_left() -> None:
    others = Others({"n1", "n4"}, "n1", {"n4"})
    assert stations("n3", others, answers=True).first == ["n1", "n4"]
    assert stations("n3", replace(others, leader_holds=True), answers=False).first == ["n1", "n4"]
    assert stations("n3", others, answers=False).first == ["n4", "n1"]


def test_who_answers_until_the_new_leader_is_heard_passes_on_to_who_has_left() -> None:
    row = stations("n4", Others({"n1", "n3"}, "n1", {"n3"}), answers=True)
    assert row.upward == ["n3"]


@given(holder=any_name, leader=any_name, late=any_name)
def test_who_gets_what_clients_send_that_have_not_heard_reaches_the_holder(
    holder: str, leader: str, late: str
) -> None:
    assume(len({holder, leader, late}) == 3)
    views = {name: View({holder}, leader, set()) for name in NAMES}
    assert holder in visits(late, views, set())


@given(others=st.sets(any_name), ends=st.lists(any_name, min_size=2, max_size=2, unique=True))
def test_who_gets_what_clients_send_that_have_not_heard_reaches_a_leader_behind_it_that_held_some_before(
    others: set[str], ends: list[str]
) -> None:
    late, leader = sorted(ends)
    holders = {leader, *(name for name in others if name > late)}
    views = {name: View(holders, leader, set()) for name in NAMES}
    assert holders <= set(visits(late, views, set()))

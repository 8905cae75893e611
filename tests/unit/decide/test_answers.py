"""Why an address is answered here, or not: each reason by itself, and which one is named of several."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address

import pytest
from tests.unit.decide.builders import link, mac, service
from tests.unit.model.builders import alive

from roost.decide.answers import Answers
from roost.decide.asking import Asking
from roost.decide.delivery import Delivered
from roost.decide.handover import Handover
from roost.decide.plan import Plan
from roost.decide.readiness import Readiness
from roost.decide.succession import Succession
from roost.decide.yielding import Yielding
from roost.model.announcement import Announcement
from roost.model.election import Election

VIP, OTHER = ip_address("192.0.2.200"), ip_address("192.0.2.201")
WEB = service(str(VIP), deliver="local")


class Situation:
    """Node n1 and all that may speak for or against an answer for VIP; it `leads`, or n2 does."""

    def __init__(self, *, leads: bool = True) -> None:
        election = Election([WEB], alive("n1" if leads else "n2"))
        self.plan = Plan("n1", election)
        self.plan.take_all(())
        self.succession = Succession()
        self.handover = Handover()
        self.yielding = Yielding()
        self.asking = Asking()
        self.delivered = Delivered(ready=frozenset({VIP}))
        self.readiness = Readiness()
        self.links = [link()]
        self.answers = Answers(
            plan=self.plan,
            succession=self.succession,
            handover=self.handover,
            yielding=self.yielding,
            asking=self.asking,
            delivered=self.delivered,
            readiness=self.readiness,
            links=lambda: self.links,
        )

    @property
    def answered(self) -> bool:
        return self.answers.stance(VIP).announcement is not None

    @property
    def why(self) -> str:
        return self.answers.stance(VIP).why

    def cut_off(self) -> None:
        self.answers.only = frozenset({OTHER})

    def yielded(self) -> None:
        self.yielding.heard(VIP, "n2", mac(2), 0.0)

    def asked_for(self) -> None:
        self.asking.begin([VIP], 0.0, 1.0)

    def not_delivered(self) -> None:
        self.delivered.ready = frozenset()

    def not_passed_on(self) -> None:
        self.readiness.expect(WEB, "n2", 0.0)


OBSTACLES: dict[Callable[[Situation], None], str] = {  # in the order in which they are named
    Situation.cut_off: "this node hears nobody and takes over nothing",
    Situation.yielded: "left to n2, which answers for it on the LAN",
    Situation.asked_for: "the LAN is asked first whether anybody else answers for it",
    Situation.not_delivered: "192.0.2.200 is not on this host yet",
    Situation.not_passed_on: "this node's proxy does not pass its traffic on yet",
}
COMBINED = [combined for size in range(1, 6) for combined in itertools.combinations(OBSTACLES, size)]


def test_what_this_node_leads_it_answers() -> None:
    assert Situation().answers.stance(VIP).announcement == Announcement()
    assert Situation().why == "this node leads it"


def test_what_another_node_leads_it_does_not() -> None:
    situation = Situation(leads=False)
    assert not situation.answered
    assert situation.why == "n2 leads it"


def test_it_stands_in_for_a_leader_that_is_not_heard() -> None:
    situation = Situation(leads=False)
    situation.succession.stand_in(VIP, "n2")
    assert situation.answered
    assert situation.why == "n2 leads it and is not heard: this node stands in"


@pytest.mark.parametrize("obstacles", COMBINED, ids=lambda them: "+".join(each.__name__ for each in them))
@pytest.mark.parametrize("leads", [True, False], ids=["leading", "standing in"])
def test_each_obstacle_keeps_it_silent_and_the_first_one_is_named(
    obstacles: tuple[Callable[[Situation], None], ...], *, leads: bool
) -> None:
    situation = Situation(leads=leads)
    if not leads:
        situation.succession.stand_in(VIP, "n2")
    for obstacle in obstacles:
        obstacle(situation)
    assert not situation.answered
    assert situation.why == OBSTACLES[obstacles[0]]


def test_a_stranger_is_named_by_its_hardware_address() -> None:
    situation = Situation()
    situation.yielding.heard(VIP, None, mac(9), 0.0)
    assert situation.why == "left to a stranger at 02:00:00:00:00:09, which answers for it on the LAN"


def test_why_the_host_refuses_an_address_is_told() -> None:
    situation = Situation()
    situation.not_delivered()
    situation.delivered.refused = {VIP: "the host has it on eth1: remove it there"}
    assert situation.why == "the host has it on eth1: remove it there"


def test_what_is_answered_already_goes_on_while_the_proxy_is_awaited() -> None:
    situation = Situation()
    situation.answers.consider()
    situation.not_passed_on()
    assert situation.answered


def test_a_node_that_hears_nobody_goes_on_with_what_it_answered() -> None:
    situation = Situation()
    situation.answers.only = frozenset({VIP})
    assert situation.answered


def test_what_is_held_is_answered_as_it_was_and_only_if_it_was() -> None:
    situation = Situation(leads=False)
    situation.handover.pass_on([VIP], 0.0)
    assert not situation.answered
    situation.answers.now[VIP] = Announcement(("eth0",))
    assert situation.answers.stance(VIP).announcement == Announcement(("eth0",))
    assert situation.why == "held until its new leader is heard"


def test_an_unknown_address_is_nobodys() -> None:
    assert Situation().answers.stance(OTHER).why == "no service has this address"


def test_considering_follows_what_has_changed_and_tells() -> None:
    situation = Situation()
    assert situation.answers.consider()
    assert situation.answers.now == {VIP: Announcement()}
    assert not situation.answers.consider()
    situation.yielded()
    assert not situation.answers.consider({OTHER}), "only what is asked about is looked at"
    assert situation.answers.consider({VIP})
    assert situation.answers.now == {}


def test_considering_all_drops_what_is_not_wanted_any_more() -> None:
    situation = Situation(leads=False)
    situation.answers.now[OTHER] = Announcement()
    assert situation.answers.consider()
    assert situation.answers.now == {}


def test_it_answers_on_the_links_where_the_holder_is_not_heard() -> None:
    """A node with two links that lost the one of gossip goes on answering on the other one."""
    situation = Situation()
    situation.links = [link(), replace(link(), index=3, name="eth1", mac=mac(3))]
    situation.yielding = situation.answers._yielding
    situation.yielding.heard(VIP, "n2", mac(2), 0.0, link="eth1")
    for step in range(1, 12):
        now = step * 0.05
        assert situation.yielding.refresh(VIP, mac(2), "n2", now, "eth1")
        situation.yielding.wake(now)
        assert situation.answered == (now >= 0.3)  # every question has gone out on both by then
    assert situation.yielding.moved() == {VIP}
    announcement = situation.answers.stance(VIP).announcement
    assert announcement is not None
    assert announcement.allows("eth0")
    assert not announcement.allows("eth1")
    assert "heard on eth1 alone" in situation.why
    assert situation.yielding.refresh(VIP, mac(4), "n2", 0.56, "eth0")  # its cable is back
    assert situation.yielding.moved() == {VIP}
    assert not situation.answered

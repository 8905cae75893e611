"""The simulated LAN does what switches and Linux do, or nothing that is found on it means anything."""

import random
from dataclasses import dataclass, field
from ipaddress import IPv4Address

import pytest

from roost.decide.vrrp.judging import Received
from roost.model.address import IPAddress
from roost.simulator.client import Client, State
from roost.simulator.clock import Clock
from roost.simulator.lan import Claim, Lan, Port, Question

VIP = IPv4Address("198.18.0.100")
ONE, TWO = b"\x02\0\0\0\0\1", b"\x02\0\0\0\0\2"


@dataclass
class Anybody:
    name: str
    address: IPAddress = VIP
    awake: bool = True
    heard: list[object] = field(default_factory=list)

    def hear_question(self, question: Question) -> None:
        self.heard.append(question)

    def hear_advert(self, received: Received) -> None:
        pass

    def hear_claims(self, claims: tuple[Claim, ...], *, broadcast: bool) -> None:
        self.heard.append(claims)


def lan(switches: int = 1) -> Lan:
    return Lan(switches, random.Random(1))


def plug(where: Lan, mac: bytes, switch: int = 0) -> Port:
    return where.attach(Anybody(mac.hex()), mac, switch)


def test_an_unknown_address_is_flooded_and_a_known_one_is_looked_for_where_it_spoke_last() -> None:
    where = lan(2)
    one, two = plug(where, ONE), plug(where, TWO, 1)
    assert where.unicast(one, ONE, TWO) is two  # flooded over both switches
    assert where.unicast(two, TWO, ONE) is one
    where.move(two, 0)
    assert where.unicast(one, ONE, TWO) is None  # the switch still believes that it is beyond the uplink
    assert where.unicast(two, TWO, ONE) is one
    assert where.unicast(one, ONE, TWO) is two


def test_a_link_that_goes_down_is_forgotten_and_a_cut_one_is_not() -> None:
    where = lan()
    one, two = plug(where, ONE), plug(where, TWO)
    third = plug(where, b"\x02\0\0\0\0\3")
    where.unicast(two, TWO, ONE)
    third.macs.append(TWO)  # a virtual address that moved while nobody was told
    two.cut += 1
    two.settle()
    assert where.unicast(one, ONE, TWO) is None
    where.forget(two)
    two.macs.clear()
    assert where.unicast(one, ONE, TWO) is third


@pytest.mark.parametrize(
    ("fault", "out", "back"),
    [("cut", False, False), ("down", False, False), ("mute", False, True), ("deaf", True, False)],
)
def test_what_a_port_passes(fault: str, out: bool, back: bool) -> None:
    where = lan()
    one, two = plug(where, ONE), plug(where, TWO)
    setattr(one, fault, 1)
    one.settle()
    assert (where.unicast(one, ONE, TWO) is two) is out
    assert (where.unicast(two, TWO, ONE) is one) is back
    assert (where.broadcast(one, ONE) == [two]) is out
    assert (where.broadcast(two, TWO) == [one]) is back
    assert not where.reaches(0, one)


def test_a_split_leaves_each_side_to_itself() -> None:
    where = lan(2)
    one, two = plug(where, ONE), plug(where, TWO, 1)
    where.split += 1
    assert where.unicast(one, ONE, TWO) is None
    assert where.broadcast(one, ONE) == []
    assert where.reaches(0, one)
    assert not where.reaches(1, one)
    assert not where.connected(one, two)


def test_what_is_on_its_way_to_a_port_that_is_cut_meanwhile_is_lost() -> None:
    """Late frames would tell a node that hears nothing that all but one are heard."""
    one = plug(lan(), ONE)
    heard: list[str] = []
    one.take(lambda: heard.append("before"))
    one.deaf += 1
    one.settle()
    one.take(lambda: heard.append("late"))
    assert heard == ["before"]


def test_loss_loses_some() -> None:
    where = lan()
    one, two = plug(where, ONE), plug(where, TWO)
    two.losses.append(0.3)
    two.settle()
    passed = sum(where.unicast(one, ONE, TWO) is two for _ in range(1000))
    assert 600 < passed < 800


def client(clock: Clock, where: Lan, *, deaf: bool = False, confirming: bool = False) -> Client:
    made = Client(
        clock,
        where,
        1,
        switch=0,
        deaf=deaf,
        confirming=confirming,
        reachable=2.0,
        chance=random.Random(1),
        moved=lambda _client, _address, _who: None,
    )
    made.use((VIP,))
    return made


def claim(mac: bytes, *, gratuitous: bool) -> tuple[Claim, ...]:
    return (Claim(VIP, mac, gratuitous),)


def test_a_client_learns_only_what_it_has_asked_for() -> None:
    clock = Clock()
    asking = client(clock, lan())
    asking.hear_claims(claim(ONE, gratuitous=True), broadcast=True)
    assert asking.entries[VIP].state is State.NONE
    asking.tick()
    assert asking.entries[VIP].state is State.INCOMPLETE
    asking.hear_claims(claim(ONE, gratuitous=False), broadcast=False)
    assert (asking.entries[VIP].state, asking.entries[VIP].mac) == (State.REACHABLE, ONE)


def test_a_second_reply_counts_only_after_the_lock_time_and_gratuitous_arp_at_once() -> None:
    clock = Clock()
    asking = client(clock, lan())
    asking.tick()
    asking.hear_claims(claim(ONE, gratuitous=False), broadcast=False)
    asking.hear_claims(claim(TWO, gratuitous=False), broadcast=False)
    assert asking.entries[VIP].mac == ONE
    asking.hear_claims(claim(TWO, gratuitous=True), broadcast=True)
    assert (asking.entries[VIP].mac, asking.entries[VIP].state) == (TWO, State.STALE)
    clock.now += 1.1
    asking.hear_claims(claim(ONE, gratuitous=False), broadcast=False)
    assert asking.entries[VIP].mac == ONE


def test_a_deaf_client_misses_broadcasts_and_hears_what_is_sent_to_it_alone() -> None:
    clock = Clock()
    asking = client(clock, lan(), deaf=True)
    asking.tick()
    asking.hear_claims(claim(ONE, gratuitous=False), broadcast=False)
    asking.hear_claims(claim(TWO, gratuitous=True), broadcast=True)
    assert asking.entries[VIP].mac == ONE
    asking.hear_claims(claim(TWO, gratuitous=True), broadcast=False)
    assert asking.entries[VIP].mac == TWO


def test_an_entry_that_nobody_confirms_is_asked_for_by_unicast_then_fails_then_asked_for_again() -> None:
    clock = Clock()
    asking = client(clock, lan())
    clock.after(0.0, asking.tick)
    clock.run_until(clock.now + 0.1)
    asking.hear_claims(claim(ONE, gratuitous=False), broadcast=False)
    seen: list[State] = []
    for _ in range(400):
        clock.run_until(clock.now + 0.05)
        if not seen or seen[-1] is not asking.entries[VIP].state:
            seen.append(asking.entries[VIP].state)
    assert [state for state in seen if state not in (State.STALE, State.FAILED)][:4] == [
        State.REACHABLE,
        State.DELAY,
        State.PROBE,
        State.INCOMPLETE,
    ]
    assert asking.entries[VIP].lost > 0

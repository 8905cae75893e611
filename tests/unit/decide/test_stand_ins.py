"""Peers that stand in are looked at by one address each, again and again by who is next."""

from collections.abc import Collection
from ipaddress import IPv4Address

from roost.decide.stand_ins import StandIns
from roost.model.address import IPAddress

FIRST, SECOND, THIRD = (IPv4Address("192.0.2.200") + number for number in range(3))


def looks(
    stand_ins: StandIns, until: float, mine: Collection[IPAddress] = ()
) -> list[tuple[float, list[IPAddress]]]:
    found = []
    while (due := stand_ins.next_wake()) is not None and due <= until:
        found.append((round(due, 3), stand_ins.to_look_at(due, mine.__contains__)))
        assert stand_ins.next_wake() != due, "it wants to be woken for nothing"
    return found


def test_who_stands_in_is_looked_at_by_one_address_and_ever_more_seldom() -> None:
    stand_ins = StandIns()
    stand_ins.note(FIRST, "n2", 10.0)
    stand_ins.note(SECOND, "n2", 10.05)
    assert looks(stand_ins, 40.0) == [
        (when, [FIRST]) for when in (10.2, 10.6, 11.4, 13.0, 16.2, 21.2, 26.2, 31.2, 36.2)
    ]


def test_who_is_next_looks_often_at_what_it_would_answer() -> None:
    stand_ins = StandIns()
    stand_ins.note(FIRST, "n2", 10.0)
    stand_ins.note(SECOND, "n2", 10.05)
    assert looks(stand_ins, 10.9, {SECOND}) == [(when, [SECOND]) for when in (10.2, 10.4, 10.6, 10.8)]


def test_each_peer_is_looked_at_by_itself() -> None:
    stand_ins = StandIns()
    stand_ins.note(FIRST, "n2", 0.0)
    stand_ins.note(THIRD, "n3", 0.1)
    assert looks(stand_ins, 0.35) == [(0.2, [FIRST]), (0.3, [THIRD])]


def test_who_stands_in_no_more_is_looked_at_no_more() -> None:
    stand_ins = StandIns()
    stand_ins.note(FIRST, "n2", 0.0)
    stand_ins.note(SECOND, "n3", 0.0)
    assert stand_ins.pop(FIRST) == "n2"
    stand_ins.keep(lambda address, peer: peer != "n3")
    assert looks(stand_ins, 10.0) == [(0.2, [])]
    assert stand_ins.next_wake() is None


def test_what_peers_answer() -> None:
    stand_ins = StandIns()
    stand_ins.note(FIRST, "n2", 0.0)
    stand_ins.note(SECOND, "n3", 0.0)
    assert stand_ins.answered_by({"n3", "n4"}) == [SECOND]

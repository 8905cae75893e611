from collections.abc import Iterator
from itertools import count

from roost.model.event import Event, Happening, Level
from roost.observe.recorder import Datagram, Decision, Entry, Frame, Recorder
from roost.protocols.machine import Endpoint

PEER = Endpoint("192.0.2.12", 7946)


def recorder(most: int = 100_000) -> Recorder:
    ticks: Iterator[int] = count(1)
    return Recorder(lambda: next(ticks), most=most)


def test_all_comes_back_in_order() -> None:
    noted = recorder()
    noted.datagram(PEER, b"gossip", False)
    noted.follow(Event(Happening.LEAD_MOVED, "moved"))
    noted.frame("eth0", b"frame", True)
    found: list[Entry] = list(noted.since(0))
    assert [type(each) for each in found] == [Datagram, Decision, Frame]
    assert [(each.serial, each.when) for each in found] == [(1, 1), (2, 2), (3, 3)]
    assert [each.serial for each in noted.since(2)] == [3]
    assert list(noted.since(3)) == []


def test_a_flood_of_frames_takes_no_decision_away() -> None:
    noted = recorder(10_000)
    noted.follow(Event(Happening.LEAD_MOVED, "moved"))
    for _ in range(1000):
        noted.frame("eth0", bytes(100), False)
    found = list(noted.since(0))
    assert isinstance(found[0], Decision)
    frames = found[1:]
    assert 20 <= len(frames) <= 100, "bounded by bytes"
    assert frames[-1].serial == 1001


def test_claims_and_details_are_no_decisions() -> None:
    noted = recorder()
    noted.follow(Event(Happening.CLAIMED, "claimed"))
    noted.follow(Event(Happening.FITNESS, "detail", Level.DEBUG))
    assert list(noted.since(0)) == []

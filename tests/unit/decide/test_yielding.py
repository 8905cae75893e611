"""A peer that still answers on the LAN keeps its addresses, whatever gossip says, until it falls silent."""

from ipaddress import ip_address

from roost.speaker.wire import WireTruth

WEB = ip_address("192.0.2.200")


def test_a_peer_heard_answering_holds_the_address_until_it_falls_silent() -> None:
    wire = WireTruth(patience=1.5, interval=0.4)
    assert wire.heard(WEB, "n1", now=10.0)
    assert wire.holder(WEB) == "n1"
    assert not wire.heard(WEB, "n1", now=11.0)
    assert wire.wake(now=12.4)[0] == frozenset()
    assert wire.wake(now=12.5)[0] == {WEB}
    assert wire.holder(WEB) is None
    assert wire.next_wake() is None


def test_the_address_is_asked_for_while_it_is_yielded() -> None:
    wire = WireTruth(patience=1.5, interval=0.4)
    wire.heard(WEB, "n1", now=0.0)
    assert wire.next_wake() == 0.4
    assert wire.wake(now=0.4)[1] == {WEB}
    assert wire.wake(now=0.5)[1] == frozenset()
    assert wire.wake(now=0.8)[1] == {WEB}


def test_a_peer_that_gossip_sees_again_holds_nothing() -> None:
    wire = WireTruth()
    wire.heard(WEB, "n1", now=0.0)
    wire.forget(frozenset({"n1"}))
    assert wire.holder(WEB) is None


def test_another_holder_is_news() -> None:
    wire = WireTruth()
    wire.heard(WEB, "n1", now=0.0)
    assert wire.heard(WEB, "n2", now=0.1)

"""A node knows what the others know: after the state of one, or alone after a while."""

from roost.decide.settling import Settling


def test_without_gossip_there_is_nothing_to_wait_for() -> None:
    settling = Settling(alone=True)
    assert settling.settled
    assert settling.gossiped
    assert settling.next_wake() is None


def test_the_state_of_one_peer_settles_it_once() -> None:
    settling = Settling(alone=False)
    settling.unsettle(0.0, 0.7)
    assert settling.synchronized(old=False)
    assert settling.settled
    assert settling.gossiped
    assert not settling.synchronized(old=False)
    assert settling.next_wake() is None
    assert not settling.wake(0.7), "time has nothing to settle any more"


def test_so_does_time_and_then_it_has_heard_nobody() -> None:
    settling = Settling(alone=False)
    settling.unsettle(10.0, 0.7)
    assert settling.next_wake() == 10.7
    assert not settling.wake(10.6)
    assert settling.wake(10.7)
    assert settling.settled
    assert not settling.gossiped


def test_what_it_knew_may_be_old_again() -> None:
    settling = Settling(alone=False)
    settling.synchronized(old=False)
    settling.unsettle(5.0, 0.7)
    assert not settling.settled
    assert settling.gossiped, "gossip did work"


def test_what_waited_while_it_did_not_run_settles_nothing() -> None:
    settling = Settling(alone=False)
    settling.synchronized(old=False)
    settling.stood_still(5.0)
    settling.unsettle(5.0, 0.7)
    assert settling.may_be_old(5.005)
    assert not settling.synchronized(old=True)
    assert not settling.asks_again(5.005)
    assert settling.next_wake() == 5.01
    assert settling.asks_again(5.01), "peers are asked once more"
    assert not settling.asks_again(5.02), "and then no more"
    assert not settling.may_be_old(5.01)

"""A machine that answers on the LAN keeps what it was yielded until it falls silent, whatever gossip says."""

from ipaddress import ip_address

from roost.decide.yielding import Yielding
from roost.model.address import IPAddress

WEB, MAIL, DNS = (ip_address(f"192.0.2.20{number}") for number in range(3))
ONE, TWO = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")


def test_a_peer_heard_answering_holds_the_address_until_it_falls_silent() -> None:
    yielding = Yielding(patience=1.5, interval=9.0)
    assert yielding.heard(WEB, "n1", ONE, now=10.0)
    holder = yielding.holder(WEB)
    assert holder is not None
    assert (holder.peer, holder.mac) == ("n1", ONE)
    assert not yielding.heard(WEB, "n1", ONE, now=11.0)
    assert yielding.wake(now=12.4)[0] == frozenset()
    assert yielding.wake(now=12.5)[0] == {WEB}
    assert yielding.holder(WEB) is None
    assert yielding.next_wake() is None


def test_an_answer_for_one_address_keeps_all_of_its_holder() -> None:
    yielding = Yielding(patience=1.0, interval=9.0)
    yielding.heard(WEB, "n1", ONE, now=0.0)
    yielding.heard(MAIL, "n1", ONE, now=0.0)
    yielding.heard(DNS, "n2", TWO, now=0.0)
    assert yielding.refresh(WEB, ONE, None, now=0.9)
    assert yielding.wake(now=1.0)[0] == {DNS}
    assert yielding.addresses == {WEB, MAIL}
    assert yielding.wake(now=1.9)[0] == {WEB, MAIL}


def test_a_holder_is_asked_for_a_few_addresses_at_a_time_in_turns() -> None:
    yielding = Yielding(patience=9.0, interval=0.4, at_once=2)
    for address in (WEB, MAIL, DNS):
        yielding.heard(address, "n1", ONE, now=0.0)
    assert yielding.next_wake() == 0.4
    asked: list[frozenset[IPAddress]] = []
    for step in range(1, 4):
        _, ask = yielding.wake(now=step * 0.4)
        asked.append(ask)
        for address in ask:
            yielding.refresh(address, ONE, None, now=step * 0.4)
        assert yielding.wake(now=step * 0.4)[1] == frozenset()
    assert asked == [{WEB, MAIL}, {DNS, WEB}, {MAIL, DNS}]


def test_what_has_missed_an_answer_is_asked_for_next() -> None:
    yielding = Yielding(patience=9.0, interval=0.4, at_once=1)
    for address in (WEB, MAIL, DNS):
        yielding.heard(address, "n1", ONE, now=0.0)
    asked = [yielding.wake(now=step * 0.4)[1] for step in range(1, 4)]
    assert asked == [{WEB}] * 3
    assert yielding.wake(now=1.6)[0] == {WEB}
    assert yielding.wake(now=2.0)[1] == {MAIL}, "the others get their turn"


def test_an_address_that_its_holder_leaves_open_while_it_answers_for_others_is_free() -> None:
    """Its configuration changed: it lives, and wants that address no more."""
    yielding = Yielding(patience=1.0, interval=0.1)
    yielding.heard(WEB, "n1", ONE, now=0.0)
    yielding.heard(MAIL, "n1", ONE, now=0.0)
    found: frozenset[IPAddress] = frozenset()
    for step in range(1, 20):
        now = step * 0.1
        silent, ask = yielding.wake(now)
        found |= silent
        if WEB in ask:
            yielding.refresh(WEB, ONE, None, now)
    assert found == {MAIL}
    assert yielding.addresses == {WEB}


def test_only_the_machine_that_holds_it_can_refresh_an_address() -> None:
    yielding = Yielding()
    yielding.heard(WEB, "n1", ONE, now=0.0)
    assert not yielding.refresh(WEB, TWO, None, now=0.1)
    assert not yielding.refresh(MAIL, ONE, None, now=0.1)


def test_two_that_yielded_to_each_other_come_back_one_after_the_other() -> None:
    hasty, patient = Yielding(patience=0.4), Yielding(patience=0.4)
    hasty.heard(WEB, None, ONE, now=0.0)
    patient.heard(WEB, None, TWO, now=0.0, extra=0.3)
    assert hasty.wake(now=0.4)[0] == {WEB}
    assert patient.wake(now=0.4)[0] == frozenset()
    assert patient.wake(now=0.7)[0] == {WEB}


def test_a_peer_that_gossip_sees_again_holds_nothing() -> None:
    yielding = Yielding()
    yielding.heard(WEB, "n1", ONE, now=0.0)
    yielding.heard(MAIL, None, TWO, now=0.0)
    assert yielding.forget(frozenset({"n1"})) == {WEB}
    assert yielding.holder(WEB) is None
    assert yielding.addresses == {MAIL}, "a stranger is none of gossip's business"


def test_what_was_yielded_for_long_is_kept_though_gossip_sees_the_holder_and_not_for_ever() -> None:
    yielding = Yielding(patience=0.3, interval=9.0)
    yielding.heard(WEB, "n1", ONE, now=0.0, for_long=True)
    yielding.heard(MAIL, "n1", ONE, now=0.0)
    assert yielding.forget(frozenset({"n1"})) == {MAIL}
    for step in range(1, 15):
        yielding.refresh(WEB, ONE, None, now=step * 0.2)
        assert yielding.wake(now=step * 0.2)[0] == frozenset()
    assert yielding.wake(now=3.0)[0] == {WEB}
    assert yielding.next_wake() is None


def test_what_another_holder_takes_is_yielded_to_it_for_as_long() -> None:
    yielding = Yielding()
    yielding.heard(WEB, "n1", ONE, now=0.0)
    yielding.heard(WEB, "n2", TWO, now=0.1, for_long=True)
    assert yielding.forget(frozenset({"n2"})) == frozenset()


def test_another_holder_is_news_and_takes_the_address_from_the_first() -> None:
    yielding = Yielding(patience=1.0, interval=9.0)
    yielding.heard(WEB, "n1", ONE, now=0.0)
    assert yielding.heard(WEB, "n2", TWO, now=0.1)
    assert not yielding.refresh(WEB, ONE, None, now=0.2)
    assert yielding.wake(now=1.0)[0] == frozenset(), "the first one's silence says nothing any more"
    assert yielding.wake(now=1.1)[0] == {WEB}


def test_what_is_not_this_nodes_to_answer_for_any_more_is_forgotten() -> None:
    yielding = Yielding()
    yielding.heard(WEB, "n1", ONE, now=0.0)
    yielding.heard(MAIL, "n1", ONE, now=0.0)
    yielding.keep({MAIL})
    assert yielding.addresses == {MAIL}
    yielding.keep(())
    assert yielding.next_wake() is None


def test_a_peer_with_two_links_answers_by_two_hardware_addresses() -> None:
    """What was yielded for a while ends then, by whichever link the holder is heard meanwhile."""
    yielding = Yielding(patience=0.3, interval=9.0)
    yielding.heard(WEB, "n1", ONE, now=0.0, for_long=True)
    for step in range(1, 15):
        assert yielding.refresh(WEB, (ONE, TWO)[step % 2], "n1", now=step * 0.2)
        assert yielding.wake(now=step * 0.2)[0] == frozenset()
    assert not yielding.refresh(WEB, TWO, "n2", now=2.9)
    assert yielding.refresh(WEB, TWO, "n1", now=2.9)
    assert yielding.wake(now=3.0)[0] == {WEB}

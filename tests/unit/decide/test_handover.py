"""The old leader answers until the new one is heard, and never longer than the hold."""

from ipaddress import ip_address

from roost.speaker.handover import Handover

WEB = ip_address("192.0.2.200")
MAIL = ip_address("192.0.2.201")


def test_an_address_passed_on_is_held_until_the_successor_claims_it() -> None:
    handover = Handover(hold=1.0)
    handover.lead({WEB, MAIL}, (), now=0.0)
    handover.lead({MAIL}, {WEB}, now=5.0)
    assert handover.held == {WEB}
    assert handover.claimed(WEB)
    assert not handover.held
    assert not handover.claimed(WEB)


def test_the_hold_ends_at_its_deadline() -> None:
    handover = Handover(hold=1.0)
    handover.lead({WEB}, (), now=0.0)
    handover.lead((), {WEB}, now=5.0)
    handover.wake(now=5.9)
    assert handover.held == {WEB}
    assert handover.next_wake() == 6.0
    handover.wake(now=6.0)
    assert not handover.held
    assert handover.next_wake() is None


def test_an_address_that_nobody_takes_over_is_let_go_at_once() -> None:
    handover = Handover()
    handover.lead({WEB}, (), now=0.0)
    handover.lead((), (), now=1.0)
    assert not handover.held


def test_leading_again_ends_the_hold_and_a_later_loss_starts_a_new_one() -> None:
    handover = Handover(hold=1.0)
    handover.lead({WEB}, (), now=0.0)
    handover.lead((), {WEB}, now=1.0)
    handover.lead({WEB}, (), now=1.5)
    assert not handover.held
    handover.lead((), {WEB}, now=3.0)
    handover.wake(now=3.9)
    assert handover.held == {WEB}


def test_a_hold_is_not_prolonged_by_further_changes() -> None:
    handover = Handover(hold=1.0)
    handover.lead({WEB}, (), now=0.0)
    handover.lead((), {WEB}, now=1.0)
    handover.lead((), {WEB, MAIL}, now=1.8)
    handover.wake(now=2.0)
    assert not handover.held


def test_a_successor_that_does_not_claim_is_asked_for_until_it_is_heard() -> None:
    handover = Handover()
    handover.lead({WEB, MAIL}, (), now=0.0)
    handover.lead((), {WEB, MAIL}, now=10.0)
    assert not handover.wake(now=10.0)
    first = handover.next_wake()
    assert first is not None
    assert 10.0 < first < 10.1
    handover.claimed(MAIL)
    assert handover.wake(now=first) == {WEB}
    again = handover.next_wake()
    assert again is not None
    assert 10.3 < again < 11
    assert handover.wake(now=again) == {WEB}
    handover.claimed(WEB)
    assert handover.next_wake() is None

"""The old leader answers until the new one is heard, and never longer than the hold."""

from ipaddress import ip_address

from roost.decide.handover import Handover

WEB = ip_address("192.0.2.200")
MAIL = ip_address("192.0.2.201")


def test_an_address_passed_on_is_held_until_the_successor_claims_it() -> None:
    handover = Handover(hold=1.0)
    handover.pass_on({WEB}, now=5.0)
    assert handover.held == {WEB}
    assert handover.claimed(WEB)
    assert not handover.held
    assert not handover.claimed(WEB)


def test_the_hold_ends_at_its_deadline_and_says_for_which() -> None:
    handover = Handover(hold=1.0)
    handover.pass_on({WEB}, now=5.0)
    while (due := handover.next_wake()) is not None and due < 6.0:
        assert handover.held == {WEB}
        assert handover.wake(now=due)[1] == frozenset()
    assert due == 6.0
    assert handover.wake(now=6.0)[1] == {WEB}
    assert not handover.held
    assert handover.next_wake() is None


def test_what_is_let_go_is_held_no_more_and_a_later_loss_starts_a_new_hold() -> None:
    handover = Handover(hold=1.0)
    handover.pass_on({WEB}, now=1.0)
    handover.let_go({WEB, MAIL})
    assert not handover.held
    handover.pass_on({WEB}, now=3.0)
    handover.wake(now=3.9)
    assert handover.held == {WEB}


def test_a_hold_is_not_prolonged_by_further_changes() -> None:
    handover = Handover(hold=1.0)
    handover.pass_on({WEB}, now=1.0)
    handover.pass_on({WEB, MAIL}, now=1.8)
    assert handover.wake(now=2.0)[1] == {WEB}
    assert handover.held == {MAIL}


def test_a_successor_that_does_not_claim_is_asked_for_until_it_is_heard() -> None:
    handover = Handover()
    handover.pass_on({WEB, MAIL}, now=10.0)
    assert handover.wake(now=10.0)[0] == frozenset()
    first = handover.next_wake()
    assert first is not None
    assert 10.0 < first < 10.1
    handover.claimed(MAIL)
    assert handover.wake(now=first)[0] == {WEB}
    asked = [first]
    while (due := handover.next_wake()) is not None and due < 11.1:
        assert handover.wake(now=due)[0] == {WEB}
        asked.append(due)
    assert [round(when - 10.0, 6) for when in asked] == [0.03, 0.1, 0.2, 0.4, 0.8], "less and less often"
    handover.claimed(WEB)
    assert handover.next_wake() is None


def test_another_address_that_is_passed_on_is_asked_for_as_soon() -> None:
    handover = Handover()
    handover.pass_on({WEB}, now=10.0)
    for _ in range(4):
        handover.wake(now=handover.next_wake() or 0.0)
    handover.pass_on({MAIL}, now=10.5)
    assert handover.next_wake() == 10.53


def test_what_others_share_is_held_for_a_moment_once_one_of_them_answers() -> None:
    for heard, over in ((10.1, 10.5), (12.0, 12.0), (None, 14.5)):
        handover = Handover(hold=4.0)
        handover.keep(WEB, now=10.0, seconds=0.5)
        now = 10.0
        while WEB in handover.held:
            if heard is not None and now >= heard:
                handover.answered(WEB)
            due = handover.next_wake()
            assert due is not None
            now = max(now, min(due, heard or due) if now < (heard or 0.0) else due)
            handover.wake(now)
        assert now == over, heard

"""The right to answer ends by itself."""

from roost.decide.answer_lease import BEAT, AnswerLease


def begun(at: float = 0.0) -> AnswerLease:
    lease = AnswerLease()
    lease.begin(at)
    return lease


def test_before_it_began_it_is_not_there() -> None:
    lease = AnswerLease()
    assert not lease.valid(0.0)
    assert not lease.wake(0.0)
    assert lease.next_wake() is None


def test_renewed_in_time_it_never_ends() -> None:
    lease = begun()
    for beat in range(1, 100):
        assert lease.valid(beat * BEAT)
        assert not lease.wake(beat * BEAT)


def test_one_late_beat_does_not_end_it() -> None:
    lease = begun()
    assert lease.valid(2 * BEAT)
    assert not lease.wake(2 * BEAT)


def test_it_ends_before_peers_may_take_a_mute_process_for_hung() -> None:
    assert not begun().valid(0.3)


def test_renewing_tells_once_that_it_had_run_out() -> None:
    lease = begun()
    assert lease.wake(10.0)
    assert lease.valid(10.0)
    assert not lease.wake(10.0 + BEAT)


def test_a_wake_for_something_else_shortly_before_renews_it_too() -> None:
    lease = begun()
    assert not lease.wake(BEAT * 0.7)
    assert lease.until > begun().until


def test_a_wake_too_early_renews_nothing() -> None:
    lease = begun()
    until = lease.until
    assert not lease.wake(BEAT / 2)
    assert lease.until == until

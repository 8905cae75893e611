"""The lease ends by itself."""

from roost.speaker.lease import BEAT, Lease


def test_renewed_in_time_it_never_ends() -> None:
    lease = Lease(0.0)
    for beat in range(1, 100):
        assert lease.renew(beat * BEAT)
        assert lease.valid(beat * BEAT)


def test_one_late_beat_does_not_end_it() -> None:
    lease = Lease(0.0)
    assert lease.valid(2 * BEAT)
    assert lease.renew(2 * BEAT)


def test_it_ends_before_peers_may_take_a_mute_process_for_hung() -> None:
    lease = Lease(0.0)
    assert not lease.valid(0.3)


def test_renewing_tells_that_it_had_ended_and_begins_anew() -> None:
    lease = Lease(0.0)
    assert not lease.renew(10.0)
    assert lease.valid(10.0)
    assert lease.renew(10.0 + BEAT)

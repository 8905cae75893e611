"""A client tells of silences as they happen, the same that the report counts at the end."""

from collections.abc import Iterator

import pytest

from roost.lab import client
from roost.lab.client import _Target
from roost.lab.records import Pings, outage


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Target]:
    made = _Target("127.0.0.1", 9)
    now = [100.0]

    def ping() -> None:
        made.sent.append(now[0])
        made.answered.append("")
        now[0] += 0.002

    monkeypatch.setattr("roost.lab.client.time.monotonic", lambda: now[0])
    monkeypatch.setattr(made, "ping", ping)
    yield made
    made.socket.close()


def answer(target: _Target, number: int) -> None:
    target.last = target.answered[number] = "n1"
    target._heard(number)


def test_a_silence_lasts_from_the_first_ping_lost_to_the_next_one_answered(target: _Target) -> None:
    for number in range(100):
        target.ping()
        if not 20 <= number < 60:
            answer(target, number)
    ((begin, seconds),) = target.report()[3]
    assert (begin, seconds) == pytest.approx((100.040, 0.080))
    assert outage(Pings(target.sent, target.answered), 0, 200).longest == pytest.approx(seconds)
    assert target.report()[3] == [], "each is told once"


def test_a_silence_that_goes_on_is_told_as_long_as_it_is_and_a_late_answer_is_none(target: _Target) -> None:
    for _ in range(8):
        target.ping()
    assert target.report()[3] == [], "16 ms: the answers may be on their way"
    for _ in range(42):
        target.ping()
    assert target.report()[3][0] == pytest.approx((100.0, 0.1))
    for _ in range(50):
        target.ping()
    assert target.report()[3][0] == pytest.approx((100.0, 0.2)), "the same, known by when it began"


def test_a_long_lab_keeps_the_last_pings_and_counts_all(
    target: _Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_KEPT", 100)
    sent = 0
    for number in range(1000):
        target.ping()
        if len(target.sent) > 100:
            target._forget(50)
        answer(target, len(target.sent) - 1)
        if number % 50 == 49:
            sent += target.report()[2]
    assert sent == 1000
    assert len(target.sent) == len(target.answered) <= 101
    assert target.report()[3] == []

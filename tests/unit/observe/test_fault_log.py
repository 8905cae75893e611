"""Faults for people: every one counted, few of them printed."""

import logging
from datetime import UTC, datetime

import pytest

from roost.observe.fault_log import FaultLog
from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.effects import Fault

SOURCE = Endpoint("192.0.2.1", 7946)
MOMENT = datetime(2030, 1, 1, tzinfo=UTC)


def _log() -> FaultLog:
    return FaultLog(lambda: MOMENT)


def test_one_line_per_kind_and_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    log = _log()
    for now in (0.0, 0.1, 9.9, 10.0, 10.1):
        log.take(Fault("bad-packet", f"at {now}", SOURCE), now)
    log.take(Fault("conflict", "other", None), 10.1)
    lines = [(record.getMessage(), getattr(record, "suppressed", 0)) for record in caplog.records]
    assert lines == [
        ("membership: bad-packet: at 0.0", 0),
        ("membership: bad-packet: at 10.0", 2),
        ("membership: conflict: other", 0),
    ]
    assert caplog.records[0].levelno == logging.WARNING


def test_records_hold_all_of_them() -> None:
    log = _log()
    for number in range(5):
        log.take(Fault("bad-packet", str(number), SOURCE), 0.0)
    (record,) = log.records
    assert (record.kind, record.count, record.detail, record.source) == (
        "bad-packet",
        5,
        "4",
        "192.0.2.1:7946",
    )
    assert record.first == record.last == MOMENT


def test_text_from_the_network_stays_on_its_line(caplog: pytest.LogCaptureFixture) -> None:
    log = _log()
    log.take(Fault("bad-packet", "a\nERROR forged\x1b[2J" + "x" * 1000, SOURCE), 0.0)
    text = caplog.records[0].getMessage()
    assert "\n" not in text
    assert "\x1b" not in text
    assert len(text) < 300


def test_kinds_are_bounded() -> None:
    log = _log()
    for number in range(1000):
        log.take(Fault(f"kind-{number}", "", None), 0.0)
    assert len(log.records) == 64


def unreached(log: FaultLog, *times: float, source: Endpoint = SOURCE) -> None:
    for now in times:
        log.take(Fault("exchange-failed", "refused", source), now)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_peer_that_is_not_reached_is_one_line_until_it_was_a_member_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = _log()
    unreached(log, 0.0, 2.0, 4.9)
    assert lines(caplog) == [], "it may be starting"
    unreached(log, *range(5, 3600, 11))
    assert lines(caplog) == ["192.0.2.1:7946 does not answer: refused; it is asked again and again"]
    unreached(log, 3600.0, 3606.0, source=Endpoint("192.0.2.2", 7946))
    assert len(lines(caplog)) == 2
    log.reached(["192.0.2.1:7946"])
    unreached(log, 4000.0, 4010.0, 4020.0)
    assert len(lines(caplog)) == 3
    (record,) = log.records
    assert record.count > 300, "all of them are counted"


def test_a_member_whose_loss_was_told_is_no_line_more(caplog: pytest.LogCaptureFixture) -> None:
    log = _log()
    log.lost(["192.0.2.1:7946"])
    unreached(log, *range(0, 600, 11))
    assert lines(caplog) == []


def test_peers_are_bounded() -> None:
    log = _log()
    for number in range(5000):
        unreached(log, 0.0, source=Endpoint("192.0.2.1", number))
    assert len(log._unreached) == 1024

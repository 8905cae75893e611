"""One instance on virtual time."""

from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from roost.protocols.vrrp.machine import Advertise, AnnounceAgain, Heard, Instance, Ruling, Timing
from roost.protocols.vrrp.table import TABLE, Occasion, State
from roost.protocols.vrrp.transitions import transitions

DOCS = Path(__file__).parents[4] / "docs"
LOW, MIDDLE, HIGH = (IPv4Address(f"192.0.2.{last}") for last in (11, 12, 13))
SECOND = 100  # centiseconds


class Run:
    """An instance with the address 192.0.2.12, and the time."""

    def __init__(self, priority: int = 100, *, version: int = 3, interval: int = SECOND, **more: Any) -> None:
        self.now = 50.0
        self.sent: list[tuple[float, int]] = []
        self.announced = 0
        self.instance = Instance(Ruling(version, priority, interval, **more), MIDDLE)
        self.instance.start(self.now)
        self._collect()

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.instance.next_wake()) is not None and due <= end:
            self.now = max(self.now, due)
            self.instance.wake(self.now)
            self._collect()
        self.now = end

    def hear(self, priority: int, source: IPv4Address = HIGH, interval: int = SECOND) -> None:
        self.instance.hear(Heard(source, priority, interval), self.now)
        self._collect()

    def rule(self, priority: int, **more: Any) -> None:
        ruling = self.instance.ruling
        self.instance.rule(Ruling(ruling.version, priority, ruling.interval, **more), MIDDLE, self.now)
        self._collect()

    def lead(self) -> "Run":
        self.run(4)
        assert self.is_(State.MASTER)
        self.sent.clear()
        return self

    def is_(self, state: State) -> bool:
        return self.instance.state == state

    def _collect(self) -> None:
        for effect in self.instance.effects():
            if isinstance(effect, Advertise):
                self.sent.append((self.now, effect.priority))
            self.announced += isinstance(effect, AnnounceAgain)


@pytest.mark.parametrize(
    ("version", "priority", "interval", "skew", "down"),
    [
        (3, 100, 100, 0.609375, 3.609375),
        (3, 254, 10, 0.00078125, 0.30078125),
        (3, 1, 1, 0.0099609375, 0.0399609375),
        (2, 100, 100, 0.609375, 3.609375),
        (2, 100, 300, 0.609375, 9.609375),  # version 2: the skew does not follow the interval
    ],
)
def test_timers(version: int, priority: int, interval: int, skew: float, down: float) -> None:
    timing = Timing.of(version, priority, interval)
    assert (timing.skew, timing.master_down) == pytest.approx((skew, down))


def test_a_backup_takes_over_after_three_intervals_and_the_skew() -> None:
    one = Run()
    one.run(3.6)
    assert one.is_(State.BACKUP)
    one.run(0.01)
    assert one.is_(State.MASTER)
    one.run(2)
    assert [round(when - 50, 2) for when, _ in one.sent] == [3.61, 4.61, 5.61]


def test_an_owner_leads_at_once() -> None:
    one = Run(255)
    assert one.is_(State.MASTER)
    assert one.sent == [(50.0, 255)]


def test_adverts_keep_a_backup_a_backup() -> None:
    one = Run()
    for _ in range(10):
        one.run(3)
        one.hear(100)
    assert one.is_(State.BACKUP)
    assert not one.sent


def test_priority_0_leaves_the_skew_to_wait() -> None:
    one = Run()
    one.hear(150)
    one.run(0.1)
    one.hear(0)
    one.run(0.6)
    assert one.is_(State.BACKUP)
    one.run(0.01)
    assert one.is_(State.MASTER)


def test_version_3_learns_the_masters_interval() -> None:
    one = Run(interval=SECOND)
    one.hear(150, interval=10)
    one.run(0.4)
    assert one.is_(State.MASTER)
    one.run(1.5)
    assert one.sent[1][0] - one.sent[0][0] == 1.0  # its own interval, once it leads


def test_version_2_does_not() -> None:
    one = Run(version=2, interval=SECOND)
    one.hear(150, interval=300)
    one.run(3.61)
    assert one.is_(State.MASTER)


@pytest.mark.parametrize(
    ("priority", "source", "state"),
    [
        (101, LOW, State.BACKUP),
        (100, HIGH, State.BACKUP),
        (100, LOW, State.MASTER),
        (99, HIGH, State.MASTER),
    ],
)
def test_of_two_masters_the_better_one_stays(priority: int, source: IPv4Address, state: State) -> None:
    one = Run().lead()
    one.hear(priority, source)
    assert one.is_(state)


def test_who_gives_way_says_so_and_who_stays_tells_clients_again() -> None:
    worse = Run().lead()
    worse.hear(150)
    assert [priority for _, priority in worse.sent] == [100], "keepalived, too, announces again by that"
    better = Run(150).lead()
    better.hear(100)
    assert better.announced == 1
    assert [priority for _, priority in better.sent] == [150]


def test_a_master_answers_priority_0_with_an_advert() -> None:
    one = Run().lead()
    one.hear(0)
    assert [priority for _, priority in one.sent] == [100]
    assert one.is_(State.MASTER)


def test_two_that_never_agree_do_not_flood() -> None:
    one = Run().lead()
    for _ in range(1000):
        one.run(0.001)
        one.hear(99, LOW)
    assert len(one.sent) <= 51


def test_a_better_backup_preempts() -> None:
    one = Run(150)
    for _ in range(4):
        one.hear(100)
        one.run(1)
    assert one.is_(State.MASTER)


def test_without_preemption_it_stays_a_backup() -> None:
    one = Run(150, preempt=False)
    for _ in range(20):
        one.hear(100)
        one.run(1)
    assert one.is_(State.BACKUP)
    one.run(3)
    assert one.is_(State.MASTER), "but it takes over from the dead"


def test_without_preemption_a_master_that_became_worse_loses_the_lead() -> None:
    """keepalived: weight with nopreempt never moves (keepalived#2599 #2483 #2379 #942 #2103)."""
    one = Run(150, preempt=False)
    one.hear(100)
    one.run(1)
    for _ in range(4):
        one.hear(50)  # its check fails: 100 - 50
        one.run(1)
    assert one.is_(State.MASTER)


def test_a_delay_puts_preemption_off() -> None:
    one = Run(150, preempt_delay=10.0)
    for _ in range(9):
        one.hear(100)
        one.run(1)
    assert one.is_(State.BACKUP)
    for _ in range(5):
        one.hear(100)
        one.run(1)
    assert one.is_(State.MASTER)


def test_the_delay_begins_anew_with_a_better_master() -> None:
    one = Run(150, preempt_delay=5.0)
    for priority in (100, 100, 100, 200, 100, 100, 100, 100):
        one.hear(priority, LOW if priority == 200 else HIGH)
        one.run(1)
    assert one.is_(State.BACKUP)


def test_a_changed_priority_is_told_at_once_and_moves_the_timer() -> None:
    one = Run(200).lead()
    one.rule(50)
    assert [priority for _, priority in one.sent] == [50]
    two = Run(1)
    two.run(3)
    two.rule(254)
    two.run(0.05)
    assert two.is_(State.MASTER)


def test_who_stops_says_0_if_it_led() -> None:
    one = Run().lead()
    one.instance.stop(one.now)
    one._collect()
    one.run(100)
    assert [priority for _, priority in one.sent] == [0]
    assert one.is_(State.INITIALIZE)
    two = Run()
    two.instance.stop(two.now)
    two.run(100)
    assert not two.sent


def test_in_initialize_nothing_is_believed() -> None:
    one = Run()
    one.instance.stop(one.now)
    one.hear(1)
    assert one.is_(State.INITIALIZE)
    assert one.instance.next_wake() is None


@pytest.mark.parametrize(("preempt", "state"), [(True, State.MASTER), (False, State.BACKUP)])
def test_after_a_long_freeze_no_preemption_means_to_yield(preempt: bool, state: State) -> None:
    one = Run(preempt=preempt).lead()
    one.now += 30  # the process was stopped; a worse one has taken over
    one.hear(90)
    assert one.is_(state)


def test_a_freeze_that_nobody_used_changes_nothing() -> None:
    one = Run(preempt=False).lead()
    one.now += 30
    one.instance.wake(one.now)
    one.run(3)
    one.hear(90)
    assert one.is_(State.MASTER)


def test_a_group_moves_as_one() -> None:
    one = Run()
    one.instance.lead_with_group(one.now)
    assert one.is_(State.MASTER)
    one.instance.yield_with_group(one.now)
    assert one.is_(State.BACKUP)


def test_who_is_no_arbiter_leaves_ties_alone() -> None:
    one = Run(arbiter=False).lead()
    one.hear(100, HIGH)
    assert one.is_(State.MASTER)
    one.hear(101, HIGH)
    assert one.is_(State.BACKUP)


def test_every_state_can_be_left_and_reached() -> None:
    assert {before for before, _ in TABLE} == set(State) == {after for _, after in TABLE.values()}
    assert {occasion for _, occasion in TABLE} == set(Occasion)


def test_the_documented_table_is_the_code_s() -> None:
    page = (DOCS / "explanation" / "vrrp.md").read_text()
    assert f"\n{transitions()}\n" in page


def test_it_says_why_it_took_over() -> None:
    silent, better = Run(), Run(150)
    silent.run(4)
    for _ in range(4):
        better.hear(100)
        better.run(1)
    assert [each.instance.last for each in (silent, better)] == [Occasion.SILENCE, Occasion.PREEMPTION]

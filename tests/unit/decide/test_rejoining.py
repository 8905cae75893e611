"""Whom a node goes on trying to reach, and how often."""

from collections.abc import Sequence
from random import Random

import pytest

from roost.decide.effects import Join, Resolve
from roost.decide.join_target import parse_target
from roost.decide.rejoining import Rejoining
from roost.protocols.machine import Effect, Endpoint

A, B = Endpoint("192.0.2.1", 7946), Endpoint("192.0.2.2", 7946)


class Attempts:
    """Rejoining on virtual time over recorded attempts; `well` are the peers that need none."""

    def __init__(self, targets: Sequence[str], interval: float = 3600.0) -> None:
        self.made: list[Endpoint] = []
        self.asked: list[str] = []
        self.well: set[Endpoint] = set()
        self.now = 0.0
        self.rejoining = Rejoining(
            [parse_target(text) for text in targets],
            interval,
            Random(1),
            lambda endpoint: endpoint not in self.well,
        )
        self.rejoining.start(self.now)
        self.run(0.0)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.rejoining.next_wake()) is not None and due <= end:
            self.now = max(self.now, due)
            self.take(self.rejoining.wake(self.now))
        self.now = end

    def take(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Join(endpoints):
                    self.made += endpoints
                case Resolve(host, port):
                    self.asked.append(f"{host}:{port}")


def test_targets_are_tried_at_once() -> None:
    assert Attempts([str(A)]).made == [A]


def test_many_calls_for_a_round_make_few() -> None:
    attempts = Attempts([str(A)])
    for _ in range(100):
        attempts.rejoining.soon(attempts.now)
        attempts.run(0.001)
    attempts.run(0.1)
    assert attempts.made == [A, A]


def test_a_round_that_was_asked_for_is_made_once_more_soon() -> None:
    attempts = Attempts([str(A)])
    attempts.run(10.0)
    attempts.rejoining.soon(attempts.now)
    attempts.run(0.1)
    assert attempts.made == [A, A]
    attempts.run(1.0)
    assert attempts.made == [A, A, A], "the first may have met an exchange that hangs"
    attempts.run(100.0)
    assert attempts.made == [A, A, A]


def test_peers_that_are_well_are_left_alone() -> None:
    attempts = Attempts([str(A)])
    attempts.well.add(A)
    attempts.rejoining.soon(attempts.now)
    attempts.run(0.4)
    assert attempts.made == [A]


def test_a_lost_member_is_tried_until_it_is_found() -> None:
    attempts = Attempts([str(A)])
    attempts.rejoining.lost("b", B, attempts.now)
    attempts.rejoining.soon(attempts.now)
    attempts.run(0.25)
    assert attempts.made == [A, A, B]
    attempts.rejoining.found("b")
    attempts.rejoining.soon(attempts.now)
    attempts.run(0.25)
    assert attempts.made == [A, A, B, A]


def test_lost_members_are_bounded_and_forgotten() -> None:
    attempts = Attempts([], interval=10_000.0)
    for number in range(1000):
        attempts.rejoining.lost(f"n{number}", Endpoint("198.51.100.1", 1000 + number), attempts.now)
    attempts.rejoining.soon(attempts.now)
    attempts.run(0.2)
    assert len(attempts.made) == 8, "a round is bounded"
    assert all(endpoint.port >= 1936 for endpoint in attempts.made), "the longest lost gave way"
    attempts.run(3600.0)
    attempts.made.clear()
    attempts.rejoining.soon(attempts.now)
    attempts.run(1.0)
    assert attempts.made == [], "after an hour nobody looks for them any more"


def test_the_interval_goes_on_and_is_jittered() -> None:
    attempts = Attempts([str(A)], interval=1.0)
    attempts.run(100.0)
    assert len(attempts.made) == pytest.approx(101, abs=10)
    dues = set()
    for _ in range(5):
        due = attempts.rejoining.next_wake()
        assert due is not None
        dues.add(round(due - attempts.now, 3))
        attempts.now = due
        attempts.take(attempts.rejoining.wake(due))
    assert len(dues) > 1


def test_names_are_resolved_in_each_round_and_their_addresses_joined() -> None:
    attempts = Attempts(["peer.example:7946"], interval=1.0)
    attempts.run(5.0)
    assert set(attempts.asked) == {"peer.example:7946"}
    assert len(attempts.asked) >= 4, "a name that did not resolve is asked for again"
    assert attempts.made == []
    attempts.take(attempts.rejoining.resolved([A, B, A]))
    assert attempts.made == [A, B]


def test_a_name_of_very_many_addresses_costs_a_bounded_number_of_attempts() -> None:
    attempts = Attempts(["peer.example"])
    attempts.take(attempts.rejoining.resolved([Endpoint("192.0.2.1", 1 + port) for port in range(1000)]))
    assert len(attempts.made) == 16


def test_new_targets_are_tried_at_once_and_the_same_ones_are_not() -> None:
    attempts = Attempts([str(A)])
    attempts.rejoining.set_targets([parse_target(str(A))], attempts.now)
    attempts.run(1.0)
    assert attempts.made == [A]
    attempts.rejoining.set_targets([parse_target(str(B))], attempts.now)
    attempts.run(0.3)
    assert attempts.made == [A, B]


def test_after_the_end_nobody_is_tried() -> None:
    attempts = Attempts([str(A)], interval=1.0)
    attempts.rejoining.stop()
    attempts.rejoining.soon(attempts.now)
    attempts.run(10.0)
    assert attempts.made == [A]
    assert attempts.rejoining.next_wake() is None

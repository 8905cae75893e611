"""Whom a node goes on trying to reach, and how often."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from random import Random

import pytest

from roost.membership import rejoin
from roost.membership.rejoin import Rejoiner
from roost.decide.join_target import parse_target
from roost.protocols.machine import Endpoint

A, B = Endpoint("192.0.2.1", 7946), Endpoint("192.0.2.2", 7946)


class Attempts:
    """A rejoiner over recorded attempts; `well` are the peers that need none."""

    def __init__(self, targets: Sequence[str], interval: float) -> None:
        self.made: list[Endpoint] = []
        self.well: set[Endpoint] = set()
        self.rejoiner = Rejoiner(
            [parse_target(text) for text in targets],
            interval,
            Random(1),
            wanted=lambda endpoint, _forced: endpoint not in self.well,
            contact=self.made.extend,
        )


@pytest.fixture
async def seldom() -> AsyncIterator[Attempts]:
    """One target, tried at the start and then not for an hour."""
    attempts = Attempts([str(A)], 3600.0)
    attempts.rejoiner.start()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    yield attempts
    await attempts.rejoiner.stop()


async def test_targets_are_tried_at_once(seldom: Attempts) -> None:
    assert seldom.made == [A]


async def test_many_calls_of_now_make_one_round(seldom: Attempts) -> None:
    for _ in range(100):
        seldom.rejoiner.now()
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.5)
    assert 2 <= len(seldom.made) <= 3


async def test_peers_that_are_well_are_left_alone(seldom: Attempts) -> None:
    seldom.well.add(A)
    seldom.rejoiner.now()
    await asyncio.sleep(0.4)
    assert seldom.made == [A]


async def test_a_lost_member_is_tried_until_it_is_found(seldom: Attempts) -> None:
    seldom.rejoiner.lost("b", B)
    seldom.rejoiner.now()
    await asyncio.sleep(0.4)
    assert seldom.made == [A, A, B]
    seldom.rejoiner.found("b")
    seldom.rejoiner.now()
    await asyncio.sleep(0.4)
    assert seldom.made == [A, A, B, A]


async def test_lost_members_are_bounded_and_forgotten(
    monkeypatch: pytest.MonkeyPatch, seldom: Attempts
) -> None:
    for number in range(1000):
        seldom.rejoiner.lost(f"n{number}", Endpoint("198.51.100.1", 1000 + number))
    seldom.rejoiner.now()
    await asyncio.sleep(0.4)
    tried = seldom.made[2:]
    assert len(tried) == 8, "a round is bounded"
    assert all(endpoint.port >= 1936 for endpoint in tried), "the longest lost gave way"
    monkeypatch.setattr(rejoin, "_LOST_MEMORY", 0.0)
    seldom.rejoiner.now()
    await asyncio.sleep(0.4)
    assert seldom.made[10:] == [A]


async def test_the_interval_goes_on_and_is_jittered() -> None:
    attempts = Attempts([str(A)], 0.05)
    attempts.rejoiner.start()
    await asyncio.sleep(1.0)
    await attempts.rejoiner.stop()
    assert len(attempts.made) >= 4


async def test_names_are_asked_for_once_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    answer = asyncio.Event()

    async def resolve(host: str, port: int) -> list[Endpoint]:
        asked.append(f"{host}:{port}")
        await answer.wait()
        return [A, B]

    monkeypatch.setattr(rejoin, "resolve", resolve)
    attempts = Attempts(["peer.example:7946"], 0.02)
    attempts.rejoiner.start()
    await asyncio.sleep(0.5)
    assert asked == ["peer.example:7946"]
    answer.set()
    await asyncio.sleep(0.1)
    assert attempts.made[:2] == [A, B]
    await attempts.rejoiner.stop()


async def test_a_name_that_does_not_resolve_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def resolve(host: str, _port: int) -> list[Endpoint]:
        asked.append(host)
        raise OSError("Name or service not known")

    monkeypatch.setattr(rejoin, "resolve", resolve)
    attempts = Attempts(["peer.example"], 0.02)
    attempts.rejoiner.start()
    await asyncio.sleep(0.5)
    await attempts.rejoiner.stop()
    assert len(asked) >= 3
    assert attempts.made == []

"""One of several replicas: the lease as written, by clocks that need not agree."""

import asyncio
from typing import Any, cast

import pytest

from roost.kubernetes.client import Api, ApiError
from roost.kubernetes.lease import DEADLINE, DURATION, LeaderLease


class Leases:
    """One lease, with optimistic locking."""

    def __init__(self) -> None:
        self.item: dict[str, Any] | None = None
        self.version = 0
        self.knows_roles = {"leases": True, "services": True}

    async def get(self, path: str, _query: dict[str, str] | None = None) -> dict[str, Any]:
        for kind, known in self.knows_roles.items():
            if kind in path and not known:
                raise ApiError(403, f"may not get {kind}")
        if path.endswith("services"):
            return {}
        if self.item is None:
            raise ApiError(404, "none")
        return {**self.item, "metadata": {**self.item["metadata"]}, "spec": {**self.item["spec"]}}

    find = Api.find  # as the real one: by `get`

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if self.item is not None:
            raise ApiError(409, "there is one")
        return self._set(body)

    async def replace(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        assert self.item is not None
        if body["metadata"].get("resourceVersion") != self.item["metadata"]["resourceVersion"]:
            raise ApiError(409, "changed")
        return self._set(body)

    def _set(self, body: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        self.item = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        return self.item


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def replica(leases: Leases, name: str, clock: Clock) -> LeaderLease:
    return LeaderLease(cast("Api", leases), "ns", "lease", name, clock=clock)


async def test_the_first_one_has_it_and_a_second_one_waits_until_it_falls_silent() -> None:
    leases, clock = Leases(), Clock()
    one, two = replica(leases, "one", clock), replica(leases, "two", clock)
    assert await one._try() == "one"
    assert await two._try() == "one"
    for _ in range(5):
        clock.now += 2
        assert await one._try() == "one"
        assert await two._try() == "one"
    clock.now += DURATION - 0.1
    assert await two._try() == "one"
    clock.now += 0.2
    assert await two._try() == "two"
    assert await one._try() == "two"


async def test_a_released_one_is_taken_at_once() -> None:
    leases, clock = Leases(), Clock()
    one, two = replica(leases, "one", clock), replica(leases, "two", clock)
    await one._try()
    await one.release()
    assert await two._try() == "two"


async def test_of_two_that_take_over_at_once_one_loses() -> None:
    leases, clock = Leases(), Clock()
    await replica(leases, "dead", clock)._try()
    two, three = replica(leases, "two", clock), replica(leases, "three", clock)
    await two._try()
    await three._try()
    clock.now += DURATION + 1
    stale = await leases.get("")
    assert await two._try() == "two"
    with pytest.raises(ApiError):
        await leases.replace("", stale)
    assert await three._try() == "two"


def test_who_holds_it_stops_before_anybody_else_may_start() -> None:
    assert DEADLINE < DURATION


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that sleeping moves on, so that nobody really sleeps."""
    clock, really = Clock(), asyncio.sleep

    async def sleep(seconds: float) -> None:
        clock.now += seconds
        await really(0)

    monkeypatch.setattr("roost.kubernetes.lease.asyncio.sleep", sleep)
    return clock


async def test_without_the_right_to_leases_nothing_is_held(clock: Clock) -> None:
    leases = Leases()
    leases.knows_roles["leases"] = False
    assert not await replica(leases, "one", clock).acquire()
    assert clock.now >= 3


async def test_a_server_that_knows_no_roles_yet_does_not_make_two_replicas_work(clock: Clock) -> None:
    leases = Leases()
    leases.knows_roles.update(leases=False, services=False)
    task = asyncio.create_task(replica(leases, "one", clock).acquire())
    while clock.now < 60:
        await asyncio.sleep(0)
    assert not task.done()
    leases.knows_roles.update(leases=True, services=True)
    assert await task


async def test_a_right_that_was_there_is_not_taken_for_missing(clock: Clock) -> None:
    leases = Leases()
    one = replica(leases, "one", clock)
    assert await one.acquire()
    leases.knows_roles["leases"] = False
    task = asyncio.create_task(one.acquire())
    while clock.now < 60:
        await asyncio.sleep(0)
    assert not task.done()
    task.cancel()

"""The page's state: told whole, then by its changes; readers are few, and none is waited for."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from roost.observe.web.hub import Hub, TooManyReadersError


def hub(most: int = 32) -> Hub:
    return Hub(lambda: {"mode": "speaker", "me": "n1"}, {"events": 3}, most=most)


async def told(reader: AsyncGenerator[bytes, None], count: int) -> list[dict[str, Any]]:
    """The next messages."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        part = await asyncio.wait_for(anext(reader), 3)
        assert part.endswith(b"\n\n")
        if b"data: " in part:
            found.append(json.loads(part.partition(b"data: ")[2]))
    return found


async def left(reader: AsyncGenerator[bytes, None], parts: list[bytes] | None = None) -> None:
    """Read to the end."""
    async for part in reader:
        if parts is not None:
            parts.append(part)


async def test_who_comes_is_told_all_and_then_only_changes() -> None:
    page = hub()
    page.set("n1", "services", {"a": {"leader": "n1"}, "b": {"leader": "n2"}})
    page.tell("n1", "events", [{"text": "early"}])
    reader = page.read()
    hello, services, events, ready = await told(reader, 4)
    assert hello["hello"]["me"] == "n1"
    assert services == {
        "source": "n1",
        "set": {"services": {"a": {"leader": "n1"}, "b": {"leader": "n2"}}},
    }
    assert events == {"source": "n1", "tell": {"events": [{"text": "early"}]}}
    assert ready == {"ready": True}
    page.set("n1", "services", {"a": {"leader": "n1"}, "c": {"leader": "n3"}})
    page.set("n1", "services", {"a": {"leader": "n1"}, "c": {"leader": "n3"}})  # nothing new, no word
    page.set("n1", "services", {"c": {"leader": "n1"}}, whole=False)
    page.drop("n1")
    assert [each.get("set", each) for each in await told(reader, 3)] == [
        {"services": {"c": {"leader": "n3"}, "b": None}},
        {"services": {"c": {"leader": "n1"}}},
        {"source": "n1", "gone": True},
    ]
    await reader.aclose()


async def test_what_happened_is_kept_in_bounds() -> None:
    page = hub()
    page.tell("n1", "events", list(range(10)))
    reader = page.read()
    assert (await told(reader, 2))[1] == {"source": "n1", "tell": {"events": [7, 8, 9]}}
    await reader.aclose()


async def test_a_large_state_comes_in_parts_that_hold_up_nobody() -> None:
    page = hub()
    page.set("n1", "services", {f"s{number}": {"leader": "n1"} for number in range(2000)})
    reader = page.read()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    found = (await told(reader, 21))[1:]
    assert all(len(each["set"]["services"]) <= 100 for each in found)
    assert sum(len(each["set"]["services"]) for each in found) == 2000
    assert turns >= 19
    task.cancel()
    await reader.aclose()


async def test_readers_are_counted_and_no_more_than_allowed() -> None:
    page = hub(most=2)
    ends = []
    page.unwatched = lambda: ends.append(page.readers)
    one, two = page.read(), page.read()
    await told(one, 2)
    await told(two, 2)
    with pytest.raises(TooManyReadersError):
        page.read()
    await one.aclose()
    assert ends == []
    await two.aclose()
    assert ends == [0], "nobody looks any more"


async def test_a_reader_that_does_not_keep_up_is_let_go_and_the_others_go_on() -> None:
    page = hub()
    slow, quick = page.read(), page.read()
    await told(slow, 2)
    await told(quick, 2)
    seen = 0
    for number in range(2000):
        page.set("n1", "self", {"number": number})
        seen += len(await told(quick, 1))
    assert seen == 2000
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(left(slow), 5)
    assert page.readers == 1
    await quick.aclose()


async def test_what_waits_for_a_reader_is_bounded_in_bytes_too() -> None:
    page = hub()
    slow = page.read()
    await told(slow, 2)
    for number in range(20):
        page.set("n1", "self", {"number": "x" * 200_000 + str(number)})
    parts: list[bytes] = []
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(left(slow, parts), 5)
    assert len(parts) < 10


async def test_nothing_to_tell_is_a_sign_of_life() -> None:
    page = hub()
    reader = page.read()
    await told(reader, 2)
    assert await asyncio.wait_for(anext(reader), 5) == b": alive\n\n"
    await reader.aclose()


async def test_closing_ends_all_streams() -> None:
    page = hub()
    reader = page.read()
    await told(reader, 2)
    page.close()
    await asyncio.wait_for(left(reader), 3)

"""Calls that come with a wake that is for something else, or soon after they were wanted."""

import asyncio

from roost.runtime.unhurried import Unhurried


async def test_a_call_comes_with_the_first_wake_after_its_time_and_only_once() -> None:
    called: list[str] = []
    failed: list[Exception] = []
    unhurried = Unhurried(failed.append)
    loop = asyncio.get_running_loop()

    def call() -> None:
        called.append("once")

    unhurried.later(0.01, call)
    unhurried.wake(loop.time())
    assert called == []
    unhurried.wake(loop.time() + 0.02)
    assert called == ["once"]
    await asyncio.sleep(0.1)
    assert called == ["once"], "its own timer is off"
    assert failed == []


async def test_without_a_wake_a_call_comes_by_itself() -> None:
    called = asyncio.Event()
    unhurried = Unhurried(lambda error: None)
    unhurried.later(0.0, called.set)
    await asyncio.wait_for(called.wait(), 5)


async def test_what_a_call_raises_is_not_lost_and_the_others_come() -> None:
    failed: list[Exception] = []
    called: list[str] = []
    unhurried = Unhurried(failed.append)

    def breaks() -> None:
        raise ValueError("broken")

    def works() -> None:
        called.append("works")

    unhurried.later(0.0, breaks)
    unhurried.later(0.0, works)
    unhurried.wake(asyncio.get_running_loop().time())
    assert [str(each) for each in failed] == ["broken"]
    assert called == ["works"]


async def test_who_has_been_cancelled_is_not_called() -> None:
    called: list[str] = []
    unhurried = Unhurried(lambda error: None)

    def one() -> None:
        called.append("one")

    def other() -> None:
        called.append("other")

    unhurried.later(0.0, one)
    unhurried.cancel(one)
    unhurried.later(0.0, other)
    unhurried.close()
    unhurried.wake(asyncio.get_running_loop().time() + 1)
    await asyncio.sleep(0.1)
    assert called == []

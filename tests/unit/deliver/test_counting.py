"""Open connections, counted beside the event loop: for the decider, and for people who ask."""

import asyncio
import threading
from collections.abc import Collection
from ipaddress import ip_address

import pytest

from roost.deliver import counting
from roost.deliver.counting import Counting
from roost.model.address import IPAddress
from roost.model.flow import TCP, Flow

A, B, CLIENT = (ip_address(f"192.0.2.{last}") for last in (1, 2, 9))


class Kernel:
    """A host with one connection to A: `asked` for what, in which threads; answers when `free`."""

    def __init__(self) -> None:
        self.asked: list[frozenset[IPAddress]] = []
        self.threads: set[int] = set()
        self.free = threading.Event()

    def flows_of(self, addresses: Collection[IPAddress]) -> list[Flow]:
        self.asked.append(frozenset(addresses))
        self.threads.add(threading.get_ident())
        assert self.free.wait(10)
        return [Flow(TCP, CLIENT, 40000, A, 80)] if A in addresses else []


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(counting, "flows_of", made.flows_of)
    return made


async def until_asked(kernel: Kernel, times: int) -> None:
    async with asyncio.timeout(10):
        while len(kernel.asked) < times:
            await asyncio.sleep(0.001)


async def test_who_asks_waits_for_one_count_that_does_not_hold_up_the_loop(kernel: Kernel) -> None:
    both = frozenset({A, B})
    made = Counting(lambda _: None)
    assert made.open_now(A, both) is None
    looks = [asyncio.create_task(made.look(both)) for _ in range(3)]
    await until_asked(kernel, 1)
    kernel.free.set()
    await asyncio.gather(*looks)
    assert kernel.asked == [both], "what was counted just now is as good"
    assert threading.get_ident() not in kernel.threads
    assert [made.open_now(each, both) for each in (A, B)] == [1, 0]
    assert made.open_now(A, frozenset({B})) is None, "nobody counts it any more"


async def test_an_address_that_is_lost_during_a_count_is_not_told_to_have_no_connections(
    kernel: Kernel,
) -> None:
    told: list[Collection[Flow]] = []
    made = Counting(told.append)
    made.follow(frozenset({B}))
    await until_asked(kernel, 1)
    made.follow(frozenset({A, B}))
    kernel.free.set()
    await until_asked(kernel, 2)
    async with asyncio.timeout(10):
        while not told:
            await asyncio.sleep(0.001)
    made.close()
    assert kernel.asked[:2] == [frozenset({B}), frozenset({A, B})]
    assert [each.address for each in told[0]] == [A]


async def test_what_the_kernel_does_not_say_is_no_end(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Collection[Flow]] = []
    made = Counting(told.append)
    kernel.free.set()
    await made.look(frozenset({A}))
    assert made.open_now(A, frozenset({A})) == 1

    def refused(addresses: Collection[IPAddress]) -> list[Flow]:
        kernel.asked.append(frozenset(addresses))
        raise BlockingIOError("no room for an answer")

    monkeypatch.setattr(counting, "flows_of", refused)
    made.follow(frozenset({A}))
    await until_asked(kernel, 2)
    await asyncio.sleep(0.05)
    made.close()
    assert told == []
    assert made.open_now(A, frozenset({A})) == 1

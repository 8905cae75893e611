"""A process is gone when its lifeline ends and nobody listens there any more, and only then."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from roost.membership import lifelines
from roost.membership.lifelines import Lifelines
from roost.protocols.machine import Endpoint

PEER = Endpoint("192.0.2.12", 7946)
SHORT = 0.01  # seconds between attempts in these tests


class Peer:
    """What a lifeline's other end does, one attempt after the other; after the last it holds for ever."""

    def __init__(self, *script: str) -> None:
        self.script = list(script)
        self.attempts = 0
        self.cancelled = False
        self.cut = asyncio.Event()

    async def hold(self, _target: Endpoint, established: Callable[[], None]) -> None:
        self.attempts += 1
        step = self.script.pop(0) if self.script else "hold"
        if step == "refuse":
            raise ConnectionRefusedError
        if step == "unreachable":
            raise TimeoutError
        established()
        if step == "hold":
            try:
                await self.cut.wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        if step == "hold-a-moment":
            await asyncio.sleep(SHORT * 2)
        if step == "break":
            raise ConnectionResetError


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifelines, "_RETRY", SHORT)


async def _gone(peer: Peer, attempts: int) -> list[str]:
    """Hold until `attempts` were made; who was called gone."""
    told: list[str] = []
    held = Lifelines(peer.hold, told.append, Counter())
    held.update({"n2": PEER})
    async with asyncio.timeout(10):
        while peer.attempts < attempts:
            await asyncio.sleep(0)
            await asyncio.sleep(SHORT / 10)
    held.update({})
    await asyncio.sleep(0)
    return told


@pytest.mark.parametrize("end", ["end", "break"])
async def test_an_end_and_a_closed_port_are_the_end_of_the_process(end: str) -> None:
    assert await _gone(Peer(end, "refuse"), 3) == ["n2"]


@pytest.mark.parametrize(
    "script",
    [
        ("refuse", "refuse", "refuse"),
        ("end", "hold"),
        ("break", "unreachable", "refuse"),
        ("unreachable", "refuse"),
    ],
    ids=["never held", "a firewall cut it", "out of reach in between", "never reached"],
)
async def test_anything_less_is_not(script: tuple[str, ...]) -> None:
    assert await _gone(Peer(*script), len(script) + (script[-1] != "hold")) == []


async def test_a_port_that_closes_a_moment_after_the_connections_is_noticed() -> None:
    assert await _gone(Peer("hold-a-moment", "break", "break", "refuse"), 5) == ["n2"]


async def test_it_is_told_once_and_held_again_when_the_process_is_back() -> None:
    peer = Peer("end", "refuse", "refuse", "refuse", "hold")
    assert await _gone(peer, 5) == ["n2"]


async def test_a_peer_that_is_watched_no_more_is_let_go() -> None:
    peer = Peer("hold")
    held = Lifelines(peer.hold, lambda _: None, Counter[str]())
    held.update({"n2": PEER})
    while not peer.attempts:
        await asyncio.sleep(0)
    held.update({"n2": PEER})
    await asyncio.sleep(0)
    assert (peer.attempts, peer.cancelled) == (1, False), "the same peer again changes nothing"
    held.update({})
    await asyncio.sleep(SHORT)
    assert peer.cancelled

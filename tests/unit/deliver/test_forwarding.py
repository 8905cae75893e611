"""Balancing beside the event loop: what is told, and when. The kernel's part is played."""

import asyncio
import time
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from threading import Event as Gate
from typing import Any

from tests.unit.model.builders import EVERYWHERE

from roost.decide.forwarding.backends import Key
from roost.deliver.forwarding.forwarding import Forwarding
from roost.model.check import Result
from roost.model.fitness import FIT, Fitness
from roost.model.forwarding import Backend, Forward, HealthCheck
from roost.model.service import Port, Service

VIP, GATEWAY = ip_address("192.0.2.200"), ip_address("198.51.100.254")
BACKEND = Backend(ip_address("198.51.100.1"), 8080)
HEALTH = HealthCheck("tcp", interval=0.05, timeout=0.05, rise=1, fall=1)
WEB = Service(
    "web",
    (VIP, GATEWAY),
    (EVERYWHERE,),
    deliver="forward",
    ports=(Port(80),),
    forward=Forward((BACKEND,), gateways=(GATEWAY,), health=HEALTH),
)
WELL, ILL = Result(ok=True, why="it accepts connections"), Result(ok=False, why="Connection refused")


def test_a_node_is_fit_again_only_when_its_kernel_has_the_backends(tmp_path: Path, monkeypatch: Any) -> None:
    told: list[Fitness | None] = []
    gate = Gate()
    gate.set()

    def take(fitness: Mapping[str, Fitness | None]) -> None:
        told.extend(fitness.values())

    async def scenario() -> None:
        nothing = lambda *_: None  # noqa: E731
        forwarding = Forwarding(tmp_path, changed=nothing, unwell=take, happened=nothing)
        monkeypatch.setattr(forwarding.host, "apply", lambda *_: () if gate.wait(10) else None)
        monkeypatch.setattr("roost.deliver.forwarding.checking.ask", _never)

        async def hear(*results: Result) -> None:
            for result in results:
                forwarding._heard(Key("web", BACKEND.target(80)), result, time.monotonic())
                await asyncio.sleep(0)

        await forwarding.start([WEB], (), ())
        await hear(WELL)
        await _until(lambda: told[-1] == FIT)
        gate.clear()
        await hear(ILL)
        assert told[-1] is not None
        assert not told[-1].fit, "that is told at once"
        await hear(WELL)
        await asyncio.sleep(1.2)  # other backends could have been asked meanwhile
        await hear(WELL)
        await asyncio.sleep(0.1)
        assert told[-1] is not None
        assert not told[-1].fit, "clients would be sent to where the kernel thinks the backends are"
        gate.set()
        await _until(lambda: told[-1] == FIT)
        await forwarding.stop()

    asyncio.run(scenario())


async def _never(*_: object) -> Result:
    await asyncio.sleep(3600)
    return ILL


async def _until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)

"""Waiting for the node's proxy before answering for what came by a handover."""

import asyncio
from ipaddress import ip_address

from roost.model.service import Service
from roost.speaker.forwarding import PATIENCE, Forwarding
from roost.speaker.handover import HOLD

VIP = ip_address("192.0.2.200")
WEB = Service("web", (VIP,), (), health_port=32000)


class Proxy:
    """Says of every service what it is told to say; counts what the waiting leads to."""

    def __init__(self) -> None:
        self.ready = False
        self.asked = 0
        self.changes = asyncio.Event()

    async def is_ready(self, _: Service) -> bool:
        self.asked += 1
        return self.ready

    def forwarding(self, patience: float = PATIENCE) -> Forwarding:
        return Forwarding(self.is_ready, self.changes.set, patience)


def test_the_old_leader_is_still_there_when_the_new_ones_patience_ends() -> None:
    assert PATIENCE < HOLD


async def test_an_address_is_awaited_until_the_proxy_knows_it() -> None:
    proxy = Proxy()
    forwarding = proxy.forwarding(patience=60)
    forwarding.expect(WEB, "n1")
    while proxy.asked < 2:
        assert forwarding.awaited == {VIP}
        await asyncio.sleep(0.01)
    proxy.ready = True
    await asyncio.wait_for(proxy.changes.wait(), 5)
    assert not forwarding.awaited


async def test_a_proxy_that_never_knows_it_does_not_cost_the_address() -> None:
    proxy = Proxy()
    forwarding = proxy.forwarding(patience=0.01)
    forwarding.expect(WEB, "n1")
    await asyncio.wait_for(proxy.changes.wait(), 5)
    assert not forwarding.awaited


async def test_nothing_is_awaited_once_the_old_leader_is_lost() -> None:
    forwarding = Proxy().forwarding()
    forwarding.expect(WEB, "n1")
    forwarding.release_from(lambda node: node == "n2")
    assert forwarding.awaited == {VIP}
    forwarding.release_from(lambda node: node == "n1")
    assert not forwarding.awaited


async def test_waiting_ends_with_the_lead_and_with_the_speaker() -> None:
    proxy = Proxy()
    forwarding = proxy.forwarding(patience=0.05)
    forwarding.expect(WEB, "n1")
    forwarding.release("web")
    forwarding.expect(WEB, None)
    forwarding.close()
    await asyncio.sleep(0.1)
    assert not forwarding.awaited
    assert not proxy.changes.is_set()

"""Roost and hashicorp/memberlist in one cluster: each must see of the other what its own kind would."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.interop.clusters import inject, member, roost, sees
from tests.interop.peers import GoAgent, free_port, go_agent, loopback, until

from roost.membership.cluster import Cluster
from roost.model.node import Verdict
from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.messages import Dead, Suspect
from roost.protocols.words.metadata import Metadata

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("go_binary")]

TIMERS = (
    "-probe-interval=500ms",
    "-probe-timeout=400ms",
    "-gossip-interval=20ms",
    "-push-pull-interval=2s",
)
KEY16, KEY24, KEY32 = b"k" * 16, bytes(range(24)), b"0123456789abcdef" * 2
GO_DEAD, GO_LEFT = 2, 3


@dataclass(frozen=True)
class Wire:
    """One way to talk, and how each side is told so."""

    key: bytes = b""
    label: str = ""
    compress: bool = True

    @property
    def flags(self) -> tuple[str, ...]:
        keys = (f"-keys={self.key.hex()}",) if self.key else ()
        return (*TIMERS, *keys, f"-label={self.label}", f"-compress={str(self.compress).lower()}")

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "keys": (self.key,) if self.key else (),
            "label": self.label.encode(),
            "compress": self.compress,
        }


WIRES = {
    "plain": Wire(),
    "uncompressed": Wire(compress=False),
    "label": Wire(label="roost"),
    "key16": Wire(KEY16),
    "key24": Wire(KEY24),
    "key32": Wire(KEY32),
    "key32-label": Wire(KEY32, "roost"),
    "key16-label-uncompressed": Wire(KEY16, "another", compress=False),
}
every_wire = pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)


async def _meet(node: Cluster, agent: GoAgent) -> None:
    await agent.saw("join", node.name)
    await sees(node, agent.name, Verdict.ALIVE)


def _own(node: Cluster) -> Endpoint:
    assert node.endpoint is not None
    return node.endpoint


def _incarnation(node: Cluster, name: str) -> int:
    held = member(node, name)
    assert held is not None
    return held.incarnation


@every_wire
async def test_both_live_together_and_part_in_peace(wire: Wire) -> None:
    metadata = Metadata(labels={"zone": "a"}, macs=(b"\x02\0\0\0\0\1",))
    async with go_agent("g", *wire.flags, "-meta=from go") as agent:
        async with roost("r", join=[agent.target], metadata=metadata, **wire.settings) as node:
            await _meet(node, agent)
            assert node.settled
            assert agent.about("join", "r")[-1]["addr"] == str(node.endpoint)
            await asyncio.sleep(2.5)  # several probes each way, a push/pull of each
            node.describe(Metadata(labels={"zone": "b"}))
            assert '"zone":"b"' in (await agent.saw("update", "r"))["meta"]
            changes = node.changes
            await agent.command("meta changed")
            await until(lambda: node.changes > changes, "Roost hears of the agent's new metadata")
            assert (await agent.members())["r"]["state"] == 0
            assert await node.leave(5)
            await agent.saw("leave", "r")
        assert not agent.about("conflict", "r")
        assert agent.complaints == []
        assert node.faults == ()
        assert len(agent.about("leave", "r")) == 1
        assert (await agent.command("members"))["health"] == 0
        assert node.local_health == 0


@every_wire
async def test_who_is_killed_is_seen_dead_by_the_other(wire: Wire) -> None:
    async with (
        roost("r", **wire.settings) as node,
        go_agent("g", *wire.flags, f"-join={node.endpoint}") as agent,
    ):
        await _meet(node, agent)
        await agent.kill()
        assert "no ack" in (await sees(node, "g", Verdict.DEAD)).evidence
    async with go_agent("g", *wire.flags) as agent:
        async with roost("r", join=[agent.target], **wire.settings) as node:
            await _meet(node, agent)
        await agent.saw("leave", "r")


@pytest.mark.parametrize("accusation", [Suspect, Dead])
@pytest.mark.parametrize("wire", [WIRES["plain"], WIRES["key32-label"]], ids=["plain", "key32-label"])
async def test_both_refute_what_is_said_of_them(wire: Wire, accusation: type[Suspect] | type[Dead]) -> None:
    label, keys = wire.label.encode(), (wire.key,) if wire.key else ()
    async with go_agent("g", *wire.flags) as agent, roost("r", join=[agent.target], **wire.settings) as node:
        await _meet(node, agent)
        before = _incarnation(node, "g")
        about_go = accusation(before, "g", "somebody")
        about_roost = accusation(_incarnation(node, "r"), "r", "somebody")
        inject(_own(node), about_go, label=label, keys=keys)
        await until(lambda: _incarnation(node, "g") > before, "the agent refutes")
        await sees(node, "g", Verdict.ALIVE)
        inject(Endpoint(agent.address, agent.port), about_roost, label=label, keys=keys)
        await until(lambda: _incarnation(node, "r") > about_roost.incarnation, "Roost refutes")
        if accusation is Dead:  # believed at once, then taken back
            await agent.saw("join", "r", times=2)
        await asyncio.sleep(1.5)  # as long as a suspicion could live
        assert (await agent.members())["r"]["state"] == 0
        await sees(node, "g", Verdict.ALIVE)


async def test_go_that_leaves_is_leaving_and_comes_back() -> None:
    async with roost("r") as node, go_agent("g", *TIMERS, f"-join={node.endpoint}") as agent:
        await _meet(node, agent)
        await agent.command("leave")
        await sees(node, "g", Verdict.LEAVING)
        await agent.kill()
        async with go_agent("g", *TIMERS, f"-join={node.endpoint}"):  # another address: allowed after leaving
            await sees(node, "g", Verdict.ALIVE)


async def test_keys_are_rotated_without_a_gap() -> None:
    old, new = KEY16, KEY32
    async with (
        go_agent("g", *TIMERS, f"-keys={old.hex()}") as agent,
        roost("r", join=[agent.target], keys=(old,)) as node,
    ):
        await _meet(node, agent)
        node.set_keys((old, new))
        await agent.command(f"addkey {new.hex()}")
        await agent.command(f"usekey {new.hex()}")
        await asyncio.sleep(1)
        node.set_keys((new, old))
        await asyncio.sleep(1)
        node.set_keys((new,))
        await agent.command(f"removekey {old.hex()}")
        await asyncio.sleep(2.5)
        assert node.faults == ()
        assert agent.complaints == []
        assert not agent.about("leave", "r")
        await sees(node, "g", Verdict.ALIVE)


async def test_ipv6() -> None:
    go_port, port = free_port("::1"), free_port("::1")
    async with (
        go_agent("g", *TIMERS, address="::1", port=go_port) as agent,
        roost("r", host="::1", port=port, join=[agent.target]) as node,
    ):
        await _meet(node, agent)
        await asyncio.sleep(1)
        assert agent.about("join", "r")[-1]["addr"] == f"[::1]:{port}"
        assert await node.leave(5)
        await agent.saw("leave", "r")
        assert agent.complaints == []
        assert node.faults == ()


async def test_three_of_each_agree() -> None:
    async with (
        roost("r1") as first,
        roost("r2", join=[str(first.endpoint)]) as second,
        roost("r3", join=[str(first.endpoint)]) as third,
        go_agent("g1", *TIMERS, f"-join={first.endpoint}") as g1,
        go_agent("g2", *TIMERS, f"-join={second.endpoint}") as g2,
        go_agent("g3", *TIMERS, f"-join={third.endpoint}") as g3,
    ):
        for node in (first, second, third):
            for name in ("r1", "r2", "r3", "g1", "g2", "g3"):
                await sees(node, name, Verdict.ALIVE)
        await asyncio.sleep(1)
        for agent in (g1, g2, g3):
            assert len(await agent.members()) == 6
            assert agent.complaints == []
        await g3.kill()
        for node in (first, second, third):
            await sees(node, "g3", Verdict.DEAD)
        await g1.saw("leave", "g3")


@pytest.mark.parametrize(
    "wrong", [Wire(KEY24), Wire(KEY32, "other"), Wire(KEY32), Wire(label="roost"), Wire()], ids=str
)
async def test_another_cluster_stays_another_cluster(wrong: Wire, go_binary: Path) -> None:
    right = WIRES["key32-label"]
    host = loopback()
    async with roost("r", host=host, **right.settings) as node, go_agent("g", *wrong.flags) as agent:
        with pytest.raises(AssertionError, match="join"):
            await agent.command(f"join {node.endpoint}")
        inject(
            _own(node),
            Dead(1, "r", "g"),
            label=wrong.label.encode(),
            keys=(wrong.key,) if wrong.key else (),
        )
        await until(lambda: node.counters["fault_bad_packet"], "the packet is counted")
        assert node.counters["streams_faulty"] >= 1
        assert [each.name for each in node.members()] == ["r"]
        assert _incarnation(node, "r") == 1


async def test_garbage_and_replays_cost_only_counters() -> None:
    wire = WIRES["key32-label"]
    label = wire.label.encode()
    async with (
        go_agent("g", *wire.flags) as agent,
        roost("r", join=[agent.target], **wire.settings) as node,
    ):
        await _meet(node, agent)
        target = _own(node)
        for raw in (
            b"\xf4",
            b"\xf4\x05roost",
            b"\xf4\x05roost\x01" + bytes(40),
            bytes(65_000),
            b"\xff" * 1400,
        ):
            inject(target, raw=raw)
        await until(lambda: node.counters["fault_bad_packet"] >= 5, "garbage is counted")
        accusation = inject(target, Suspect(1, "r", "g"), label=label, keys=(wire.key,))
        await until(lambda: _incarnation(node, "r") == 2, "Roost refutes once")
        for _ in range(50):
            inject(target, raw=accusation)
        await asyncio.sleep(1)
        assert _incarnation(node, "r") == 2
        await sees(node, "g", Verdict.ALIVE)
        assert not agent.about("leave", "r")
        assert [fault.kind for fault in node.faults] == ["bad-packet"]

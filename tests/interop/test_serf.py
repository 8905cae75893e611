"""Serf, which speaks memberlist below a protocol of its own: user messages, tags in the metadata."""

import asyncio

import pytest
from tests.interop.clusters import roost, sees
from tests.interop.peers import SerfAgent, serf_agent, until

from roost.membership.cluster import Cluster
from roost.model.node import Verdict
from roost.protocols.memberlist.messages import Versions
from roost.protocols.words.metadata import Metadata

pytestmark = pytest.mark.interop

AS_SERF = Versions(1, 5, 2, 2, 5, 4)  # Serf's own delegate versions: it refuses members outside of them


async def _listed(agent: SerfAgent, node: Cluster) -> str:
    lines = (await agent.run("members")).splitlines()
    return next((line for line in lines if line.startswith(node.name)), "")


async def test_serf_counts_a_roost_node_among_its_members() -> None:
    async with (
        serf_agent("s") as agent,
        roost("r", join=[agent.target], versions=AS_SERF, metadata=Metadata(labels={"zone": "a"})) as node,
    ):
        await until(lambda: "EventMemberJoin: r" in agent.log, "Serf sees it join")
        held = await sees(node, "s", Verdict.ALIVE)
        assert held.metadata.version == "", "tags are no metadata of ours"
        await agent.run("event", "deploy", "payload")
        await agent.run("tags", "-set=role=other")
        await asyncio.sleep(2)
        assert " alive " in await _listed(agent, node)
        assert node.faults == ()
        assert "[WARN]" not in agent.log
        assert "[ERR]" not in agent.log
        assert await node.leave(5)
        # Serf takes a member that leaves memberlist without Serf's own farewell for failed.
        await until(lambda: "EventMemberFailed: r" in agent.log, "Serf sees it go")


async def test_serf_that_is_killed_is_dead() -> None:
    async with serf_agent("s") as agent, roost("r", join=[agent.target], versions=AS_SERF) as node:
        await sees(node, "s", Verdict.ALIVE)
        agent.process.kill()
        await sees(node, "s", Verdict.DEAD)


async def test_serf_that_leaves_is_leaving() -> None:
    async with serf_agent("s") as agent, roost("r", join=[agent.target], versions=AS_SERF) as node:
        await sees(node, "s", Verdict.ALIVE)
        await agent.run("leave")
        await sees(node, "s", Verdict.LEAVING)


async def test_serf_that_refuses_us_costs_nothing() -> None:
    """Without its delegate versions Serf refuses to merge; Roost goes on and may hear of it."""
    async with serf_agent("s") as agent, roost("r", join=[agent.target]) as node:
        await until(lambda: "delegate protocol version" in agent.log, "Serf says why")
        assert [each.name for each in node.members() if each.name == "r"] == ["r"]

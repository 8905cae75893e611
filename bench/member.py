"""One Roost member as its own process: `python -m bench.member NAME ADDRESS PROFILE [JOIN]`.

Prints a JSON line for every change of a member, and its counters at the end, which is the end of stdin.
"""

import asyncio
import contextlib
import json
import sys
import time

from roost.decide.join_target import parse_target
from roost.membership.cluster import Cluster, Listener
from roost.model.node import Verdict
from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.profile import PROFILES

PORT = 17946
_RETRY = 0.5  # seconds between attempts to join, while alone


async def _run(name: str, address: str, profile: str, join: list[str]) -> None:
    known: dict[str, Verdict] = {}

    def tell() -> None:
        for member in cluster.members():
            if known.get(member.name) is member.verdict:
                continue
            known[member.name] = member.verdict
            line = {
                "time": time.time(),
                "member": member.name,
                "verdict": member.verdict.value,
                "evidence": member.evidence,
            }
            print(json.dumps(line), flush=True)

    async def join_all() -> None:
        targets = [target for text in join if (target := parse_target(text).endpoint) is not None]
        while len(known) < 2 and targets:
            cluster.join(targets)
            await asyncio.sleep(_RETRY)

    cluster = Cluster(
        name,
        bind=Endpoint(address, PORT),
        profile=PROFILES[profile],
        listener=Listener(members=tell),
    )
    await cluster.start()
    joining = asyncio.create_task(join_all())
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    joining.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await joining
    print(json.dumps({"counters": dict(cluster.counters), "health": cluster.local_health}), flush=True)
    await cluster.stop()


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]))

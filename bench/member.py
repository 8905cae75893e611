"""One Roost member as its own process: `python -m bench.member NAME ADDRESS PROFILE [JOIN]`.

Prints a JSON line for every change of a member, and its counters at the end, which is the end of stdin.
"""

import asyncio
import json
import sys
import time

from roost.membership.cluster import Cluster
from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.profile import PROFILES

PORT = 17946


async def _run(name: str, address: str, profile: str, join: list[str]) -> None:
    def tell(names: frozenset[str]) -> None:
        held = cluster.candidates()
        for changed in names & held.keys():
            candidate = held[changed]
            line = {
                "time": time.time(),
                "member": changed,
                "verdict": candidate.verdict.value,
                "evidence": candidate.evidence,
            }
            print(json.dumps(line), flush=True)

    cluster = Cluster(
        name, bind=Endpoint(address, PORT), profile=PROFILES[profile], join=join, on_change=tell
    )
    await cluster.start()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    print(json.dumps({"counters": dict(cluster.counters), "health": cluster.local_health}), flush=True)
    await cluster.stop()


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]))

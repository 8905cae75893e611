"""Which nodes watch which: stateless like the election, so that all agree on it without a message.

The nodes stand on a ring in the order of their names' hashes, and each is watched by the next ones. So a
node watches as many as watch it, however large the cluster is. The nearest of its witnesses asks a node
often, the others follow.
"""

from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Final

__all__ = ["WITNESSES", "duties", "nearer"]

WITNESSES: Final = 3  # of each node


def duties(me: str, nodes: Collection[str], count: int = WITNESSES) -> dict[str, frozenset[str]]:
    """Return whom of `nodes`, itself one of them, `me` watches, each with its other witnesses."""
    ring = sorted(set(nodes), key=lambda node: (sha256(node.encode()).digest(), node))
    if me not in ring:
        return {}
    at, size = ring.index(me), len(ring)
    count = min(count, size - 1)
    return {
        ring[at - back]: frozenset(ring[(at - back + step) % size] for step in range(1, count + 1)) - {me}
        for back in range(1, count + 1)
    }


def nearer(watched: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Return which witnesses are nearer to whom than the node whose `duties` these are.

    They are among those that it watches itself: the nodes between the subject and itself.
    """
    names = list(watched)  # the nearest first
    return {name: frozenset(names[:at]) & watched[name] for at, name in enumerate(names)}

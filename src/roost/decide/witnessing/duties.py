"""Which nodes watch which: stateless like the election, so that all agree on it without a message.

The nodes stand on a ring in the order of their names' hashes, and each is watched by the next ones. So a
node watches as many as watch it, however large the cluster is. The nearest of its witnesses asks a node
often, the others follow.
"""

from collections.abc import Collection, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Final

__all__ = ["WITNESSES", "duties", "nearer", "witnesses"]

WITNESSES: Final = 3  # of each node


def duties(me: str, nodes: Collection[str], count: int = WITNESSES) -> dict[str, frozenset[str]]:
    """Return whom of `nodes`, itself one of them, `me` watches, each with its other witnesses."""
    ring = _ring(nodes)
    if me not in ring:
        return {}
    at = ring.index(me)
    return {
        ring[at - back]: _next(ring, at - back, count) - {me}
        for back in range(1, min(count, len(ring) - 1) + 1)
    }


@lru_cache(4096)  # asked for each address that is shared
def witnesses(name: str, nodes: frozenset[str] | tuple[str, ...], count: int = WITNESSES) -> frozenset[str]:
    """Return which of `nodes`, itself one of them, watch `name`."""
    ring = _ring(nodes)
    return _next(ring, ring.index(name), count) if name in ring else frozenset()


def nearer(watched: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Return which witnesses are nearer to whom than the node whose `duties` these are.

    They are among those that it watches itself: the nodes between the subject and itself.
    """
    names = list(watched)  # the nearest first
    return {name: frozenset(names[:at]) & watched[name] for at, name in enumerate(names)}


def _ring(nodes: Collection[str]) -> list[str]:
    return sorted(set(nodes), key=lambda node: (sha256(node.encode()).digest(), node))


def _next(ring: list[str], at: int, count: int) -> frozenset[str]:
    size = len(ring)
    return frozenset(ring[(at + step) % size] for step in range(1, min(count, size - 1) + 1))

"""Endpoints on dead nodes: traffic is still sent there, wherever the address is."""

from collections.abc import Mapping
from typing import Final

from roost.model.node import Verdict
from roost.speaker.speaker import Speaker

__all__ = ["dead_ends"]

_DEAD: Final = frozenset({Verdict.DEAD, Verdict.UNREACHABLE})


def dead_ends(speaker: Speaker) -> Mapping[str, str]:
    """Return the services with endpoints on dead nodes, and what that means for each."""
    election = speaker.decider.state.election
    dead = {name for name, each in election.candidates.items() if each.verdict in _DEAD}
    found: dict[str, str] = {}
    for name, ranking in election.rankings.items() if dead else ():
        serving = speaker.source.serving_nodes(ranking.service.known_as) or frozenset()
        where = ", ".join(sorted(serving & dead))
        if where and serving <= dead:
            found[name] = f"no endpoint is left on a living node, all are on {where}"
        elif where:
            found[name] = (
                f"endpoints on {where} get their share of the connections and cannot serve, until the "
                "control plane takes them out"
            )
    return found

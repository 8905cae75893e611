"""Drains: work that goes on is a note; one that is done and stands is a problem: it may be forgotten."""

from collections.abc import Iterator

from roost.speaker.problem_kinds import Problem
from roost.speaker.speaker import Speaker

__all__ = ["own_drain", "peers_drains"]


def own_drain(speaker: Speaker, *, stands: bool) -> Iterator[Problem]:
    """Tell of this node's drain if it stands, or if it does not yet."""
    drain = speaker.decider.state.drain
    if drain.draining and drain.stands is stands:
        yield _drained("this node", speaker.name)


def peers_drains(speaker: Speaker, *, stands: bool) -> Iterator[Problem]:
    """Tell of peers' drains that stand, or that do not yet, by their own word."""
    for member in speaker.decider.state.members:
        told = member.metadata
        if member.name != speaker.name and told.draining and told.drain_stands is stands:
            yield _drained(member.name, member.name)


def _drained(who: str, node: str) -> Problem:
    undo = f"`roost drain {node} --undo` when the work there is done"
    return Problem("draining", f"{who} is drained: it leads only what no other node can", undo)

"""Which part each node has of what is shared, as this node sees it."""

from collections.abc import Mapping

from roost.model.ranking import Ranking
from roost.speaker.speaker import Speaker

__all__ = ["mute", "parts"]


def parts(speaker: Speaker, ranking: Ranking) -> Mapping[str, float]:
    """Return which part of all askers, or of new connections, each node has; empty where one has all."""
    if not ranking.weights:
        return {}
    decider = speaker.decider
    lead = decider.state.plan.lead(ranking.service.addresses[0])
    return decider.spreading.parts(lead) if lead.takers else decider.state.plan.shares.parts(lead)


def mute(speaker: Speaker, ranking: Ranking) -> list[str]:
    """Return who shares the service and does not answer, so that others stand in."""
    shares = speaker.decider.state.plan.shares
    return sorted({name for each in ranking.service.addresses for name in shares.mute(each)})

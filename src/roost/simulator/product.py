"""The decider that speakers run, for the simulator."""

from roost.decide.decider import Decider
from roost.decide.join_target import parse_target
from roost.decide.settings import DeciderSettings
from roost.protocols.machine import Randomness
from roost.protocols.memberlist.profile import PROFILES
from roost.protocols.witness.timing import TIMINGS
from roost.simulator.seams import DecidingMachine, NodeFacts

__all__ = ["make_decider"]


def make_decider(facts: NodeFacts, random: Randomness) -> DecidingMachine:
    """Return the product's decider of one node, set up as a speaker sets it up."""
    profile = PROFILES[facts.profile]
    settings = DeciderSettings(
        node=facts.name,
        bind=facts.endpoint,
        join=tuple(parse_target(str(each)) for each in facts.join),
        timing=TIMINGS.get(facts.profile),
        settle_time=profile.settle_time,
        rejoin_interval=profile.rejoin_interval,
    )
    return Decider(settings, random)

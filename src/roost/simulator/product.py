"""The decider that speakers run, for the simulator."""

from importlib import import_module
from typing import Any

from roost.protocols.machine import Randomness
from roost.protocols.memberlist.profile import PROFILES
from roost.protocols.witness.machine import TIMINGS
from roost.simulator.seams import DecidingMachine, NodeFacts

__all__ = ["make_decider"]


def make_decider(facts: NodeFacts, random: Randomness) -> DecidingMachine:
    """Return the product's decider of one node. Raises ModuleNotFoundError until it has landed."""
    module: Any = import_module("roost.decide.decider")
    assert facts.profile in PROFILES  # noqa: S101 - the command line offers no other
    settings = module.DeciderSettings(
        node=facts.name, profile=facts.profile, timing=TIMINGS.get(facts.profile), join=facts.join
    )
    decider: DecidingMachine = module.Decider(settings, random)
    return decider

"""The product's decider with one rule broken: a campaign that does not find it would find nothing.

Nothing is copied: each mutant is the real decider, in whose parts one method is replaced.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from roost.decide.decider import Decider
from roost.protocols.machine import Randomness
from roost.simulator.product import make_decider
from roost.simulator.seams import DecidingMachine, MakeDecider, NodeFacts

__all__ = ["MUTANTS", "mutant"]

_FOR_EVER: Final = 1e9  # seconds


def mutant(name: str) -> MakeDecider:
    """Return what makes deciders with the rule `name` broken."""
    breaks = MUTANTS[name]

    def make(facts: NodeFacts, random: Randomness) -> DecidingMachine:
        decider = make_decider(facts, random)
        assert isinstance(decider, Decider)
        breaks(decider)
        return decider

    return make


def _replace(part: object, **methods: Callable[..., Any]) -> None:
    for name, method in methods.items():
        assert callable(getattr(part, name)), "it breaks what is not there"
        setattr(part, name, method)


def _nothing(*_: object, **__: object) -> None:
    return None


def _no(*_: object, **__: object) -> bool:
    return False


def _no_hold(decider: Decider) -> None:
    _replace(decider.state.handover, pass_on=_nothing)


def _no_damping(decider: Decider) -> None:
    _replace(decider.state.standing, lost=_nothing)


def _no_yielding(decider: Decider) -> None:
    _replace(decider.state.yielding, heard=_no)


def _no_lease(decider: Decider) -> None:
    """It answers for long after it was frozen, and asks nobody when it runs again."""
    lease = decider.state.lease
    lease._duration = _FOR_EVER
    _replace(lease, valid=lambda _: True)


def _one_witness(decider: Decider) -> None:
    for machine in decider.state.watch._machines:
        _replace(machine._jury, agreement=lambda *_: "nobody was asked")


def _no_asking(decider: Decider) -> None:
    _replace(decider.state.asking, begin=_nothing, begin_anew=_nothing)


def _no_standing_in(decider: Decider) -> None:
    _replace(decider.state.succession, expect=_nothing, stand_in=_nothing)


def _no_fitness(decider: Decider) -> None:
    """It tells how fit it is, and elects as if it had not heard of anybody's fitness."""
    _replace(decider.state.tracking, news=dict)


def _no_patrol(decider: Decider) -> None:
    _replace(decider.state.patrol, doubt=_nothing, look_again=_nothing, hurry=_nothing)


def _no_isolation(decider: Decider) -> None:
    isolation = decider.state.isolation
    _replace(isolation, plug=_no, heard=_no, accused=_nothing, look=_no, wonders=_no)


def _no_hush(decider: Decider) -> None:
    """It goes on claiming what it took over a moment before it heard nobody any more."""
    _replace(decider.state.announcing, hush=_nothing)


MUTANTS: Final[Mapping[str, Callable[[Decider], None]]] = MappingProxyType(
    {
        "no hold at a handover": _no_hold,
        "no damping": _no_damping,
        "no yielding": _no_yielding,
        "no lease": _no_lease,
        "one witness suffices": _one_witness,
        "no asking": _no_asking,
        "no standing in": _no_standing_in,
        "no patrol": _no_patrol,
        "no isolation": _no_isolation,
        "no fitness": _no_fitness,
        "no hush": _no_hush,
    }
)

"""Peers that were declared dead and may come back: each is asked for now and then. Pure.

Their return is seen on the wire at once, long before a timer tries to join them again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

__all__ = ["LostPeers"]

_LIMIT: Final = 4  # peers asked for; those lost longest ago give way
_SILENT: Final = 2  # questions without an answer before an answer is a return

T = TypeVar("T")


@dataclass(slots=True)
class _Lost(Generic[T]):
    target: T
    unanswered: int = 0


class LostPeers(Generic[T]):
    """The peers lost last, each with the `T` that says how to ask for it."""

    def __init__(self) -> None:
        self._lost: dict[str, _Lost[T]] = {}

    @property
    def targets(self) -> dict[str, T]:
        """How to ask for each, by name."""
        return {name: lost.target for name, lost in self._lost.items()}

    def lost(self, name: str, target: T, *, silent: bool = False) -> None:
        """Ask for `name` from now on; `silent`: its host was found to be, else it may never have been."""
        if name not in self._lost:
            self._lost[name] = _Lost(target, _SILENT if silent else 0)
            if len(self._lost) > _LIMIT:
                del self._lost[next(iter(self._lost))]

    def found(self, names: Iterable[str]) -> None:
        """Ask no more for `names`: they are members again, or have left."""
        for name in names:
            self._lost.pop(name, None)

    def answered(self, name: str) -> bool:
        """Take an answer; tells whether the peer has come back, having been silent."""
        lost = self._lost.get(name)
        if lost is None:
            return False
        was_silent, lost.unanswered = lost.unanswered >= _SILENT, 0
        return was_silent

    def is_heard(self, name: str) -> bool:
        """Tell whether `name` is asked for and answers."""
        lost = self._lost.get(name)
        return lost is not None and lost.unanswered < _SILENT

    def round(self) -> Iterator[T]:
        """Yield whom to ask now; each is silent until it answers."""
        for lost in self._lost.values():
            lost.unanswered += 1
            yield lost.target

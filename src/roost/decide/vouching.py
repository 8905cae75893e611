"""Members that SWIM suspects and that are heard on the LAN: the suspicion waits, and says so. Pure.

A blocked gossip port is no death. A process that answers for an address lives, for as long as it does; of one
that leads nothing only its host is heard, which is worth some seconds.
"""

from collections.abc import Iterable
from typing import Final

from roost.decide.effects import Vouch
from roost.decide.members import ClusterMember
from roost.decide.witnessing.watch import Watch
from roost.model.node import Verdict

__all__ = ["Vouching"]

_INTERVAL: Final = 0.15  # seconds
_FOR: Final = 0.5  # seconds that one look is worth
_HOST_ALONE: Final = 10.0  # seconds for which hearing the host is enough


class Vouching:
    """Looks at suspects again and again; times are seconds."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._suspects: dict[str, float] = {}  # -> since when
        self._due: float | None = None

    def follow(self, members: Iterable[ClusterMember], now: float) -> None:
        """Take who is suspected now."""
        self._suspects = {each.name: each.since for each in members if each.verdict is Verdict.SUSPECT}
        self._due = min(self._due or now, now) if self._suspects else None

    def wake(self, now: float) -> list[Vouch]:
        """Vouch for those that are heard."""
        if self._due is None or now < self._due:
            return []
        self._due = now + _INTERVAL
        found = ((name, self._why(name, since, now)) for name, since in self._suspects.items())
        return [Vouch(name, _FOR, why) for name, why in found if why]

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None while nobody is suspected."""
        return self._due

    def _why(self, name: str, since: float, now: float) -> str:
        heard = self._watch.evidence(name, now)
        if not heard.kernel or heard.process is False:
            return ""
        if heard.process:
            return "it answers on the LAN for its own address and for one that it leads"
        return "its host answers on the LAN" if now - since < _HOST_ALONE else ""

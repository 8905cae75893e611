"""The members of the cluster as the decider wants them: SWIM's states, and why somebody is called dead.

memberlist's message of a death has no room for evidence; witnesses tell that beside it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from roost.model.node import Verdict
from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.members import Member
from roost.protocols.memberlist.messages import Status
from roost.protocols.words.metadata import Metadata, parse
from roost.protocols.words.verdict import Ground

__all__ = ["ClusterMember", "Roster"]

_VERDICTS: Final = MappingProxyType(
    {
        Status.ALIVE: Verdict.ALIVE,
        Status.SUSPECT: Verdict.SUSPECT,
        Status.DEAD: Verdict.DEAD,
        Status.LEFT: Verdict.LEAVING,
    }
)
_SAME_TIME: Final = 5.0  # seconds between a verdict and its grounds, either way


@dataclass(frozen=True, slots=True)
class ClusterMember:
    """One member; `since` is when its verdict began (the machine's scale, seconds).

    `endpoint` is None for the only member of a cluster without membership.
    """

    name: str
    endpoint: Endpoint | None
    verdict: Verdict
    since: float
    incarnation: int
    evidence: str
    metadata: Metadata

    @property
    def is_roost(self) -> bool:
        """Whether it takes part and runs Roost."""
        return self.verdict.active and bool(self.metadata.version)

    def wants_others(self, digest: str) -> bool:
        """Tell whether it wants other services than those with this digest, as far as it has said."""
        return self.metadata.digest not in ("", digest)


class Roster:
    """Grounds of verdicts, remembered as long as SWIM remembers the member."""

    def __init__(self) -> None:
        self._grounds: dict[str, tuple[Ground, float]] = {}  # -> when it was heard

    def note(self, ground: Ground, members: Mapping[str, Member], now: float) -> bool:
        """Remember why a member is called dead; tells whether that is news: it is said several times.

        The verdict itself comes by memberlist's own message.
        """
        known, when = self._grounds.get(ground.subject, (None, 0.0))
        same = known is not None and known.verdict is ground.verdict and now - when < _SAME_TIME
        if same or ground.subject not in members:
            return False
        self._grounds = {name: each for name, each in self._grounds.items() if name in members}
        self._grounds[ground.subject] = (ground, now)
        return True

    def members(self, members: Iterable[Member]) -> tuple[ClusterMember, ...]:
        """Return every member, by name; grounds of who has come back since are forgotten."""
        found = sorted(members, key=lambda each: each.name)
        for member in found:
            _, when = self._grounds.get(member.name, (None, 0.0))
            if member.status is Status.ALIVE and member.since > when:
                self._grounds.pop(member.name, None)  # the next death has grounds of its own
        return tuple(map(self._describe, found))

    def _describe(self, member: Member) -> ClusterMember:
        verdict, evidence = _VERDICTS[member.status], member.evidence
        ground, when = self._grounds.get(member.name, (None, 0.0))
        if ground is not None and member.status is Status.DEAD and abs(when - member.since) < _SAME_TIME:
            verdict, evidence = ground.verdict, ground.evidence
        return ClusterMember(
            member.name,
            member.endpoint,
            verdict,
            member.since,
            member.incarnation,
            evidence,
            parse(member.meta),
        )

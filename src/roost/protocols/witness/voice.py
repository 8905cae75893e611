"""What one kind of question has got from one host: the last answer, and what stayed unanswered. Pure."""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from typing import Final

__all__ = ["PROVEN", "ProbeKind", "Voice"]

PROVEN: Final = 3  # answers before silence means anything: some hosts never answer
_GAP_HALF_LIFE: Final = 5.0  # seconds
_PENDING_LIMIT: Final = 64  # unanswered questions remembered; more say no more


class ProbeKind(Enum):
    """How a host is asked for its own address."""

    ARP = "address resolution"  # ARP or Neighbor Solicitation: fabrics may answer for the host, or limit it
    ECHO = "ICMP echo"  # only the host itself answers

    __hash__ = object.__hash__  # Enum's own is a Python function, and these are keys on the hottest path


@dataclass(slots=True)
class Voice:
    """Times are seconds on the machine's scale; `heard` is the last answer, or when the watch began."""

    heard: float
    due: float  # the next question
    answers: int = 0
    proof: int = PROVEN  # answers that it takes
    gap: float = 0.0  # the longest silence of late that ended with an answer, seconds
    pending: deque[float] = field(default_factory=lambda: deque(maxlen=_PENDING_LIMIT))

    @property
    def proven(self) -> bool:
        """Whether the host answers this kind, so that silence would mean something."""
        return self.answers >= self.proof

    def ask(self, now: float) -> None:
        """Take that the host was asked."""
        self.pending.append(now)

    def answered(self, at: float, slack: float) -> bool:
        """Take an answer; False for one older than the last. `slack` as in `silent_since`."""
        if at < self.heard:
            return False
        pending = self.pending
        if self.proven:
            gap = max(0.0, at - self.silent_since(slack))
            self.gap = max(gap, self.gap * 0.5 ** ((at - self.heard) / _GAP_HALF_LIFE))
        self.answers += 1
        self.heard = at
        while pending and pending[0] <= at:
            pending.popleft()
        return True

    def spared(self, at: float) -> None:
        """Let silence count from `at`, without an answer."""
        self.heard = max(self.heard, at)
        while self.pending and self.pending[0] <= at:
            self.pending.popleft()

    def lost(self, before: float) -> int:
        """Count the questions since the last answer that were asked at `before` or earlier."""
        lost = 0
        for sent in self.pending:  # the oldest first
            if sent > before:
                break
            lost += 1
        return lost

    def silent_since(self, slack: float, missed: float = inf) -> float:
        """Return when silence began: at the last answer, at most `slack` seconds before a question.

        Who is asked rarely is not silent between two questions; `missed` is when somebody else has asked in
        vain.
        """
        return max(self.heard, min(self.pending[0], missed) - slack) if self.pending else inf

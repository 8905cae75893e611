"""One backend of a service as this node sees it: asked again and again, up or down, and usable or not."""

from dataclasses import dataclass
from typing import Final, Literal

from roost.model.check import Result
from roost.model.forwarding import Backend, Forward, HealthCheck, Target
from roost.protocols.health import Health

__all__ = ["BackendState", "Key"]

_NOT_ASKED: Final = "not asked yet"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """A backend of a service; `target` is where it is asked."""

    service: str
    target: Target


class BackendState:
    """Follows a backend; `since` is when it came to its state, in the caller's seconds."""

    def __init__(self, backend: Backend, check: HealthCheck | None, now: float, *, up: bool | None) -> None:
        self.backend = backend
        self.since = now
        self.why = _NOT_ASKED if check else ""
        self.ill_at = float("-inf")  # when it was asked last and turned out ill
        self._check = check
        self._health = _machine(check, up)

    @property
    def state(self) -> Literal["up", "down", "unknown", "unchecked"]:
        """What is known of it."""
        if self._check is None:
            return "unchecked"
        if self._health.up is None:
            return "unknown"
        return "up" if self._health.up else "down"

    @property
    def up(self) -> bool | None:
        """Whether it is well, None before that is known."""
        return self._health.up if self._check else None

    @property
    def usable(self) -> bool:
        """Whether new clients may get it: one that is not known yet may, unless it has to prove itself."""
        return self.backend.weight > 0 and self.state != "down"

    @property
    def judged(self) -> bool:
        """Whether it has shown how it is: one that has to prove itself is down before anybody has asked."""
        return self.state == "up" or self.ill_at > float("-inf") or not (self._check and self._check.alpha)

    @property
    def rising(self) -> bool:
        """Whether it is down, and was well when it was asked last."""
        return self.state == "down" and self._health.streak > 0

    def want(self, backend: Backend, forward: Forward, now: float) -> None:
        """Take another weight, or another way to be asked, which keeps what is known."""
        self.backend = backend
        if forward.health == self._check:
            return
        begins, self._check = self._check is None, forward.health
        self._health = _machine(self._check, None if begins else self._health.up)
        if begins or self._check is None:
            self.since, self.why = now, _NOT_ASKED if self._check else ""

    def take(self, result: Result, asked: float, now: float) -> bool:
        """Take the result of a check that began at `asked`; tells whether it came to another state."""
        if not result.ok:
            self.ill_at = asked
        changed = self._health.take(result.ok)
        if changed:
            self.since = now
        if result.ok == self._health.up:
            self.why = result.why
        return changed


def _machine(check: HealthCheck | None, up: bool | None) -> Health:  # noqa: FBT001 - what is known
    if check is None:
        return Health()
    return Health(check.rise, check.fall, False if up is None and check.alpha else up)

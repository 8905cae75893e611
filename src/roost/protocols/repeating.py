"""When to say again what has changed: a message that is lost must cost moments. Pure."""

from typing import Final

__all__ = ["Repeating"]

# Seconds between two words after a change, the last again and again. The first come before anybody takes a
# peer for hung that has not heard one; then close together: clients wait for one that was deaf.
_AGAIN: Final = (*[0.05] * 6, *[0.1] * 3, 0.4, 1.0, 2.0)


class Repeating:
    """One word's repetitions; times are seconds."""

    def __init__(self) -> None:
        self._said = 0  # times since the change
        self._next: float | None = None

    @property
    def often(self) -> bool:
        """Whether the word was said again so often that who is there has surely heard it."""
        return self._said >= len(_AGAIN) - 1

    def begin(self, now: float) -> None:
        """Take that the word has changed, and was said."""
        self._said, self._next = 0, now + _AGAIN[0]

    def end(self) -> None:
        """Say nothing again."""
        self._next = None

    def wake(self, now: float) -> bool:
        """Tell whether the word is to be said again."""
        if self._next is None or now < self._next:
            return False
        self._said = min(self._said + 1, len(_AGAIN) - 1)
        self._next = now + _AGAIN[self._said]
        return True

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None while there is nothing to say."""
        return self._next

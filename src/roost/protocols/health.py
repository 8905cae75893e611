"""When results of a check count: so many in a row of the other kind.

    up    --- fall failures in a row --->   down
    up   <--- rise successes in a row ---   down
    None --- the first result decides --->  up or down

A result that agrees with the state ends the row. Pure: it does not know when results come.
"""

__all__ = ["Health"]


class Health:
    """`up` is None before the first result; `streak` counts the results in a row that speak against it."""

    def __init__(self, rise: int = 1, fall: int = 1, up: bool | None = None) -> None:  # noqa: FBT001
        self.up = up
        self.streak = 0
        self._rise = rise
        self._fall = fall

    def take(self, ok: bool) -> bool:  # noqa: FBT001 - a result is its own name
        """Take one result; tells whether `up` changed."""
        if ok == self.up:
            self.streak = 0
            return False
        self.streak += 1
        if self.up is not None and self.streak < (self._rise if ok else self._fall):
            return False
        self.up, self.streak = ok, 0
        return True

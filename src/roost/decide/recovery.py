"""Since when this node is well for a lead that goes back to it only after a while. Pure: time comes in."""

from collections.abc import Set as AbstractSet

from roost.model.address import IPAddress

__all__ = ["Recovery"]


class Recovery:
    """The leads that this node could have now, by address, each with since when it could (seconds)."""

    def __init__(self) -> None:
        self._since: dict[IPAddress, float] = {}

    def follow(self, address: IPAddress, now: float, *, well: bool) -> float | None:
        """Take whether this node could have that lead now; return since when, None if it could not."""
        if not well:
            self._since.pop(address, None)
            return None
        return self._since.setdefault(address, now)

    def begin_anew(self, addresses: AbstractSet[IPAddress], now: float) -> None:
        """Take that this node has left these leads to others just now."""
        self._since.update(dict.fromkeys(self._since.keys() & addresses, now))

    def keep(self, addresses: frozenset[IPAddress]) -> None:
        """Forget all others."""
        self._since = {each: since for each, since in self._since.items() if each in addresses}

    def was_lost(self) -> None:
        """Begin anew: this node did not run, or was lost to the others."""
        self._since.clear()

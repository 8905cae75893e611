"""Addresses of a simulated LAN: one object for each, which remembers its hash."""

from functools import lru_cache
from ipaddress import IPv4Address

__all__ = ["lan_address"]


class _Address(IPv4Address):
    """These are keys on the simulator's hottest paths, and IPv4Address works its hash out anew each time."""

    __slots__ = ("_hash",)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._hash = super().__hash__()

    def __hash__(self) -> int:
        return self._hash


lan_address = lru_cache(maxsize=1024)(_Address)  # the same object needs no comparison

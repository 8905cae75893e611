"""Which hardware addresses belong to which nodes; remembered after they are lost, and told to who comes."""

from collections.abc import Iterable, Mapping
from typing import Final

from roost.protocols.words.macs import Macs

__all__ = ["AddressBook"]

_REMEMBERED: Final = 1024


class AddressBook:
    """Hardware addresses (6 bytes) of the nodes other than `me`; a bounded table."""

    def __init__(self, me: str) -> None:
        self._me = me
        self._names: dict[bytes, str] = {}

    @property
    def names(self) -> Mapping[bytes, str]:
        """The node of each hardware address."""
        return self._names

    def name_of(self, mac: bytes) -> str | None:
        """Return whose hardware address that is, or None."""
        return self._names.get(mac)

    def note(self, name: str, macs: Iterable[bytes]) -> None:
        """Learn hardware addresses of a node."""
        for mac in macs if name != self._me else ():
            if mac in self._names or len(self._names) < _REMEMBERED:
                self._names[mac] = name

    def words(self, own: tuple[bytes, ...] = ()) -> list[Macs]:
        """Return all of it, for peers that know less; with this node's `own`, where gossip tells them not."""
        by_node: dict[str, tuple[bytes, ...]] = {self._me: own} if own else {}
        for mac, name in self._names.items():
            by_node[name] = (*by_node.get(name, ()), mac)
        return Macs.batches(sorted(by_node.items()))

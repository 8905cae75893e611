"""What a responder is told to answer for one address."""

from dataclasses import dataclass, replace

from roost.model.eligibility import interface_allowed
from roost.model.sharing import Share

__all__ = ["Announcement"]


@dataclass(frozen=True, slots=True)
class Announcement:
    """Answer on the links whose whole names match one of `interfaces` (None: all), with the MAC `mac`.

    `mac` is 6 bytes, None for the answering link's own. `without` are names of links left to another, and
    `beside` those on which nobody is to have the address. With a `share`, only its askers are answered,
    whoever asks this node alone, and peers; nobody else is ever told that the address is here.
    """

    interfaces: tuple[str, ...] | None = None
    mac: bytes | None = None
    without: frozenset[str] = frozenset()
    beside: frozenset[str] = frozenset()
    share: Share | None = None

    def allows(self, link: str) -> bool:
        """Tell whether to answer on the link named `link`."""
        return link not in self.without | self.beside and interface_allowed(self.interfaces, link)

    def joined(self, other: "Announcement") -> "Announcement":
        """Return what two services that share the address want together: the links of either."""
        if self.interfaces is None or other.interfaces is None:
            return replace(self, interfaces=None)
        return replace(self, interfaces=tuple(dict.fromkeys((*self.interfaces, *other.interfaces))))

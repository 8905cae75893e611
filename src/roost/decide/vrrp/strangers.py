"""Machines that use a VRID of this node for something else, or with other settings. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from roost.decide.vrrp.judging import Received
from roost.decide.vrrp.part import Part
from roost.model.address import IPAddress
from roost.model.event import Event, Happening, Level
from roost.protocols.bounded import remember
from roost.protocols.vrrp.packet import AdvertError, Flaw

__all__ = ["Stranger", "Strangers"]

_MOST: Final = 64  # remembered, so that each is named once, and named within:
_LATELY: Final = 60.0  # seconds
_STRANGE: Final = frozenset(  # flaws of machines with other settings
    {Flaw.VERSION, Flaw.AUTH, Flaw.INTERVAL, Flaw.ADDRESSES, Flaw.CHECKSUM, Flaw.LENGTH}
)


@dataclass(frozen=True, slots=True)
class Stranger:
    """Who it is, and what is wrong, in words; and when that was heard last (seconds)."""

    text: str
    last: float


class Strangers:
    """Those that were heard of late; a bounded table."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, IPAddress, Flaw], Stranger] = {}

    @property
    def known(self) -> Collection[Stranger]:
        """All of them."""
        return self._known.values()

    def note(self, part: Part, received: Received, error: AdvertError, now: float) -> Event | None:
        """Take an advert with a flaw; returns what to say of a stranger that is new."""
        if error.flaw not in _STRANGE:
            return None
        who = (part.service.name, part.family, received.source, error.flaw)
        lately = sum(now - each.last < _LATELY for each in self._known.values())
        tells = who not in self._known and lately < _MOST  # who makes up sources fills no log
        mac = received.mac.hex(":") if received.mac else "unknown"
        text = (
            f"VRID {part.router.vrid} of {part.service.name} is used by {received.source} (MAC {mac}), too, "
            f"whose adverts are ignored: {error}"
        )
        remember(self._known, who, Stranger(text, now), _MOST)
        facts = {"service": part.service.name, "vrid": part.router.vrid, "mac": mac}
        facts |= {"source": str(received.source), "reason": error.flaw.value}
        return Event(Happening.VRID_CLASH, text, Level.WARNING, facts) if tells else None

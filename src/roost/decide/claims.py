"""Who else claims our addresses: a bounded record, alarms for the operator, and when to defend. Pure."""

import math
from dataclasses import dataclass
from typing import Final

from roost.model.address import IPAddress
from roost.protocols.bounded import remember

__all__ = ["Alarm", "ClaimBook", "claimant"]

_LIMIT: Final = 256  # alarms kept; the one heard longest ago gives way
_KEEP_PEER: Final = 60.0  # seconds an alarm about a node of the cluster stays: it settles by itself
_KEEP_STRANGER: Final = 600.0  # seconds an alarm about a stranger stays: somebody has to look for it
_DEFEND_INTERVAL: Final = 1.0  # seconds between two defences of one address (RFC 5227 has 10 for hosts)
_AGAINST_PEER: Final = 0.2  # seconds; it gives way as soon as it hears one, and a lossy link may lose some


@dataclass(slots=True)
class Alarm:
    """Claims for `address` by one hardware address (6 bytes); times are seconds since the epoch.

    `kind` is "stranger" for a machine outside the cluster, "peer" for a node of it. `peer` is its name.
    """

    kind: str
    address: IPAddress
    mac: bytes
    interface: str
    peer: str | None
    first: float
    last: float
    count: int = 0


class ClaimBook:
    """Remembers foreign claims for addresses that this node leads, and bounds the defences."""

    def __init__(self) -> None:
        self._alarms: dict[tuple[IPAddress, bytes, str], Alarm] = {}
        self._defended: dict[IPAddress, float] = {}

    def alarms(self, moment: float) -> tuple[Alarm, ...]:
        """Return the claims that still matter at `moment` (seconds since the epoch), the latest last."""
        self._alarms = {
            key: alarm
            for key, alarm in self._alarms.items()
            if moment - alarm.last < (_KEEP_PEER if alarm.peer else _KEEP_STRANGER)
        }
        return tuple(self._alarms.values())

    def note(self, address: IPAddress, mac: bytes, interface: str, peer: str | None, moment: float) -> Alarm:
        """Record one claim heard at `moment` (seconds since the epoch) and return its record."""
        key = (address, mac, interface)
        kind = "stranger" if peer is None else "peer"
        alarm = self._alarms.get(key) or Alarm(kind, address, mac, interface, peer, moment, moment)
        alarm.kind, alarm.peer, alarm.last = kind, peer, moment
        alarm.count += 1
        remember(self._alarms, key, alarm, _LIMIT)
        return alarm

    def may_defend(self, address: IPAddress, now: float, *, against_peer: bool = False) -> bool:
        """Tell whether `address` may be announced again against a claim, and count it as done."""
        interval = _AGAINST_PEER if against_peer else _DEFEND_INTERVAL
        if now - self._defended.get(address, -math.inf) < interval:
            return False
        self._defended[address] = now
        return True

    def forget(self, address: IPAddress) -> None:
        """Drop what bounds the defence of an address that is no longer led."""
        self._defended.pop(address, None)


def claimant(peer: str | None) -> str:
    """Return in words who claims an address: a node of the cluster, or None for a stranger."""
    return f"peer {peer}" if peer else "a stranger"

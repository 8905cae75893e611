"""What a decider is told at its start, and again on a reload."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from roost.decide.join_target import JoinTarget
from roost.protocols.machine import Endpoint
from roost.protocols.witness.timing import Timing

__all__ = ["DeciderSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeciderSettings:
    """One node's part; times in seconds, rates per second.

    `interfaces` are regular expressions for whole names (None: all that can announce). `bind` is where this
    node gossips, None when it gossips with nobody. `timing` is the kernel witness's, None for none;
    `arp_rate` as `Budget` has it. `keep_connections`: so long after a move connections are passed on (0: not
    at all).
    """

    node: str
    interfaces: tuple[str, ...] | None = None
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    bind: Endpoint | None = None
    join: tuple[JoinTarget, ...] = ()
    timing: Timing | None = None
    arp_rate: float | None = None
    settle_time: float = 0.7
    rejoin_interval: float = 2.0
    gratuitous_rate: float = 5000.0
    gratuitous_refresh: float | None = None
    only_on_subnet: bool = False
    keep_connections: float = 600.0

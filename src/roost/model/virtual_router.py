"""What a service says about VRRP: the virtual router that decides who leads it."""

from dataclasses import dataclass, field
from typing import Literal

from roost.model.address import IPAddress

__all__ = ["VirtualRouter"]


@dataclass(frozen=True, slots=True)
class VirtualRouter:
    """One node's part in the virtual router `vrid` (1 to 255) of a service, one instance for each family.

    `interval` is in centiseconds, `preempt_delay` in seconds. `interface` is the name of the link that it is
    on, "" for the one whose subnet holds the addresses. `peers` are told by unicast, else everybody is by
    multicast. `auth` are the 8 bytes of version 2's password. `plain_checksum`: version 3 over IPv4 leaves
    the pseudo-header out (RFC 9568). Services with the same `group` move together.
    """

    vrid: int
    version: Literal[2, 3] = 3
    priority: int = 100
    interval: int = 100
    interface: str = ""
    preempt: bool = True
    preempt_delay: float = 0.0
    peers: tuple[IPAddress, ...] = ()
    virtual_mac: bool = False
    auth: bytes | None = field(default=None, repr=False)
    plain_checksum: bool = False
    group: str = ""

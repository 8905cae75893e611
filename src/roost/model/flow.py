"""One client's packets to one port of a service address."""

from dataclasses import dataclass
from typing import Final

from roost.model.address import IPAddress

__all__ = ["TCP", "UDP", "Flow"]

TCP: Final = 6  # protocol numbers of IP
UDP: Final = 17


@dataclass(frozen=True, slots=True)
class Flow:
    """A connection of TCP, or packets of UDP; not `open`: what is left of one that has ended."""

    protocol: int
    client: IPAddress
    client_port: int
    address: IPAddress
    port: int
    open: bool = True

"""What a node is to a service, as a person or a program that follows it has to know."""

from dataclasses import dataclass
from enum import Enum

from roost.model.address import IPAddress

__all__ = ["Change", "Role"]


class Role(Enum):
    """The value is the word that programs may rely on."""

    LEADING = "leading"  # it answers for the service, as its leader or in place of one
    STANDBY = "standby"  # it could
    UNFIT = "unfit"  # it does not, and should not: a check fails, or it has no link or address to do it with
    STOPPED = "stopped"  # its speaker ends, or the service is not wanted any more


@dataclass(frozen=True, slots=True)
class Change:
    """A service has another role on this node; `before` is None the first time.

    `priority` is VRRP's, where that decides, else 100; in both cases with the weights of this node's checks.
    """

    service: str
    role: Role
    before: Role | None
    addresses: tuple[IPAddress, ...] = ()
    priority: int = 100

"""A program to call when a service has another role on this node."""

from dataclasses import dataclass
from typing import Literal

from roost.model.role import Role

__all__ = ["Hook"]


@dataclass(frozen=True, slots=True)
class Hook:
    """`run` is the program and its own arguments, `timeout` in seconds; `services` None means all.

    `arguments` is what follows its own: SERVICE STATE PREVIOUS NODE, keepalived's INSTANCE SERVICE STATE
    PRIORITY, or nothing.
    """

    run: tuple[str, ...]
    on: frozenset[Role] = frozenset(Role)
    services: frozenset[str] | None = None
    timeout: float = 10.0
    arguments: Literal["roost", "keepalived", "none"] = "roost"

    def wants(self, service: str, role: Role) -> bool:
        """Tell whether it is to be called for that."""
        return role in self.on and (self.services is None or service in self.services)

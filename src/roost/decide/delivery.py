"""Which addresses this host terminates, as far as it has told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from roost.model.address import IPAddress

__all__ = ["Delivered"]


@dataclass(slots=True)
class Delivered:
    """`ready` are had, `refused` cannot be (-> why, with the cure), `wanted` is what was asked for last."""

    ready: frozenset[IPAddress] = frozenset()
    refused: Mapping[IPAddress, str] = field(default_factory=lambda: MappingProxyType({}))
    wanted: frozenset[IPAddress] = frozenset()

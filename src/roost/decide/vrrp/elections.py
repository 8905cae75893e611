"""Services that one node elects by VRRP and another by hash, as while such a change is rolled out. Pure.

Metadata has few bytes left, so a node tells a short mark of each service that it elects by VRRP. Marks are
looked at only where two nodes want different services anyway: two services of one mark are no false alarm.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from roost.model.address import canonical
from roost.model.service import Service
from roost.protocols.words.metadata import VRRP_MARKS, Metadata

__all__ = ["Differing", "differing", "marks"]

_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class Differing:
    """Names of services: those that only the peer elects by VRRP, and those that only this node does."""

    only_there: tuple[str, ...]
    only_here: tuple[str, ...]


def marks(services: Iterable[Service]) -> tuple[str, ...]:
    """Return the marks of the services that VRRP elects, as many as metadata has room for."""
    found = sorted({_mark(each) for each in services if each.vrrp is not None})
    return tuple(found[:VRRP_MARKS])


def differing(services: Sequence[Service], told: Metadata) -> Differing:
    """Return what this node, which wants `services`, elects otherwise than a peer with this metadata.

    A peer that tells as many marks as there is room for may have more: then only those count.
    """
    all_told = len(told.vrrp) < VRRP_MARKS
    return Differing(
        tuple(each.name for each in services if each.vrrp is None and told.vrrp and _mark(each) in told.vrrp),
        tuple(each.name for each in services if each.vrrp and all_told and _mark(each) not in told.vrrp),
    )


def _mark(service: Service) -> str:
    return sha256(canonical(service.addresses[0]).encode()).hexdigest()[:_DIGITS]

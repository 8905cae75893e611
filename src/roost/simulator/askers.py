"""Who asks, for the rules: of a shared address each asker has its own answerer, so some stand for all."""

from collections.abc import Mapping
from typing import Final

from roost.model.address import IPAddress
from roost.model.announcement import Announcement

__all__ = ["ANYBODY", "ASKERS", "Asked", "answered_of"]

ANYBODY: Final = b""
ASKERS: Final = tuple(bytes((2, 0, 0, 0, 2, number)) for number in range(5))

Asked = tuple[IPAddress, bytes]  # an address, and the hardware address that asks everybody for it


def answered_of(announcements: Mapping[IPAddress, Announcement]) -> frozenset[Asked]:
    """Return what is answered: of a shared address whom of the ASKERS, of others ANYBODY."""
    return frozenset(
        (address, asker)
        for address, told in announcements.items()
        for asker in (ASKERS if told.share is not None else (ANYBODY,))
        if told.share is None or told.share.answers(asker, address)
    )

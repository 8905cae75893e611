"""The packets that an instance sends: one for the group, or one for each peer. Pure."""

from collections.abc import Collection, Iterable

from roost.decide.effects import SendAdvert
from roost.decide.vrrp.part import Part, own_address
from roost.model.address import IPAddress
from roost.protocols.vrrp.packet import GROUPS, Advert, Checksum, encode

__all__ = ["adverts"]


def adverts(part: Part, priority: int) -> Iterable[SendAdvert]:
    """Yield one advert for the group, or one for each peer."""
    if part.link is None or part.own is None:
        return
    router = part.router
    form = Checksum.RFC9568 if router.plain_checksum else Checksum.RFC5798
    advert = Advert(router.version, router.vrid, priority, router.interval, part.addresses, router.auth, form)
    to: Collection[IPAddress] = part.unicast or (GROUPS[part.family],)
    for destination in to:
        source = part.own
        if part.unicast:
            beside = frozenset(part.addresses)
            source = own_address(part.link, part.family, beside, destination) or part.own
        part.sent += 1
        data = encode(advert, source, destination)
        yield SendAdvert(part.link.index, source, destination, data, None if part.unicast else part.mac)

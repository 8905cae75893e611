"""Whether an advert is one to believe (RFC 9568 section 7.1, RFC 3768 section 7.1). Pure."""

from collections.abc import Collection
from dataclasses import dataclass

from roost.decide.vrrp.part import Part
from roost.model.address import IPAddress
from roost.protocols.vrrp.packet import HOPS, Advert, AdvertError, Flaw, parse, same_auth

__all__ = ["Received", "judge"]


@dataclass(frozen=True, slots=True)
class Received:
    """An IP packet of protocol 112: `link` is an index, `mac` the sender's 6 bytes where they are known."""

    link: int
    source: IPAddress
    destination: IPAddress
    hops: int
    data: bytes
    mac: bytes | None = None


def judge(received: Received, part: Part, own: Collection[IPAddress]) -> Advert:
    """Return the advert, for a part with its VRID; `own` are the addresses of the link.

    Raises AdvertError with the first flaw that is found.
    """
    if received.source in own:
        raise AdvertError(Flaw.OWN, "it comes from an address of this host")
    if received.hops != HOPS and not _may_have_any_hops(received):
        raise AdvertError(Flaw.HOPS, f"its TTL is {received.hops}: it was sent from another network")
    if part.unicast and not (received.source in part.unicast or _is_unnamed(received)):
        raise AdvertError(Flaw.PEER, f"{received.source} is not among its peers")
    advert = parse(received.data, received.source, received.destination)
    router = part.router
    if advert.version != router.version:
        raise AdvertError(Flaw.VERSION, f"it speaks version {advert.version}")
    if not same_auth(advert.auth, router.auth):
        raise AdvertError(Flaw.AUTH, "its authentication is another one")
    if advert.version == 2 and advert.interval != router.interval:
        raise AdvertError(Flaw.INTERVAL, f"its interval is {advert.interval // 100} s")
    if sorted(advert.addresses) != sorted(part.addresses):
        others = ", ".join(str(each) for each in advert.addresses[:4])
        raise AdvertError(Flaw.ADDRESSES, f"it is for other addresses: {others}")
    return advert


def _is_unnamed(received: Received) -> bool:
    """Tell whether it came by unicast from a link-local address: keepalived's, to peers of any scope."""
    return received.source.is_link_local and not received.destination.is_multicast


def _may_have_any_hops(received: Received) -> bool:
    """Tell whether it is IPv6 unicast: keepalived 2.2.7 sends that with a hop limit of 64."""
    return received.source.version == 6 and not received.destination.is_multicast

"""Where a peer can be asked on the LAN: which of its addresses, on which of this node's links. Pure."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv6Address
from typing import TypeVar

from roost.decide.effects import Target
from roost.decide.members import ClusterMember
from roost.model.address import IPAddress
from roost.model.link import Link, reaches

__all__ = ["can_ask", "in_turn", "kernel_target"]

T = TypeVar("T")


def kernel_target(member: ClusterMember, links: Iterable[Link]) -> Target | None:
    """Return where the kernel of `member` answers for its own address: on the first link that reaches it."""
    told = zip(member.metadata.macs, member.metadata.addresses, strict=False)
    found = (
        Target(member.name, address, link.index, mac)
        for mac, address in told
        if address is not None
        for link in links
        if reaches(link, address) and can_ask(link, address)
    )
    return next(found, None)


def can_ask(link: Link, address: IPAddress) -> bool:
    """Tell whether a host on `link` can be asked for `address`: Neighbor Solicitations need a source."""
    return address.version == 4 or any(isinstance(each.ip, IPv6Address) for each in link.addresses)


def in_turn(hosts: Sequence[T], count: int, turn: int) -> list[T]:
    """Return up to `count` of `hosts`, others each `turn`: some of them may be on the far side of a split."""
    begin = (turn * count) % len(hosts) if hosts else 0
    return [*hosts[begin:], *hosts[:begin]][:count]

"""One network interface of a host as a value, and whether it can announce."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface
from typing import Final

from roost.model.eligibility import interface_allowed

__all__ = ["Interface", "Link", "reaches", "why_silent"]

_PORT_KINDS: Final = frozenset({"bridge", "bond", "team", "hsr", "openvswitch"})

Interface = IPv4Interface | IPv6Interface


@dataclass(frozen=True, slots=True)
class Link:
    """One network interface at one moment. `mac` is 6 bytes, or b"" when the link has none.

    `master` is the index of the bridge, bond or VRF that owns this link, `master_kind` its kind
    ("bridge", "bond", "vrf", "team", ...; "" when it has no master or the kind is unknown).
    """

    index: int
    name: str
    mac: bytes
    up: bool  # IFF_UP: the administrator wants it up
    carrier: bool  # IFF_LOWER_UP: the other end is there
    broadcast: bool
    no_arp: bool
    loopback: bool
    kind: str = ""
    master: int | None = None
    master_kind: str = ""
    mtu: int = 1500
    addresses: tuple[Interface, ...] = ()


def why_silent(link: Link, patterns: Iterable[str] | None) -> str:
    """Return why a link cannot announce, or "" when it can; `patterns` are the interfaces configured."""
    rules = (
        (not interface_allowed(patterns, link.name), "not among the configured interfaces"),
        (link.master_kind in _PORT_KINDS, f"is a port of a {link.master_kind}"),
        (not link.mac, "has no hardware address"),
        (link.no_arp or not link.broadcast, "does not do ARP"),
        (not link.up, "is down"),
        (not link.carrier, "has no carrier"),
    )
    return next((reason for holds, reason in rules if holds), "")


def reaches(link: Link, address: object) -> bool:
    """Tell whether an IP address is in a subnet of `link`."""
    return any(address in interface.network for interface in link.addresses)

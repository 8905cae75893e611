"""Network links of this host as values, and a live view of them over netlink."""

from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface

__all__ = ["Link"]


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
    addresses: tuple[IPv4Interface | IPv6Interface, ...] = ()

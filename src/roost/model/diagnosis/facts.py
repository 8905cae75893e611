"""What can be known of a host, its LAN and its cluster: gathered elsewhere, judged in this package."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any, Literal

from roost.model.address import IPAddress
from roost.model.link import Link

__all__ = ["Facts", "Gossip", "Host", "Lan", "Manager", "Peer", "Proxy", "Route", "Tally", "Wish"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the host is to do, from its configuration or its running speaker.

    `interfaces` are patterns (None: all), `port` is gossip's (None: no membership). `local`: the host
    itself takes the packets for `addresses`, not a proxy.
    """

    interfaces: tuple[str, ...] | None = None
    addresses: tuple[IPAddress, ...] = ()
    port: int | None = None
    local: bool = True
    keep_connections: bool = True
    arp_rate: float | None = None
    responder: str = "auto"
    spreads: bool = False  # connections of an address over many nodes


@dataclass(frozen=True, slots=True)
class Route:
    """An IPv4 route of the main table, and the link that it leaves by."""

    network: IPv4Network
    link: str


@dataclass(frozen=True, slots=True)
class Manager:
    """A program that keeps the addresses and routes of `link` as `source`, one of its files, has them."""

    name: str
    link: str
    source: str
    removes: str  # what it takes away that it did not set: "addresses", "routes", "addresses and routes"


@dataclass(frozen=True, slots=True)
class Proxy:
    """kube-proxy: its `mode`, `strict_arp` where that is known, and where both were seen."""

    mode: str
    source: str
    strict_arp: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What the kernel and the files of a host say.

    `settings` are sysctls by name (`net.ipv4.conf.eth0.rp_filter`), `lacking` capabilities of `whose`,
    `features`
    what the kernel was asked for and why it refuses ("": it does not). `ruleset` is what `nft -j list
    ruleset` prints, None where it cannot be read.
    """

    links: tuple[Link, ...] = ()
    promiscuous: frozenset[str] = frozenset()
    wireless: frozenset[str] = frozenset()
    suppressing: frozenset[str] = frozenset()  # ports of bridges that answer for others (neigh_suppress)
    bonds: Mapping[str, str] = field(default_factory=dict)  # -> mode
    settings: Mapping[str, str] = field(default_factory=dict)
    settings_read_only: bool = False
    routes: tuple[Route, ...] = ()
    reverse_path_drops: int = 0  # packets since the boot
    neighbours: int = 0  # entries of the kernel's table for IPv4
    conntrack_drops: int | None = None  # packets for which the table of connections had no room
    lacking: tuple[str, ...] = ()
    whose: str = "this process"
    features: Mapping[str, str] = field(default_factory=dict)
    managers: tuple[Manager, ...] = ()
    proxy: Proxy | None = None
    ruleset: tuple[Mapping[str, Any], ...] | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many questions of one kind were sent, and how many were answered."""

    sent: int
    answered: int

    @property
    def silent(self) -> bool:
        """Whether none of several was answered."""
        return self.sent > 0 and self.answered == 0

    @property
    def well(self) -> bool:
        """Whether one was answered at least."""
        return self.answered > 0


NOT_ASKED = Tally(0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gossip:
    """What a peer's gossip port said to a ping with this node's keys; None: not asked.

    `tcp` tells whether a connection was made, `understood` whether what came back over it could be read.
    `udp_in`: the peer, asked to, pinged this node's port, which answered.
    """

    udp_out: bool | None = None
    udp_in: bool | None = None
    tcp: bool | None = None
    understood: bool | None = None
    refused: bool = False  # a host that is there and has nothing at that port


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One other node, and what it answered. Full echoes are as large as this host's link takes."""

    name: str
    address: str
    link: str = ""
    gossip: Gossip = Gossip()
    echo: Tally = NOT_ASKED
    full_echo: Tally = NOT_ASKED
    mtu: int = 0  # bytes: of the full echo's packet
    broadcast: Tally = NOT_ASKED  # ARP, or Neighbor Solicitations to the group
    unicast: Tally = NOT_ASKED  # the same, to the host alone
    burst: Tally = NOT_ASKED  # ARP, many in a second
    after_burst: Tally = NOT_ASKED  # echoes after that
    clock: float | None = None  # seconds by which its clock is ahead of this one


@dataclass(frozen=True, slots=True, kw_only=True)
class Lan:
    """What the LAN answered. `holders`: the hardware addresses that answered for each service address.

    `nodes` are those of the nodes, by name, as far as they are known; this host's own are among them.
    """

    peers: tuple[Peer, ...] = ()
    holders: Mapping[IPAddress, tuple[tuple[str, bytes], ...]] = field(default_factory=dict)  # -> link, MAC
    nodes: Mapping[bytes, str] = field(default_factory=dict)
    left_out: int = 0  # addresses that were not asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is known. `status` is what the running speaker says, `file_errors` what its file has wrong."""

    wish: Wish
    host: Host = Host()
    lan: Lan = Lan()
    status: Mapping[str, Any] | None = None
    file_errors: tuple[tuple[Literal["critical", "warning"], str, str], ...] = ()  # severity, text, cure

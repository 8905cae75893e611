"""What a lab is made of: its size, its addresses, and what each node is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Final, Literal

from roost.lab.fabric import Host

__all__ = ["PORT", "Options", "addresses", "configuration", "service"]

PORT: Final = 7  # echo
_GOSSIP: Final = 7946
_ON_LINK: Final = 50  # service addresses among the nodes' own
_ROUTED: Final = IPv4Network("198.18.0.0/16")  # for more (RFC 2544)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The size and kind of a lab; `interval` is seconds between two pings to one address."""

    nodes: int = 3
    vips: int = 4
    clients: int = 2
    ipv6: bool = False
    profile: str = "default"
    interval: float = 0.002
    duration: float = 10.0  # seconds, of drills that last
    inspects: bool = False  # the fabric shuts a node's port that sends too much ARP
    proxies: bool = False  # the fabric answers ARP for nodes that are cut off
    arp_rate: int | None = None  # packets/second (`membership.arpRate`)
    sharing: Literal["leader", "per-client", "connection"] = "leader"  # by connection behind a router


def configuration(
    host: Host, others: Sequence[Host], services: Sequence[Sequence[str]], socket: Path, options: Options
) -> dict[str, Any]:
    """Return the configuration of the speaker on `host`; `services` are their addresses."""
    config: dict[str, Any] = {
        "node": host.name,
        "interfaces": ["eth0"],
        "membership": {
            "bind": _gossip(host),
            "join": [_gossip(each) for each in others],
            "profile": options.profile,
        },
        "services": [
            {
                "name": f"echo-{number}",
                "addresses": list(each),
                "ports": [{"port": PORT, "protocol": "UDP"}, {"port": PORT, "protocol": "TCP"}],
                "sharing": {"by": "connection"} if options.sharing == "connection" else options.sharing,
            }
            for number, each in enumerate(services, 1)
        ],
        "status": {"socket": str(socket)},
    }
    if options.arp_rate is not None:
        config["membership"]["arpRate"] = options.arp_rate
    return config


def service(number: int, options: Options) -> Sequence[str]:
    """Return the addresses of a service: on the nodes' own network while there is room, else routed to it."""
    if options.vips <= _ON_LINK:
        return addresses("192.0.2.", 200 + number, 0, v6=options.ipv6)
    found = [str(_ROUTED[1 + number])]
    return [*found, f"2001:db8::1:{number + 1:x}"] if options.ipv6 else found


def addresses(prefix: str, last: int, length: int, *, v6: bool) -> Sequence[str]:
    """Return 192.0.2.LAST and, with `v6`, 2001:db8::LAST, with prefix lengths where `length` is not 0."""
    found = [f"{prefix}{last}" + (f"/{length}" if length else "")]
    if v6:
        found.append(f"2001:db8::{last}" + ("/64" if length else ""))
    return found


def _gossip(host: Host) -> str:
    return f"{host.addresses[0].split('/')[0]}:{_GOSSIP}"

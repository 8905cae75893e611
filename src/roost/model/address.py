"""Service addresses and their one canonical text."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

__all__ = ["IPAddress", "IPNetwork", "canonical", "in_order", "is_address"]

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network


def canonical(address: IPAddress) -> str:
    """Return the text that elections hash and users read: RFC 5952, but IPv4-mapped as dotted IPv4.

    MetalLB hashes Go's `net.IP.String()`, which prints ::ffff:192.0.2.1 as 192.0.2.1.
    """
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def in_order(addresses: Iterable[IPAddress]) -> list[IPAddress]:
    """Return the addresses sorted, IPv4 first.

    Sets are walked in another order by each process: where the order is seen, it has to be this one.
    """
    return sorted(addresses, key=lambda each: (each.version, int(each)))


def is_address(text: str) -> bool:
    """Tell whether a text is an IP address, not a name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True

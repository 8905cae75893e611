"""Expressions of nftables' rules that choose and translate addresses (nf_tables.h): hash, NAT, refusals."""

import struct
from typing import Final

from roost.runtime.netlink import attribute
from roost.runtime.nft_expressions import expression, in_register
from roost.runtime.nftables import NUMBER

__all__ = [
    "hashed",
    "load_status",
    "masquerade",
    "redirect",
    "refuse_port",
    "reset",
    "to_destination",
    "to_source",
]

_STATUS: Final = 2  # NFT_CT_STATUS
_SOURCE, _DESTINATION = 0, 1  # NFT_NAT_SNAT, NFT_NAT_DNAT
_UNREACHABLE, _RESET = 0, 1  # NFT_REJECT_ICMP_UNREACH, NFT_REJECT_TCP_RST


def hashed(source: int, size: int, modulus: int, seed: int, into: int) -> bytes:
    """Hash `size` bytes from register `source` on (Jenkins), modulo `modulus`, into register `into`."""
    return expression(
        "hash",
        in_register(1, source),
        in_register(2, into),
        *(attribute(kind, NUMBER.pack(value)) for kind, value in ((3, size), (4, modulus), (5, seed))),
    )


def load_status(register: int = 0) -> bytes:
    """Load what has been done to the connection (IPS_*), in the host's order."""
    return expression("ct", in_register(1, register), attribute(2, NUMBER.pack(_STATUS)))


def to_destination(family: int, address: int, port: int) -> bytes:
    """Send the connection to the address and port in these registers; `family` is NFPROTO_*."""
    return _translate(_DESTINATION, family, address, port)


def to_source(family: int, address: int, port: int) -> bytes:
    """Let the connection come from the address and port in these registers; `family` is NFPROTO_*."""
    return _translate(_SOURCE, family, address, port)


def masquerade() -> bytes:
    """Let the connection come from the address that this host has on the link that it leaves by."""
    return expression("masq")


def redirect() -> bytes:
    """Send the connection to this host itself, at an address of the link that it came by."""
    return expression("redir")


def reset() -> bytes:
    """Refuse a TCP segment with a reset."""
    return expression("reject", attribute(1, NUMBER.pack(_RESET)))


def refuse_port(code: int) -> bytes:
    """Refuse a packet with ICMP, destination unreachable; `code` is the family's for a port."""
    refused = attribute(1, NUMBER.pack(_UNREACHABLE)), attribute(2, struct.pack("B", code))
    return expression("reject", *refused)


def _translate(kind: int, family: int, address: int, port: int) -> bytes:
    numbers = attribute(1, NUMBER.pack(kind)) + attribute(2, NUMBER.pack(family))
    return expression("nat", numbers, in_register(3, address), in_register(5, port))

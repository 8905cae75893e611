"""VRRP adverts: version 2 (RFC 3768, with RFC 2338's plain password) and version 3 (RFC 5798, RFC 9568).

    version, type | VRID | priority | count      v2: auth type | interval in s    | checksum
    addresses ...                                v3: interval in cs (12 bits)     | checksum
    v2: 8 bytes of authentication data

RFC 9568 leaves the pseudo-header out of the checksum over IPv4, RFC 5798 has it in. Both are accepted.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from hmac import compare_digest
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from roost.model.address import IPAddress
from roost.protocols.errors import PacketError
from roost.protocols.icmp import internet_checksum

__all__ = [
    "CENTISECONDS",
    "GROUPS",
    "HOPS",
    "OWNER",
    "PROTOCOL",
    "RELEASE",
    "Advert",
    "AdvertError",
    "Checksum",
    "Flaw",
    "encode",
    "parse",
    "password",
    "peek",
    "same_auth",
    "virtual_mac",
]

PROTOCOL: Final = 112
HOPS: Final = 255  # TTL and hop limit: no router has passed it on
GROUPS: Final[Mapping[int, IPAddress]] = {4: IPv4Address("224.0.0.18"), 6: IPv6Address("ff02::12")}
OWNER: Final = 255  # the priority of who owns the addresses
RELEASE: Final = 0  # the priority of a master that goes
CENTISECONDS: Final = 100  # of a second

_HEAD: Final = struct.Struct("!BBBBHH")
_ADVERTISEMENT: Final = 1
_PASSWORD_BYTES: Final = 8
_LONGEST_INTERVAL: Final = 0xFFF
_NO_AUTH, _PLAIN_AUTH = 0, 1


class Checksum(Enum):
    """What the checksum of version 3 over IPv4 covers."""

    RFC5798 = "rfc5798"  # the pseudo-header, too
    RFC9568 = "rfc9568"


class Flaw(Enum):
    """Why an advert is ignored; the value is the name of its counter."""

    HOPS = "ttl"
    LENGTH = "length"
    VERSION = "version"
    TYPE = "type"
    CHECKSUM = "checksum"
    VRID = "vrid"
    AUTH = "auth"
    INTERVAL = "interval"
    ADDRESSES = "addresses"
    PEER = "peer"  # it came from another machine than those that are configured
    OWN = "own"  # from an address of this host


class AdvertError(PacketError):
    """An advert that cannot be believed; `flaw` is why."""

    def __init__(self, flaw: Flaw, text: str) -> None:
        super().__init__(text)
        self.flaw = flaw


@dataclass(frozen=True, slots=True)
class Advert:
    """One advertisement. `interval` is in centiseconds; `auth` is version 2's password of 8 bytes, or None.

    `checksum` is the form that an advert of version 3 over IPv4 has.
    """

    version: int
    vrid: int
    priority: int
    interval: int
    addresses: tuple[IPAddress, ...]
    auth: bytes | None = None
    checksum: Checksum = Checksum.RFC5798


def password(text: str) -> bytes:
    """Return the 8 bytes that carry `text`, cut as keepalived cuts it."""
    return text.encode()[:_PASSWORD_BYTES].ljust(_PASSWORD_BYTES, b"\0")


def virtual_mac(vrid: int, family: int) -> bytes:
    """Return the 6 bytes of a virtual router's hardware address; `family` is 4 or 6 (RFC 9568, 7.3)."""
    return bytes((0x00, 0x00, 0x5E, 0x00, 1 if family == 4 else 2, vrid))


def encode(advert: Advert, source: IPAddress, destination: IPAddress) -> bytes:
    """Return the IP payload; `source` and `destination` enter checksums with a pseudo-header."""
    body = b"".join(address.packed for address in advert.addresses)
    if advert.version == 2:
        kind = _NO_AUTH if advert.auth is None else _PLAIN_AUTH
        timing = kind << 8 | advert.interval // CENTISECONDS
        body += advert.auth or bytes(_PASSWORD_BYTES)
    else:
        timing = advert.interval
    first = advert.version << 4 | _ADVERTISEMENT
    head = _HEAD.pack(first, advert.vrid, advert.priority, len(advert.addresses), timing, 0)
    covered = head + body
    if advert.version == 3 and (source.version == 6 or advert.checksum is Checksum.RFC5798):
        covered = _pseudo_header(source, destination, len(covered)) + covered
    return head[:6] + internet_checksum(covered).to_bytes(2, "big") + body


def peek(data: bytes) -> tuple[int, int] | None:
    """Return version and VRID of what may be an advert, None when it is too short to have them."""
    return (data[0] >> 4, data[1]) if len(data) >= 2 else None


def parse(data: bytes, source: IPAddress, destination: IPAddress) -> Advert:
    """Read an IP payload; raises AdvertError and nothing else."""
    if len(data) < _HEAD.size:
        raise AdvertError(Flaw.LENGTH, f"{len(data)} bytes are no advert")
    first, vrid, priority, count, timing, _ = _HEAD.unpack_from(data)
    version, kind = first >> 4, first & 0xF
    if version not in (2, 3) or (version == 2 and source.version == 6):
        raise AdvertError(Flaw.VERSION, f"version {version} over IPv{source.version}")
    if kind != _ADVERTISEMENT:
        raise AdvertError(Flaw.TYPE, f"type {kind}")
    size = 4 if source.version == 4 else 16
    expected = _HEAD.size + count * size + (_PASSWORD_BYTES if version == 2 else 0)
    if len(data) != expected or not count:
        raise AdvertError(Flaw.LENGTH, f"{len(data)} bytes for {count} addresses, not {expected}")
    checksum = _checksum_of(data, version, source, destination)
    auth = None
    if version == 2:
        auth = _auth_of(timing >> 8, data)
        interval = (timing & 0xFF) * CENTISECONDS
    else:
        interval = timing & _LONGEST_INTERVAL
    if not interval:
        raise AdvertError(Flaw.INTERVAL, "an interval of 0")
    raw = (data[at : at + size] for at in range(_HEAD.size, _HEAD.size + count * size, size))
    addresses = tuple(IPv4Address(each) if size == 4 else IPv6Address(each) for each in raw)
    return Advert(version, vrid, priority, interval, addresses, auth, checksum)


def same_auth(one: bytes | None, other: bytes | None) -> bool:
    """Compare two passwords in constant time; None is no authentication."""
    if one is None or other is None:
        return one is other
    return compare_digest(one, other)


def _checksum_of(data: bytes, version: int, source: IPAddress, destination: IPAddress) -> Checksum:
    if version == 3 and not internet_checksum(_pseudo_header(source, destination, len(data)) + data):
        return Checksum.RFC5798
    if source.version == 4 and not internet_checksum(data):
        return Checksum.RFC9568
    raise AdvertError(Flaw.CHECKSUM, "a wrong checksum")


def _auth_of(kind: int, data: bytes) -> bytes | None:
    if kind == _NO_AUTH:
        return None
    if kind == _PLAIN_AUTH:
        return data[-_PASSWORD_BYTES:]
    raise AdvertError(Flaw.AUTH, f"authentication of type {kind}")


def _pseudo_header(source: IPAddress, destination: IPAddress, length: int) -> bytes:
    """Return RFC 8200 section 8.1's for IPv6, RFC 793's for IPv4."""
    if source.version == 4:
        return source.packed + destination.packed + struct.pack("!BBH", 0, PROTOCOL, length)
    return source.packed + destination.packed + struct.pack("!IHBB", length, 0, 0, PROTOCOL)

"""`deliver: forward` as values: the backends of a service, and how packets get there and back."""

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final, Literal

from roost.model.address import IPAddress, canonical

__all__ = ["RECORDS", "Backend", "Forward", "HealthCheck", "HealthKind", "Target", "Virtual"]

HealthKind = Literal["tcp", "http", "https", "command", "udp", "dns"]
RECORDS: Final = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28}  # of DNS


@dataclass(frozen=True, slots=True)
class Target:
    """Where packets end: a backend's address and port (host order)."""

    address: IPAddress
    port: int

    def __hash__(self) -> int:
        return hash((int(self.address), self.port))  # tables have thousands: an address's own takes longer

    def __lt__(self, other: "Target") -> bool:
        return self.order < other.order

    @property
    def order(self) -> tuple[int, int, int]:
        """What they are sorted by: many sort faster by a key than by comparing."""
        return self.address.version, int(self.address), self.port

    def __str__(self) -> str:
        host = canonical(self.address)
        return f"{host}:{self.port}" if isinstance(self.address, IPv4Address) else f"[{host}]:{self.port}"


@dataclass(frozen=True, slots=True)
class Backend:
    """A server behind a service; `port` is 0 for the service's own. With `weight` 0 it gets nothing new."""

    address: IPAddress
    port: int = 0
    weight: int = 1

    def target(self, port: int) -> Target:
        """Return where what comes to `port` of the service goes."""
        return Target(self.address, self.port or port)


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How each backend is asked; one `kind`, times in seconds.

    `path`, `host`, `status` (ranges, both ends included) and `match` (a regular expression for the body) are
    of http and https, `argv` is the command's, `send` and `match` udp's, `name` and `record` dns's. `port` is
    asked instead of the backend's own, 0 for that. With `alpha` a backend is down until it has proven itself.
    """

    kind: HealthKind
    interval: float = 1.0
    timeout: float = 1.0
    rise: int = 2
    fall: int = 3
    alpha: bool = False
    port: int = 0
    path: str = "/"
    host: str = ""
    status: tuple[tuple[int, int], ...] = ((200, 399),)
    match: str = ""
    ca_file: str = ""
    argv: tuple[str, ...] = ()
    send: bytes = b""
    name: str = ""
    record: str = "A"


@dataclass(frozen=True, slots=True)
class Forward:
    """How a service is balanced to `backends`.

    With `source` keep they see the clients' own addresses, and answer by way of the `gateways`, which move
    with the service's addresses: one for each family. `quorum` is the least sum of weights that is good
    enough; with less, new clients go to `sorry` of their family, if there is one.
    """

    backends: tuple[Backend, ...]
    gateways: tuple[IPAddress, ...] = ()
    source: Literal["keep", "masquerade"] = "keep"
    quorum: int = 1
    sorry: tuple[Backend, ...] = ()
    health: HealthCheck | None = None

    @property
    def is_stateless(self) -> bool:
        """Whether any node can go on with connections that another one began."""
        return self.source == "keep"


@dataclass(frozen=True, slots=True)
class Virtual:
    """What clients connect to: an address of a service, a protocol of IP (6 or 17), a port (host order)."""

    address: IPAddress
    protocol: int
    port: int

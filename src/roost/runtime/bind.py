"""Binding UDP and TCP to one address, and finding the address that others should use for it."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Final

from roost.protocols.machine import Endpoint

__all__ = [
    "BindError",
    "address_to_come",
    "advertised_host",
    "bind_pair",
    "endpoint_of",
    "is_missing",
    "sockaddr",
]

_BACKLOG: Final = 128
_RECEIVE_BUFFER: Final = 1 << 20  # bytes: some seconds of gossip while this process is not scheduled
_ATTEMPTS: Final = 16  # at a port that is free for both protocols, when the kernel chooses
_LOOK: Final = 0.5  # seconds between two looks for an address that is not there yet
_ELSEWHERE: Final = {socket.AF_INET: ("192.0.2.1", 9), socket.AF_INET6: ("2001:db8::1", 9)}  # never sent to


class BindError(Exception):
    """The membership's address cannot be used here; the text names the address and the cure."""


async def address_to_come(host: str, missing: Callable[[], None]) -> None:
    """Wait until this host has the IP address `host`, to bind to; `missing` is called once when it has not.

    At boot an address may come late: its link is not up yet, DHCP is slow, IPv6 looks for duplicates.
    """
    said = False
    while is_missing(host):
        if not said:
            missing()
            said = True
        await asyncio.sleep(_LOOK)


def is_missing(host: str) -> bool:
    """Tell whether this host has not got the IP address `host`, or not yet."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError as error:  # what else is wrong is told by the one who binds in earnest
        return error.errno == errno.EADDRNOTAVAIL
    return False


def bind_pair(endpoint: Endpoint) -> tuple[socket.socket, socket.socket, Endpoint]:
    """Return a UDP socket, a listening TCP socket, both non-blocking, and the endpoint they have.

    Port 0 takes one that is free for both. `::` takes IPv4 too. Raises BindError.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return _bind_pair(endpoint)
        except OSError as error:
            if endpoint.port == 0 and error.errno == errno.EADDRINUSE and attempt < _ATTEMPTS - 1:
                continue
            raise _bind_error(endpoint, error) from error
    raise AssertionError("unreachable: the last attempt returns or raises")


def _bind_pair(endpoint: Endpoint) -> tuple[socket.socket, socket.socket, Endpoint]:
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    tcp = socket.socket(family, socket.SOCK_STREAM)
    udp = socket.socket(family, socket.SOCK_DGRAM)
    try:
        for each in (tcp, udp):
            each.settimeout(0)  # never block
            if family == socket.AF_INET6:
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, endpoint.host != "::")
        # A restart must not wait for the connections of the process before it (TIME_WAIT).
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        tcp.bind((endpoint.host, endpoint.port))
        port = tcp.getsockname()[1]
        udp.bind((endpoint.host, port))
        tcp.listen(_BACKLOG)
    except BaseException:
        tcp.close()
        udp.close()
        raise
    return udp, tcp, Endpoint(endpoint.host, port)


def _bind_error(endpoint: Endpoint, error: OSError) -> BindError:
    cures = {
        errno.EADDRINUSE: "stop the process that holds it, or set membership.bind to a free port",
        errno.EADDRNOTAVAIL: "set membership.bind to an address of this host",
        errno.EACCES: "set membership.bind to a port above 1023, or run with CAP_NET_BIND_SERVICE",
    }
    reason = os.strerror(error.errno) if error.errno else str(error)
    cure = cures.get(error.errno or 0, "set membership.bind to another address")
    return BindError(f"cannot bind {endpoint} (UDP and TCP): {reason}; {cure}")


def advertised_host(bind: str) -> str:
    """Return the address that peers should use for a socket bound to the IP text `bind`.

    For 0.0.0.0 and :: that is the source address of the default route, else the first address of
    an interface other than lo. Raises BindError when the host has none.
    """
    if not ip_address(bind).is_unspecified:
        return bind
    families = (socket.AF_INET6, socket.AF_INET) if ":" in bind else (socket.AF_INET,)
    for family in families:
        if host := _routed_source(family) or _first_address(family):
            return host
    raise BindError(f"no address to advertise for {bind}; set membership.advertise, or bind to one address")


def _routed_source(family: socket.AddressFamily) -> str | None:
    """Return the source address that the kernel's routes choose; connecting UDP sends nothing."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE[family])
        except OSError:
            return None
        host: str = probe.getsockname()[0]
    return None if ip_address(host).is_loopback or ip_address(host).is_link_local else host


def _first_address(family: socket.AddressFamily) -> str | None:
    # Imported here: only hosts without a default route come this far.
    from pyroute2.iproute import IPRoute  # noqa: PLC0415

    with IPRoute() as netlink:
        for message in netlink.get_addr(family=int(family)):
            text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
            address = ip_address(text)
            if not (address.is_loopback or address.is_link_local):
                return str(address)
    return None


def endpoint_of(address: tuple[str, int] | tuple[str, int, int, int]) -> Endpoint:
    """Return the endpoint of a socket address: no zone, IPv4-mapped as IPv4."""
    host = address[0]
    if ":" in host:
        parsed = IPv6Address(host.partition("%")[0])
        host = str(parsed.ipv4_mapped or parsed)
    return Endpoint(host, address[1])


def sockaddr(endpoint: Endpoint, family: socket.AddressFamily) -> tuple[str, int]:
    """Return what a socket of `family` needs to reach `endpoint`.

    Raises OSError (EAFNOSUPPORT) for an IPv6 endpoint and an IPv4 socket.
    """
    if family == socket.AF_INET6 and ":" not in endpoint.host:
        return f"::ffff:{endpoint.host}", endpoint.port
    if family == socket.AF_INET and ":" in endpoint.host:
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
    return endpoint.host, endpoint.port

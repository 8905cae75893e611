"""A balanced service against the host that it is to run on: its links and their subnets."""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Interface, IPv6Interface
from typing import Literal

from roost.model.forwarding import Forward
from roost.standalone.config import ServiceConfig
from roost.standalone.problems import Finding

__all__ = ["against_host"]

_Local = tuple[str, IPv4Interface | IPv6Interface]
_Found = tuple[Literal["error", "warning"], str, Finding]


def against_host(
    service: ServiceConfig,
    forward: Forward,
    local: Sequence[_Local],
    connected: Sequence[IPv4Interface | IPv6Interface],
) -> Iterator[_Found]:
    """Yield (severity, field below the service, finding) for what does not fit this host.

    `local` are all its addresses by interface, `connected` those of the interfaces that announce the service.
    """
    held = {own.ip: name for name, own in reversed(local)}
    for number, backend in enumerate(forward.backends):
        if holder := held.get(backend.address):
            cause = (
                f"{backend.address} is this host's own address on {holder}, and nothing is forwarded to it"
            )
            yield "error", f"backends[{number}]", Finding(cause, "use deliver: local, or another server")
    for gateway in forward.gateways:
        if holder := held.get(gateway):
            finding = Finding(f"{gateway} is this host's own address on {holder}", "use a free address")
            yield "error", "forward.gateway", finding
            continue
        networks = [each.network for each in connected if gateway in each.network]
        if not networks:
            cause = f"{gateway} is in no subnet of the announcing interfaces here: no backend will find it"
            cure = "use a free address of the backends' subnet, and name their interface in interfaces"
            yield "warning", "forward.gateway", Finding(cause, cure)
            continue
        for number, backend in enumerate(forward.backends):
            if backend.address.version == gateway.version and not any(
                backend.address in network for network in networks
            ):
                cause = f"{backend.address} is not in the gateway's subnet, {networks[0]}"
                cure = f"its answers to all clients must come by way of {gateway}"
                yield "warning", f"backends[{number}]", Finding(cause, cure)
        for number, address in enumerate(service.addresses):
            if any(address in network for network in networks):
                cause = (
                    f"{address} is in the backends' subnet, {networks[0]}: clients there get their answers "
                    f"past this node, and take them for nobody's"
                )
                cure = "use source: masquerade, or a subnet of their own for the backends"
                yield "warning", f"addresses[{number}]", Finding(cause, cure)

"""Virtual servers of one service as its `deliver: forward`."""

from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_network
from typing import Final

from roost.keepalived.balancing import Backend, Balanced
from roost.keepalived.fields import Address
from roost.keepalived.places import Place, Remarks
from roost.keepalived.yaml_text import Block, Blocks, Field, Plain

__all__ = ["forwarded", "gateway_among"]


_PAIR: Final = 2  # an address that clients come to, and the gateway


def gateway_among(servers: Sequence[Balanced], addresses: Sequence[Address]) -> Address | None:
    """Return the address that is the real servers' gateway: with NAT, the one in their subnet.

    With more addresses beside it nobody could tell of a packet from a server whose it is.
    """
    entrances = {address for server in servers for address, _ in server.entrances}
    backends = [ip_address(each.address) for server in servers for each in server.backends]
    if not backends or any(server.method not in ("NAT", "") for server in servers):
        return None
    for address in addresses if len(addresses) == _PAIR else ():
        text, length, _ = address
        whole = length in (32, 128)
        network = ip_network(f"{text}/{(24 if '.' in text else 64) if whole else length}", strict=False)
        if text not in entrances and all(each in network for each in backends):
            return address
    return None


def forwarded(
    servers: list[Balanced], gateway: Address | None, addresses: Sequence[str], remarks: Remarks
) -> Iterator[Field]:
    """Yield the keys of a service that balances as `servers` do; where they differ, the first one counts."""
    servers = [each for each in servers if _usable(each, remarks)]
    if not servers:
        return
    first = servers[0]
    backends = _backends(first)
    alike = [first, *(each for each in servers[1:] if _alike(each, first, backends, remarks))]
    ports: dict[tuple[int, str], None] = {}
    for server in alike:
        ports |= {(port, server.protocol): None for address, port in server.entrances if address in addresses}
    entered = {address for server in alike for address, _ in server.entrances}
    for address in addresses:
        if address not in entered:
            remarks.changed(
                first.place,
                first.title,
                f"{address} is balanced in the same way: all addresses of a service are",
            )
    yield Field("deliver", "forward", (first.place,))
    listed: tuple[Plain, ...] = tuple({"port": port, "protocol": protocol} for port, protocol in ports)
    yield Field("ports", listed, tuple(each.place for each in alike))
    yield Field("backends", Blocks(tuple(map(_backend, backends, first.backends.values()))))
    yield Field("forward", Block(tuple(_settings(first, gateway, remarks))))


def _usable(server: Balanced, remarks: Remarks) -> bool:
    if not server.backends:
        remarks.lost(server.place, server.title, "has no real_server that can be read")
    elif not all(port for _, port in server.entrances):
        remarks.lost(server.place, server.title, "names no port; Roost balances ports that are named")
    else:
        return True
    return False


def _alike(server: Balanced, first: Balanced, backends: list[Backend], remarks: Remarks) -> bool:
    if sorted(_backends(server)) != sorted(backends):
        why = (
            f"goes to other backends or ports than line "
            f"{first.place.line}; give it an address and a service of its own"
        )
        remarks.lost(server.place, server.title, why)
        return False
    if (server.health, server.quorum, server.sorry) != (first.health, first.quorum, first.sorry):
        why = f"backends are checked once for all ports of a service: as line {first.place.line} says"
        remarks.changed(server.place, server.title, why)
    return True


def _backends(server: Balanced) -> list[Backend]:
    """Return the backends; a port that is the virtual server's own is 0."""
    ports = {port for _, port in server.entrances}
    return [
        Backend(each.address, 0 if {each.port} == ports else each.port, each.weight)
        for each in server.backends
    ]


def _backend(backend: Backend, place: Place) -> Block:
    keys: dict[str, Plain] = {"address": backend.address}
    if backend.port:
        keys["port"] = backend.port
    if backend.weight != 1:
        keys["weight"] = backend.weight
    return Block(small=keys, places=(place,))


def _settings(server: Balanced, gateway: Address | None, remarks: Remarks) -> Iterator[Field]:
    if gateway:
        yield Field("gateway", gateway[0], (gateway[2],))
        yield Field("source", "keep")
        remarks.changed(
            gateway[2],
            gateway[0],
            "is the gateway of the backends: it moves with the service, and is in no advert",
        )
    else:
        yield Field("source", "masquerade", (server.method_place,) if server.method_place else ())
        why = (
            "backends see this node's address instead of the client's; "
            "`source: keep` needs a gateway in their subnet"
        )
        remarks.changed(server.method_place or server.place, f"lb_kind {server.method}", why)
    if server.health:
        yield Field("health", server.health.keys, (server.health.place,))
    if server.quorum:
        yield Field("quorum", server.quorum[0], (server.quorum[1],))
    if server.sorry:
        sorry: dict[str, Plain] = {"address": server.sorry.address}
        if server.sorry.port:
            sorry["port"] = server.sorry.port
        yield Field("sorry", sorry)

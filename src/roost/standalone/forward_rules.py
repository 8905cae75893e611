"""Rules that span several keys of balanced services, on a file that is good otherwise."""

from collections import Counter
from collections.abc import Collection, Iterator
from ipaddress import ip_address
from typing import Final

from roost.model.address import IPAddress, canonical
from roost.model.forwarding import Backend, Forward, Target
from roost.standalone.config import ServiceConfig, SpeakerConfig
from roost.standalone.document import Document, Found, Path
from roost.standalone.problems import Finding

__all__ = ["forward_findings", "idle_backends"]

_OF_FORWARD: Final = ("backends", "forward")
_ALIKE: Final = ("nodes", "interfaces", "election", "failback", "track", "sharing")  # of a shared gateway


def forward_findings(config: SpeakerConfig, document: Document) -> Iterator[Found]:
    """Yield what is wrong with `deliver: forward`, each with its place."""
    rules = _Rules(config, document)
    for at, service in enumerate(config.services):
        if service.forward is None:
            yield from rules.useless(at)
            continue
        if service.sharing is not None:
            yield rules.shared(at)
        yield from rules.ports(at, service)
        yield from rules.backends(at, service, service.forward)
        yield from rules.gateways(at, service, service.forward)
    yield from rules.ways_back()
    yield from rules.shared_gateways()


def idle_backends(document: Document) -> Iterator[Found]:
    """Yield what only `deliver: forward` uses, where the file says `local` on purpose."""
    services = document.get(("services",))
    for at, service in enumerate(services.value if services is not None else ()):
        deliver = service.value.get("deliver")
        for key in _OF_FORWARD if deliver is not None and deliver.value == "local" else ():
            if service.value.get(key) is not None:
                where: Path = ("services", at, key)
                cause = "has no effect with deliver: local"
                yield where, document.key_spot(where), Finding(cause, "write deliver: forward to use it")


class _Rules:
    def __init__(self, config: SpeakerConfig, document: Document) -> None:
        self._config = config
        self._document = document
        self._served = {address: each.name for each in config.services for address in each.addresses}
        self._bind = ip_address(config.membership.bind.host) if config.membership else None

    def useless(self, at: int) -> Iterator[Found]:
        if self._document.get(("services", at, "deliver")):
            return  # on purpose (`idle_backends`)
        for key in _OF_FORWARD:
            if self._document.get(("services", at, key)):
                yield self._found(
                    (at, key), "is of deliver: forward alone", "write deliver: forward, or remove it"
                )

    def shared(self, at: int) -> Found:
        return self._found(
            (at, "sharing"),
            "stands beside deliver: forward, where one node balances",
            "remove one of the two",
        )

    def ports(self, at: int, service: ServiceConfig) -> Iterator[Found]:
        if not service.ports:
            yield self._found((at, "deliver"), "needs to know the ports", "add ports: [{port: 80}]")
        counts = Counter(service.ports)
        for number, port in enumerate(service.ports):
            where = (at, "ports", number)
            if port.protocol == "SCTP":
                yield self._found(where, "SCTP cannot be balanced", "use TCP or UDP, or deliver: local")
            if counts[port] > 1 and service.ports.index(port) < number:
                yield self._found(where, f"{port.protocol} port {port.port} is there already", "remove one")

    def backends(self, at: int, service: ServiceConfig, forward: Forward) -> Iterator[Found]:
        if not forward.backends:
            yield self._found((at, "deliver"), "has nobody to forward to", "add backends: [{address: ...}]")
        versions = {address.version for address in service.addresses}
        first: dict[tuple[IPAddress, int], int] = {}
        for number, backend in enumerate(forward.backends):
            where = (at, "backends", number)
            yield from self._family(where, backend.address, versions)
            if (known := first.setdefault((backend.address, backend.port), number)) != number:
                yield self._found(where, f"is backend {known} again", "keep one of the two")
            if backend.address in self._served:
                cause = f"{backend.address} is an address of service {self._served[backend.address]}"
                yield self._found(where, cause, "use the server's own address")
        for backend in forward.sorry:
            yield from self._family((at, "forward", "sorry"), backend.address, versions)
        covered = {each.address.version for each in forward.backends}
        for number, address in enumerate(service.addresses):
            if forward.backends and address.version not in covered:
                cause = f"no backend is IPv{address.version}: {canonical(address)} would lead nowhere"
                yield self._found(
                    (at, "addresses", number), cause, "add one, or make it a service of its own"
                )

    def gateways(self, at: int, service: ServiceConfig, forward: Forward) -> Iterator[Found]:
        where = (at, "forward", "gateway")
        if not forward.is_stateless:
            if forward.gateways:
                yield self._found(where, "has no use with source: masquerade", "remove one of the two")
            return
        versions = [address.version for address in forward.gateways]
        for address in forward.gateways:
            yield from self._family(where, address, {each.version for each in service.addresses})
            taken = {each.address: "a backend" for each in (*forward.backends, *forward.sorry)} | {
                each: f"an address of service {name}" for each, name in self._served.items()
            }
            if self._bind:
                taken[self._bind] = "this node's own address (membership.bind)"
            if address in taken:
                yield self._found(where, f"{address} is {taken[address]}", "use a free address")
            if versions.count(address.version) > 1:
                yield self._found(where, f"has two of IPv{address.version}", "keep one")
                break
        for version in sorted({address.version for address in service.addresses} - set(versions)):
            cause = f"lacks a gateway of IPv{version}, by which backends answer clients that they see"
            cure = "add forward.gateway, or write source: masquerade"
            yield self._found((at, "forward", "gateway"), cause, cure)

    def ways_back(self) -> Iterator[Found]:
        """Yield backends whose packets could be of two services: nobody could tell whose a connection is."""
        first: dict[tuple[Target, str], tuple[IPAddress, int]] = {}
        for at, service in enumerate(self._config.services):
            forward = service.forward
            if forward is None or not forward.is_stateless:
                continue
            told: set[tuple[str | int, ...]] = set()
            for where, backend in _with_places(at, forward):
                for address, port in (
                    (address, port)
                    for address in service.addresses
                    for port in service.ports
                    if address.version == backend.address.version
                ):
                    target = backend.target(port.port)
                    known = first.setdefault((target, port.protocol), (address, port.port))
                    if known != (address, port.port) and where not in told:
                        told.add(where)
                        cause = (
                            f"{target} answers for {canonical(known[0])} port {known[1]} already: of a "
                            f"packet in mid-stream nobody could tell whose it is"
                        )
                        yield self._found(
                            where,
                            cause,
                            "give each address and port its own backend port, or source: masquerade",
                        )

    def shared_gateways(self) -> Iterator[Found]:
        """Yield services that share a gateway and might be led by different nodes."""
        first: dict[IPAddress, int] = {}
        for at, service in enumerate(self._config.services):
            for gateway in service.forward.gateways if service.forward else ():
                other = first.setdefault(gateway, at)
                for key in _ALIKE:
                    if self._plain(at, key) != self._plain(other, key):
                        name = self._config.services[other].name
                        cause = f"shares {gateway} with {name}, and {key} differs: two nodes might lead them"
                        yield self._found((at, "forward", "gateway"), cause, f"give both the same {key}")

    def _family(
        self, where: tuple[str | int, ...], address: IPAddress, versions: Collection[int]
    ) -> Iterator[Found]:
        if address.version not in versions:
            cause = f"{address} is IPv{address.version}, and no address of this service is"
            yield self._found(where, cause, "use one family, or add an address of the other")

    def _plain(self, at: int, key: str) -> object:
        node = self._document.get(("services", at, key))
        return node.plain() if node else None

    def _found(self, below: tuple[str | int, ...], cause: str, cure: str) -> Found:
        path: Path = ("services", *below)
        return path, self._document.find(path)[1], Finding(cause, cure)


def _with_places(at: int, forward: Forward) -> Iterator[tuple[tuple[str | int, ...], Backend]]:
    for number, backend in enumerate(forward.backends):
        yield (at, "backends", number), backend
    for backend in forward.sorry:
        yield (at, "forward", "sorry"), backend

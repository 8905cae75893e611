"""`election: {vrrp: ...}` of a service: what it means, and the rules that span several of its keys."""

from collections.abc import Iterator, Sequence
from typing import Final, Literal, cast

from roost.model.eligibility import interface_allowed
from roost.model.virtual_router import VirtualRouter
from roost.protocols.vrrp.packet import CENTISECONDS, password
from roost.standalone import values
from roost.standalone.config import ServiceConfig, SpeakerConfig
from roost.standalone.document import Document, Found, Path
from roost.standalone.problems import Finding
from roost.standalone.schema import VrrpSection

__all__ = ["advice", "contradictions", "virtual_router"]

_LONGEST: Final = {2: 255.0, 3: 40.95}  # seconds, as the wire has it


def virtual_router(section: VrrpSection) -> VirtualRouter:
    """Return what the decider is told."""
    delay = 0.0 if isinstance(section.preempt, bool) else section.preempt
    return VirtualRouter(
        vrid=section.vrid,
        version=cast("Literal[2, 3]", section.version),
        priority=section.priority,
        interval=round(section.interval * CENTISECONDS),
        interface=section.interface,
        preempt=section.preempt is not False,
        preempt_delay=delay,
        peers=tuple(section.peers),
        virtual_mac=section.virtual_mac,
        auth=password(section.auth.password) if section.auth else None,
        plain_checksum=section.checksum == "rfc9568",
        group=section.group,
    )


def contradictions(config: SpeakerConfig, document: Document) -> Iterator[Found]:
    """Yield what cannot be as the file has it."""
    for at, service in enumerate(config.services):
        path: Path = ("services", at)
        if service.vrrp is None:
            yield from _link_local(service, path, document)
        else:
            if service.sharing is not None:
                cause = "stands beside election: vrrp, where one master answers everybody"
                yield _found(document, (*path, "sharing"), cause, "remove one of the two")
            yield from _version_2(service, service.vrrp, path, document)
            yield from _interval(service.vrrp, path, document)
            yield from _families(service, service.vrrp, path, document)
            yield from _interface(config, service, service.vrrp, path, document)
            yield from _twins(config, at, service, service.vrrp, document)
            yield from _group(config, at, service.vrrp, document)


def advice(config: SpeakerConfig, document: Document) -> Iterator[Found]:
    """Yield what is allowed, and better done otherwise."""
    known = {target.host for target in config.membership.join} if config.membership else set()
    for at, service in enumerate(config.services):
        router = service.vrrp
        if router is None:
            continue
        if router.peers and {str(each) for each in router.peers} <= known:
            cause = "has peers that all run Roost (membership.join)"
            cure = "election: hash finds a dead node sooner and breaks no connections when the lead moves"
            yield _found(document, ("services", at, "election", "vrrp", "peers"), cause, cure)
        if router.version == 2 and router.plain_checksum:
            cause = "has no effect: version 2 has one checksum"
            yield _found(document, ("services", at, "election", "vrrp", "checksum"), cause, "remove it")


def _link_local(service: ServiceConfig, path: Path, document: Document) -> Iterator[Found]:
    for number, address in enumerate(service.addresses):
        if address.is_link_local:
            cause = f"{address} is a link-local address, which only a service with election: vrrp may have"
            cure = "use an address of the clients' subnet"
            yield _found(document, (*path, "addresses", number), cause, cure)


def _version_2(
    service: ServiceConfig, router: VirtualRouter, path: Path, document: Document
) -> Iterator[Found]:
    if router.version == 3 and router.auth is not None:
        cause, cure = "is not known to version 3", "remove it, or write version: 2"
        yield _found(document, (*path, "election", "vrrp", "auth"), cause, cure)
    for number, address in enumerate(service.addresses):
        if router.version == 2 and address.version == 6:
            cause = f"{address} cannot be in VRRP version 2, which is IPv4's"
            yield _found(
                document, (*path, "addresses", number), cause, "write version: 3, here and on the peers"
            )


def _interval(router: VirtualRouter, path: Path, document: Document) -> Iterator[Found]:
    seconds = router.interval / CENTISECONDS
    where = (*path, "election", "vrrp", "interval")
    node = document.get(where)
    exact = values.duration(0, 255)(node.value) if node else seconds
    if seconds > _LONGEST[router.version]:
        cause = f"{seconds:g} s is longer than version {router.version} can say"
        yield _found(document, where, cause, f"write {_LONGEST[router.version]:g}s or less")
    elif router.version == 2 and not seconds.is_integer():
        cause = f"{exact:g} s is not a number of whole seconds, as version 2 needs"
        yield _found(document, where, cause, "write 1s, or version: 3")
    elif abs(exact - seconds) > 1e-9:
        cause = f"{exact:g} s is not a number of whole centiseconds, as the wire has it"
        yield _found(document, where, cause, f"write {seconds:g}s")


def _interface(
    config: SpeakerConfig, service: ServiceConfig, router: VirtualRouter, path: Path, document: Document
) -> Iterator[Found]:
    """Yield an error where adverts could not go out, or the virtual hardware address would be elsewhere."""
    where = (*path, "election", "vrrp", "interface")
    if not router.interface:
        return
    if not interface_allowed(config.interfaces, router.interface):
        yield _found(document, where, f"{router.interface} is not among interfaces", "add it there")
    elif router.virtual_mac and not interface_allowed(service.interfaces, router.interface):
        cause = f"{router.interface} is not among this service's interfaces, and virtualMac is on it alone"
        yield _found(document, where, cause, "add it there, or leave out virtualMac")


def _families(
    service: ServiceConfig, router: VirtualRouter, path: Path, document: Document
) -> Iterator[Found]:
    have = {each.version for each in router.peers}
    for family in sorted({each.version for each in service.addresses} - have) if have else ():
        cause = f"names no IPv{family} peer, but the service has IPv{family} addresses"
        yield _found(
            document, (*path, "election", "vrrp", "peers"), cause, f"add the peers' IPv{family} addresses"
        )


def _twins(
    config: SpeakerConfig, at: int, service: ServiceConfig, router: VirtualRouter, document: Document
) -> Iterator[Found]:
    """Yield an error where an earlier service has the same VRID for the same family on the same link."""
    mine = {each.version for each in service.addresses}
    for other in config.services[:at]:
        its = other.vrrp
        if its is None or its.vrid != router.vrid or not mine & {each.version for each in other.addresses}:
            continue
        if its.interface == router.interface or not its.interface or not router.interface:
            cause = f"{router.vrid} is the vrid of service {other.name}, too"
            cure = "give each its own; or one service both addresses"
            yield _found(document, ("services", at, "election", "vrrp", "vrid"), cause, cure)


def _group(config: SpeakerConfig, at: int, router: VirtualRouter, document: Document) -> Iterator[Found]:
    """Yield an error where services of one group would not agree on who leads."""
    others = (each for each in config.services[:at] if each.vrrp and each.vrrp.group == router.group)
    first = next(others, None) if router.group else None
    if first is None or first.vrrp is None:
        return
    for key in ("priority", "preempt", "interval"):
        if _deciding(first.vrrp, key) != _deciding(router, key):
            path: Path = ("services", at, "election", "vrrp")
            where = (*path, key) if document.get((*path, key)) else path
            cause = f"moves with {first.name} (group {router.group}), whose {key} is another one"
            yield _found(document, where, cause, f"give both the same {key}")


def _deciding(router: VirtualRouter, key: str) -> Sequence[object]:
    return (router.preempt, router.preempt_delay) if key == "preempt" else (getattr(router, key),)


def _found(document: Document, path: Path, cause: str, cure: str) -> Found:
    found, spot = document.find(path)
    return found, spot, Finding(cause, cure)

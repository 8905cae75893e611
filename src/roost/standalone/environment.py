"""A valid configuration against the host it is to run on; asked at start and when links change."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_address
from typing import Any, Final, Literal

from roost.model.address import IPAddress
from roost.model.diagnosis.firewall import ONWARD_CURE, passed_on_dropped
from roost.model.eligibility import interface_allowed
from roost.runtime.forward_obstacles import obstacles
from roost.standalone.config import ServiceConfig, SpeakerConfig
from roost.standalone.forward_host import against_host
from roost.standalone.problems import Finding, Problem, Spot
from roost.standalone.track import absent

__all__ = ["LOOPBACK", "IPInterface", "absences", "environment_problems", "firewalls", "why_elsewhere"]

IPInterface = IPv4Interface | IPv6Interface

LOOPBACK: Final = "lo"  # addresses there are ours: Roost itself puts service addresses on it


def environment_problems(
    config: SpeakerConfig, local: Sequence[tuple[str, IPInterface]], links: Collection[str] = ()
) -> tuple[Problem, ...]:
    """Return what does not fit this host, in the order of the file.

    `local` are (interface name, address with prefix) of this host; `links` names interfaces that have
    no address. An error means that the service with that address must not be announced from here; a
    warning changes nothing.
    """
    real = [(name, address) for name, address in local if name != LOOPBACK]
    names = {name for name, _ in real}.union(links)
    found = [
        *_absent(config, names, "interfaces", config.interfaces),
        *_kernel(config),
        *(
            problem
            for at, service in enumerate(config.services)
            for problem in _service_problems(config, at, service, real, names)
        ),
    ]
    return tuple(sorted(found, key=lambda problem: (problem.line, problem.column)))


def absences(config: SpeakerConfig, links: Collection[str]) -> tuple[Problem, ...]:
    """Return what checks need and this host lacks now, in the order of the file.

    `links` names all interfaces. It is for who looks once: a speaker that runs tells how its checks are.
    """
    return tuple(
        _problem("warning", config, f"services[{at}].track[{number}].{key}", finding)
        for at, service in enumerate(config.services)
        for number, check in enumerate(service.track)
        for key, finding in absent(check, links)
    )


def firewalls(
    config: SpeakerConfig, ruleset: Sequence[Mapping[str, Any]] | None, links: Collection[str]
) -> tuple[Problem, ...]:
    """Return what of this host's rules (`nft -j list ruleset`) drops connections that are passed on.

    `links` names all interfaces. It is for who looks once: listing the rules takes a while.
    """
    announcing = [each for each in links if interface_allowed(config.interfaces, each) and each != LOOPBACK]
    if ruleset is None or not config.keep_connections or config.membership is None:
        return ()
    for at, service in enumerate(config.services):
        where = None if service.forward else passed_on_dropped(ruleset, service.addresses, announcing)
        if where is not None:
            cause = (
                f"this host's firewall ({where}) drops what is passed on to the node that has them: "
                "connections break when the address moves here"
            )
            return (_problem("warning", config, f"services[{at}].addresses", Finding(cause, ONWARD_CURE)),)
    return ()


def why_elsewhere(
    config: SpeakerConfig, local: Sequence[tuple[str, IPInterface]], hostname: str
) -> str | None:
    """Return why the host with these addresses is not the one that `config` is for, or None when it is.

    The address that membership is bound to tells; without one, the node's name.
    """
    bound = ip_address(config.membership.bind.host) if config.membership else None
    if bound is None or bound.is_unspecified:
        return None if config.node == hostname else f"its name is not {config.node} (node)"
    if any(own.ip == bound for _, own in local):
        return None
    return f"it lacks {bound} (membership.bind)"


def _service_problems(
    config: SpeakerConfig,
    at: int,
    service: ServiceConfig,
    local: Sequence[tuple[str, IPInterface]],
    names: Collection[str],
) -> Iterator[Problem]:
    yield from _absent(config, names, f"services[{at}].interfaces", service.interfaces)
    connected = [
        address
        for name, address in local
        if interface_allowed(config.interfaces, name) and interface_allowed(service.interfaces, name)
    ]
    for number, address in enumerate(service.addresses):
        field = f"services[{at}].addresses[{number}]"
        holder = next((name for name, own in local if own.ip == address), None)
        networks = [each.network for each in connected if _holds(each.network, address)]
        if holder is not None:
            finding = Finding(f"{address} is this host's own address on {holder}", "use a free address")
            yield _problem("error", config, field, finding)
        elif any(_is_broadcast(address, network) for network in networks):
            finding = Finding(f"{address} is a subnet's broadcast address", "use a free address")
            yield _problem("error", config, field, finding)
        elif any(_names_subnet(address, network) for network in networks):
            finding = Finding(f"{address} stands for a subnet itself", "use a free address")
            yield _problem("error", config, field, finding)
        elif not networks:
            yield _problem("warning", config, field, _outside(address, connected))
    if service.forward:
        for severity, below, finding in against_host(service, service.forward, local, connected):
            yield _problem(severity, config, f"services[{at}].{below}", finding)


def _kernel(config: SpeakerConfig) -> Iterator[Problem]:
    """Yield what on this host is in the way of connections that are forwarded: once, at the first service."""
    at = next((at for at, service in enumerate(config.services) if service.forward), None)
    if at is not None:
        versions = {
            each.version for service in config.services if service.forward for each in service.addresses
        }
        for cause, cure in obstacles(versions):
            yield _problem("warning", config, f"services[{at}].deliver", Finding(cause, cure))


def _outside(address: IPAddress, connected: Sequence[IPInterface]) -> Finding:
    """Return what to say of an address in no subnet; where there is none, that is the same for all."""
    if any(each.version == address.version and not each.is_link_local for each in connected):
        return Finding(
            f"{address} is in no subnet of the announcing interfaces here",
            "routers must send it to this LAN; else use an address of the clients' subnet",
        )
    return Finding(
        f"no announcing interface here has an IPv{address.version} address now",
        "give it one, or routers must send the service addresses to this LAN",
    )


def _absent(
    config: SpeakerConfig, names: Collection[str], field: str, patterns: tuple[str, ...] | None
) -> Iterator[Problem]:
    for at, pattern in enumerate(patterns or ()):
        if not any(interface_allowed((pattern,), name) for name in names):
            finding = Finding(f"{pattern!r} matches no interface now", "it is used as soon as one appears")
            yield _problem("warning", config, f"{field}[{at}]", finding)


def _holds(network: IPv4Network | IPv6Network, address: IPAddress) -> bool:
    return network.version == address.version and network.num_addresses > 1 and address in network


def _is_broadcast(address: IPAddress, network: IPv4Network | IPv6Network) -> bool:
    return network.version == 4 and network.num_addresses > 2 and address == network.broadcast_address


def _names_subnet(address: IPAddress, network: IPv4Network | IPv6Network) -> bool:
    """Tell whether all bits for hosts are 0: IPv4's network, IPv6's routers (RFC 4291 section 2.6.1)."""
    return network.num_addresses > 2 and address == network.network_address


def _problem(
    severity: Literal["error", "warning"], config: SpeakerConfig, field: str, finding: Finding
) -> Problem:
    spot = config.spots.get(field, Spot())
    return Problem(severity, config.file, spot.line, spot.column, field, finding.cause, finding.cure)

"""Short ways to write links, members and services: node n3 is at 192.0.2.13 and 02:00:00:00:00:03."""

from dataclasses import replace
from ipaddress import ip_address, ip_interface
from typing import Any

from tests.unit.model.builders import EVERYWHERE

from roost.decide.members import ClusterMember
from roost.model.link import Link
from roost.model.node import Verdict
from roost.model.service import Service
from roost.protocols.machine import Endpoint
from roost.protocols.words.metadata import Metadata

__all__ = ["endpoint", "link", "mac", "member", "own_address", "service"]


def mac(number: int) -> bytes:
    return bytes((2, 0, 0, 0, 0, number))


def own_address(number: int) -> str:
    return f"192.0.2.{10 + number}"


def endpoint(number: int) -> Endpoint:
    return Endpoint(own_address(number), 7946)


def link(number: int = 1, *, address: str | None = None, **changed: Any) -> Link:
    """The link eth0 of node `number`, with other facts as told."""
    text = f"{own_address(number)}/24" if address is None else address
    addresses = tuple(ip_interface(each) for each in text.split())
    return replace(
        Link(2, "eth0", mac(number), up=True, carrier=True, broadcast=True, no_arp=False, loopback=False),
        addresses=addresses,
        **changed,
    )


def member(
    number: int, verdict: Verdict = Verdict.ALIVE, *, since: float = 0.0, **told: Any
) -> ClusterMember:
    """Node `number` as gossip has it; `told` is what else its metadata says."""
    metadata = Metadata(
        macs=(mac(number),), addresses=(ip_address(own_address(number)),), interfaces=("eth0",)
    )
    told_all = replace(metadata, **told)
    evidence = f"{verdict.value} it seems"
    return ClusterMember(f"n{number}", endpoint(number), verdict, since, 1, evidence, told_all)


def service(addresses: str, name: str = "web", **changed: Any) -> Service:
    """A service whose addresses no host has to terminate, announced everywhere."""
    found = tuple(ip_address(text) for text in addresses.split())
    return replace(Service(name, found, (EVERYWHERE,), deliver="external"), **changed)

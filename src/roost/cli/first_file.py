"""What `roost init` writes: the choice among this host's links, and the text of a first roost.yaml."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from roost.cli.schema import editor_line
from roost.keepalived.yaml_text import Block, Blocks, Field, printed
from roost.model.address import IPAddress
from roost.model.link import Interface, Link, why_silent
from roost.protocols.machine import Endpoint

__all__ = ["Draft", "VipGroup", "choose_interface", "first_address", "text_of"]


@dataclass(frozen=True, slots=True)
class VipGroup:
    """Addresses that stay together, a service; without a `name` it is counted."""

    name: str
    addresses: tuple[IPAddress, ...]

    def __str__(self) -> str:
        listed = ",".join(map(str, self.addresses))
        return f"{self.name}={listed}" if self.name else listed


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything that a first configuration says."""

    node: str
    link: Link
    bind: Endpoint
    groups: tuple[VipGroup, ...]
    join: tuple[Endpoint, ...] = ()
    key_file: Path | None = None

    def named_groups(self) -> Iterator[VipGroup]:
        """Yield the services, each with a name: nodes agree on a service by it."""
        for number, group in enumerate(self.groups, 1):
            yield VipGroup(group.name or f"service-{number}", group.addresses)


def choose_interface(
    links: Sequence[Link], name: str | None, bind: Endpoint | None, default_source: str | None
) -> tuple[Link, ...]:
    """Return the links that can announce and are asked for, by name or by the address to bind to.

    Where neither is given and several can, the one with `default_source` is taken, if there is one.
    """
    able = tuple(link for link in links if not why_silent(link, None) and _usable(link))
    if name is not None:
        return tuple(link for link in able if link.name == name)
    if bind is not None and not ip_address(bind.host).is_unspecified:
        return tuple(link for link in able if _has(link, bind.host))
    usual = tuple(link for link in able if default_source is not None and _has(link, default_source))
    return usual or able


def first_address(link: Link) -> Interface:
    """Return the address that gossip uses unless told otherwise: IPv4 before IPv6."""
    return min(_usable(link), key=lambda each: each.version)


def text_of(draft: Draft) -> str:
    """Return the configuration's text, with comments for who reads it first."""
    membership = [Field("bind", str(draft.bind), note="UDP and TCP, open between the nodes")]
    if draft.join:
        membership.append(Field("join", [str(each) for each in draft.join], note="one that lives is enough"))
    if draft.key_file:
        membership.append(Field("keyFile", str(draft.key_file), note="the same on every node"))
    services = tuple(
        Block((Field("name", group.name), Field("addresses", [str(each) for each in group.addresses])))
        for group in draft.named_groups()
    )
    networks = ", ".join(str(each.network) for each in _usable(draft.link))
    fields = (
        Field("node", draft.node),
        Field("interfaces", [draft.link.name], note=networks),
        Field("membership", Block(tuple(membership))),
        Field("services", Blocks(services), note="the same on every node"),
    )
    return "\n".join(
        (
            editor_line(),
            "# Made by `roost init`; check it after a change with `roost check`.",
            *printed(fields, ""),
            "",
        )
    )


def _usable(link: Link) -> tuple[Interface, ...]:
    return tuple(each for each in link.addresses if not each.is_link_local)


def _has(link: Link, address: str) -> bool:
    return any(each.ip == ip_address(address) for each in link.addresses)

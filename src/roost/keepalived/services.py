"""Their instances as our services: who moves together, what is left out, and who is balanced."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from roost.keepalived.balancing import Balanced
from roost.keepalived.fields import Address, Fields
from roost.keepalived.instances import Group, Instance
from roost.keepalived.places import Remarks
from roost.keepalived.yaml_text import Block

__all__ = [
    "Service",
    "Wishes",
    "assign",
    "by_family",
    "can_stand",
    "join_groups",
    "plain",
    "services",
    "standing_alone",
]

_NOT_A_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What their file does not say: this node's name ("" for what it is called), how leaders are found.

    With `hash`, nodes find each other by gossip: `bind` and `join` are as in `membership`; empty ones come
    from the addresses of unicast adverts.
    """

    node: str = ""
    election: Literal["hash", "vrrp"] = "vrrp"
    bind: str = ""
    join: tuple[str, ...] = ()


@dataclass(slots=True)
class Service:
    """One of our services: the instances that it is made of (more than one with hash, in a sync group)."""

    name: str
    parts: list[Instance]
    track: list[Block] = field(default_factory=list)
    raised: int = 0
    servers: list[Balanced] = field(default_factory=list)

    @property
    def addresses(self) -> list[Address]:
        """The addresses of all its instances."""
        return [address for part in self.parts for address in part.addresses]


def services(instances: list[Instance], wishes: Wishes) -> list[Service]:
    """Return a service for each instance; with hash, one for all of a group: so they move together."""
    taken: set[str] = set()
    made: dict[str, Service] = {}
    for each in instances:
        together = wishes.election == "hash" and each.group
        key = f"group {each.group}" if together else f"instance {each.name} {each.place}"
        if key in made:
            made[key].parts.append(each)
        else:
            made[key] = Service(_name(each.group if together else each.name, taken), [each])
    return list(made.values())


def plain(text: str) -> str:
    """Return a name of ours for one of theirs."""
    return _NOT_A_NAME.sub("-", text)[:200].strip("-._") or "service"


def _name(text: str, taken: set[str]) -> str:
    """Return a name of ours for one of theirs, used once."""
    whole = plain(text)
    name, number = whole, 2
    while name in taken:
        name, number = f"{whole}-{number}", number + 1
    taken.add(name)
    return name


def join_groups(sync: list[Group], instances: list[Instance], remarks: Remarks) -> None:
    """Let the instances know which sync group they are in."""
    known = {each.name: each for each in instances}
    for group in sync:
        for name in group.members:
            if name in known:
                known[name].group, known[name].synced = plain(group.name), True
            else:
                remarks.lost(group.place, f"{group.name}: {name}", "there is no vrrp_instance of this name")
        _align([known[name] for name in group.members if name in known], remarks)


def _align(members: list[Instance], remarks: Remarks) -> None:
    """Give all instances of a group what the first one says of who leads, and how soon."""
    for each in members[1:]:
        first = members[0]
        for what in ("priority", "interval", "preempt"):
            own, wanted = getattr(each, what), getattr(first, what)
            if own[0] != wanted[0]:
                why = f"services that move together have the same; that of {first.name} counts"
                remarks.changed(own[1] or each.place, f"{what} of {each.name}", why)
                setattr(each, what, (wanted[0], own[1]))


def by_family(made: Instance, remarks: Remarks) -> Iterator[Instance]:
    """Yield an instance, and one for its IPv6 addresses where version 2 has adverts for IPv4 alone."""
    others = [each for each in made.addresses if ":" in each[0]]
    if made.version[0] == 3 or not others:
        yield made
        return
    made.addresses = [each for each in made.addresses if each not in others]
    if made.peers:
        for text, _, place in others:
            remarks.lost(place, text, "no IPv6 peer is named; give it an instance of its own, of version 3")
        yield made
        return
    why = "IPv6 has adverts of version 3 of its own, in a service that moves together with the other"
    remarks.changed(others[0][2], f"{len(others)} IPv6 addresses of {made.name}", why)
    made.group = made.group or plain(made.name)
    yield made
    yield replace(
        made,
        name=f"{made.name}-ipv6",
        addresses=others,
        version=(3, None),
        password=None,
        fields=Fields([], remarks),
        twin=True,
    )


def standing_alone(servers: list[Balanced], remarks: Remarks) -> list[Service]:
    """Return a service for each address that is balanced where no VRRP is spoken at all."""
    made: dict[str, Service] = {}
    for server in servers:
        for text, _ in server.entrances:
            if text not in made:
                part = Instance(f"virtual-{len(made) + 1}", server.place, Fields([], remarks))
                part.addresses.append((text, 128 if ":" in text else 32, server.place))
                made[text] = Service(part.name, [part])
                why = (
                    "keepalived announces nothing here; Roost does, so "
                    "take the address off the host's interface"
                )
                remarks.changed(server.place, server.title, why)
    return list(made.values())


def can_stand(service: Service, wishes: Wishes, remarks: Remarks) -> bool:
    """Tell whether there is enough for a service of ours; a remark where not."""
    first = service.parts[0]
    title = f"vrrp_instance {first.name}"
    if not service.addresses:
        remarks.lost(
            first.place, title, "has no address that can be read; a service of Roost has one at least"
        )
    elif wishes.election == "vrrp" and first.vrid is None:
        remarks.lost(first.place, title, "has no virtual_router_id that can be read, so it is left out")
    else:
        return True
    return False


def _is_twice(service: Service, made: list[Service], remarks: Remarks) -> bool:
    """Tell whether an earlier service is the same virtual router for the same family; a remark if so."""
    first = service.parts[0]
    if first.vrid is None:
        return False
    for other in made[: made.index(service)]:
        known = other.parts[0]
        same = known.vrid is not None and known.vrid[0] == first.vrid[0]
        links = {each.interface[0] if each.interface else "" for each in (first, known)}
        families = {":" in text for text, _, _ in service.addresses} & {
            ":" in text for text, _, _ in other.addresses
        }
        if same and families and (len(links) == 1 or "" in links):
            remarks.lost(first.vrid[1], f"virtual_router_id {first.vrid[0]}", f"is that of {other.name}, too")
            return True
    return False


def assign(servers: list[Balanced], made: list[Service], wishes: Wishes, remarks: Remarks) -> None:
    """Give each virtual server to the service that holds its address."""
    holders: dict[str, Service] = {}
    for service in made:
        for part in service.parts:
            for address in list(part.addresses):
                if address[0] in holders:
                    why = f"belongs to {holders[address[0]].name} already; an address has one service"
                    remarks.lost(address[2], address[0], why)
                    part.addresses.remove(address)
                holders.setdefault(address[0], service)
    made[:] = [service for service in made if service.addresses]
    if wishes.election == "vrrp":
        made[:] = [service for service in made if not _is_twice(service, made, remarks)]
    for server in servers:
        for backend in [each for each in server.backends if each.address in holders]:
            why = f"is an address of {holders[backend.address].name}; a backend is a host"
            remarks.lost(server.backends.pop(backend), backend.address, why)
        found = {id(holder): holder for each, _ in server.entrances if (holder := holders.get(each))}
        for each, _ in server.entrances:
            if each not in holders:
                why = "no vrrp_instance in this file holds its address"
                remarks.lost(server.place, server.title, why)
        for holder in found.values():
            holder.servers.append(server)

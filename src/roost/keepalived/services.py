"""All parts together: the keys of our file for the entries of theirs."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final, Literal

from roost.keepalived.balancing import Balanced, balanced
from roost.keepalived.fields import Address, Fields
from roost.keepalived.forwarding import forwarded, gateway_among
from roost.keepalived.general import KNOWN_TOP, Globals, global_definitions
from roost.keepalived.instances import KNOWN, Group, Instance, groups, instance
from roost.keepalived.notifying import notified, routed, unfit_calls
from roost.keepalived.places import Place, Remarks, UnreadableError
from roost.keepalived.tracking import Watches, tracked
from roost.keepalived.tree import Entry
from roost.keepalived.virtual_router import failback, unused_with_hash, virtual_router
from roost.keepalived.yaml_text import Block, Blocks, Field

__all__ = ["Wishes", "file_fields"]

_INTERFACE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,14}")
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
class _Service:
    """One of our services: the instances that it is made of (more than one with hash, in a sync group)."""

    name: str
    parts: list[Instance]
    track: list[Block] = field(default_factory=list)
    raised: int = 0
    servers: list[Balanced] = field(default_factory=list)

    @property
    def addresses(self) -> list[Address]:
        return [address for part in self.parts for address in part.addresses]


def file_fields(entries: list[Entry], wishes: Wishes, remarks: Remarks) -> Iterator[Field]:
    """Yield the keys of our file."""
    top = Fields(entries, remarks)
    defaults = global_definitions(top.every("global_defs"), remarks)
    watches = _watches(top, remarks)
    instances = [instance(each, defaults, remarks) for each in top.every("vrrp_instance")]
    sync = groups(top.every("vrrp_sync_group"), remarks)
    named = {each.value: each for each in top.every("virtual_server_group")}
    servers = [server for each in top.every("virtual_server") if (server := balanced(each, named, remarks))]
    top.finish(KNOWN_TOP)
    _join_groups(sync, instances, remarks)
    if wishes.election == "vrrp":
        instances = [part for each in instances for part in _by_family(each, remarks)]
    made = _services(instances, wishes)
    hooks = [*_track_and_notify(made, sync, watches, remarks)]
    watches.finish()
    made = [each for each in made if _can_stand(each, wishes, remarks)] or _standing_alone(
        servers if not instances else [], remarks
    )
    _assign(servers, made, remarks)
    if wishes.node:
        yield Field("node", wishes.node)
    if wishes.election == "hash" and instances:
        yield from _membership(wishes, instances)
    yield Field("services", Blocks(tuple(_block(each, wishes, remarks) for each in made)))
    names = {each.name for each in made}
    hooks += [(hook, each.name) for each in made for hook in unfit_calls(each.servers, each.name, remarks)]
    if kept := tuple(hook for hook, service in hooks if service in names):
        yield Field("hooks", Blocks(kept))
    yield from _announce(defaults, instances, remarks)


def _watches(top: Fields, remarks: Remarks) -> Watches:
    watches = Watches(remarks)
    for entry in top.every("vrrp_script"):
        watches.script(entry)
    for entry in top.every("vrrp_track_process"):
        watches.process(entry)
    for entry in top.every("track_file", "vrrp_track_file"):
        watches.file(entry)
    return watches


def _join_groups(sync: list[Group], instances: list[Instance], remarks: Remarks) -> None:
    known = {each.name: each for each in instances}
    for group in sync:
        for name in group.members:
            if name in known:
                known[name].group, known[name].synced = _plain(group.name), True
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


def _services(instances: list[Instance], wishes: Wishes) -> list[_Service]:
    """Return a service for each instance; with hash, one for all of a group: so they move together."""
    taken: set[str] = set()
    made: dict[str, _Service] = {}
    for each in instances:
        together = wishes.election == "hash" and each.group
        key = f"group {each.group}" if together else f"instance {each.name} {each.place}"
        if key in made:
            made[key].parts.append(each)
        else:
            made[key] = _Service(_name(each.group if together else each.name, taken), [each])
    return list(made.values())


def _plain(text: str) -> str:
    return _NOT_A_NAME.sub("-", text)[:200].strip("-._") or "service"


def _name(text: str, taken: set[str]) -> str:
    """Return a name of ours for one of theirs, used once."""
    plain = _plain(text)
    name, number = plain, 2
    while name in taken:
        name, number = f"{plain}-{number}", number + 1
    taken.add(name)
    return name


def _track_and_notify(
    made: list[_Service], sync: list[Group], watches: Watches, remarks: Remarks
) -> Iterator[tuple[Block, str]]:
    """Fill in what the services track, and yield their hooks with the service that each is for."""
    for group in sync:
        blocks, _ = tracked(group.fields, watches, remarks, weights=False)
        ours = [each for each in made if any(part.group == _plain(group.name) for part in each.parts)]
        for service in ours:
            service.track += blocks
        if ours:
            hooks = notified(group.fields, ours[0].name, remarks)
            _name_callers(hooks, group.name, ours[0].name, remarks)
            yield from ((hook, ours[0].name) for hook in hooks)
        group.fields.finish(KNOWN)
    for service in made:
        for part in service.parts:
            blocks, raised = tracked(part.fields, watches, remarks, weights=not part.synced)
            service.track += blocks
            service.raised += raised
            hooks = notified(part.fields, service.name, remarks)
            if part.name != service.name:
                _name_callers(hooks, part.name, service.name, remarks)
            routes = routed(part.fields, service.name, remarks)
            yield from ((hook, service.name) for hook in (*routes, *hooks))
            part.fields.finish(KNOWN)
    for first, second in pairwise(made):
        if second.parts[0].twin:  # what the first one tracks counts for both: they move together
            second.raised = first.raised


def _name_callers(hooks: Sequence[Block], theirs: str, ours: str, remarks: Remarks) -> None:
    """Note which scripts find another name among their arguments."""
    for hook in hooks:
        if isinstance(hook.small, dict) and hook.small["arguments"] == "keepalived":
            remarks.changed(hook.places[0], f"notify of {theirs}", f"is called with INSTANCE {ours}")


def _by_family(made: Instance, remarks: Remarks) -> Iterator[Instance]:
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
    made.group = made.group or _plain(made.name)
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


def _standing_alone(servers: list[Balanced], remarks: Remarks) -> list[_Service]:
    """Return a service for each address that is balanced where no VRRP is spoken at all."""
    made: dict[str, _Service] = {}
    for server in servers:
        for text, _ in server.entrances:
            if text not in made:
                part = Instance(f"virtual-{len(made) + 1}", server.place, Fields([], remarks))
                part.addresses.append((text, 128 if ":" in text else 32, server.place))
                made[text] = _Service(part.name, [part])
                why = (
                    "keepalived announces nothing here; Roost does, so "
                    "take the address off the host's interface"
                )
                remarks.changed(server.place, server.title, why)
    return list(made.values())


def _can_stand(service: _Service, wishes: Wishes, remarks: Remarks) -> bool:
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


def _assign(servers: list[Balanced], made: list[_Service], remarks: Remarks) -> None:
    """Give each virtual server to the service that holds its address."""
    holders: dict[str, _Service] = {}
    for service in made:
        for part in service.parts:
            for address in list(part.addresses):
                if address[0] in holders:
                    why = f"belongs to {holders[address[0]].name} already; an address has one service"
                    remarks.lost(address[2], address[0], why)
                    part.addresses.remove(address)
                holders.setdefault(address[0], service)
    made[:] = [service for service in made if service.addresses]
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


def _block(service: _Service, wishes: Wishes, remarks: Remarks) -> Block:
    return Block(tuple(_service_fields(service, wishes, remarks)))


def _service_fields(service: _Service, wishes: Wishes, remarks: Remarks) -> Iterator[Field]:
    gateway = gateway_among(service.servers, service.addresses)
    addresses = [each for each in service.addresses if each is not gateway]
    texts = tuple(address for address, _, _ in addresses)
    yield Field("name", service.name, tuple(part.place for part in service.parts))
    yield Field("addresses", texts, _each_once(place for _, _, place in addresses))
    first = service.parts[0]
    yield from _interfaces(service, remarks)
    if wishes.election == "vrrp" and first.vrid:
        yield Field(
            "election", Block((Field("vrrp", Block(tuple(virtual_router(first, service.raised, remarks)))),))
        )
    else:
        for part in service.parts:
            unused_with_hash(part, remarks)
        yield from failback(service.parts)
    if service.track:
        yield Field("track", Blocks(tuple(service.track)))
    yield from forwarded(service.servers, gateway, texts, remarks)


def _interfaces(service: _Service, remarks: Remarks) -> Iterator[Field]:
    found: dict[str, Place] = {}
    for part in service.parts:
        adverts = [part.interface] if part.interface and part.links_left_out else []
        for name, place in (*adverts, *part.links.items()):
            if _INTERFACE.fullmatch(name):
                found.setdefault(name, place)
            else:
                remarks.lost(place, f"interface {name}", "is no name of an interface")
    if found:
        yield Field(
            "interfaces", tuple(name.replace(".", "\\.") for name in found), _each_once(found.values())
        )


def _membership(wishes: Wishes, instances: Sequence[Instance]) -> Iterator[Field]:
    source = next((each.source for each in instances if each.source), None)
    peers = {address: place for each in instances for address, _, place in each.peers}
    bind, bind_places = (
        (wishes.bind, ()) if wishes.bind else (_endpoint(source[0]), (source[2],)) if source else ("", ())
    )
    if not bind:
        why = "with hash, nodes find each other by gossip, and this file does not tell this node's address"
        raise UnreadableError(f"{why}; say it with --bind, and the others' with --join")
    join = dict.fromkeys(wishes.join) or {_endpoint(address): None for address in peers}
    fields = [Field("bind", bind, bind_places)]
    if join:
        fields.append(Field("join", tuple(join), () if wishes.join else _each_once(peers.values())))
    yield Field("membership", Block(tuple(fields)))


def _endpoint(address: str) -> str:
    return f"[{address}]:7946" if ":" in address else f"{address}:7946"


def _announce(defaults: Globals, instances: Sequence[Instance], remarks: Remarks) -> Iterator[Field]:
    said = [each.refresh for each in instances if each.refresh] or (
        [defaults.refresh] if defaults.refresh else []
    )
    wanted = [each for each in said if each[0] >= 1]
    if wanted:
        seconds, place = min(wanted)
        yield Field("announce", Block((Field("gratuitousRefresh", f"{seconds:g}s", (place,)),)))
        if len({each[0] for each in wanted}) > 1:
            remarks.changed(place, "garp_master_refresh", "is the same for all addresses of a node")


def _each_once(places: Iterable[Place]) -> tuple[Place, ...]:
    return tuple(dict.fromkeys(places))

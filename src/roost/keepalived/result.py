"""All parts together: the keys of our file for the entries of theirs."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from roost.keepalived.balancing import balanced
from roost.keepalived.fields import Fields
from roost.keepalived.forwarding import forwarded, gateway_among
from roost.keepalived.general import KNOWN_TOP, Globals, global_definitions
from roost.keepalived.instances import KNOWN, Group, Instance, groups, instance
from roost.keepalived.notifying import notified, routed, unfit_calls
from roost.keepalived.places import Place, Remarks
from roost.keepalived.services import (
    Service,
    Wishes,
    assign,
    by_family,
    can_stand,
    join_groups,
    plain,
    services,
    standing_alone,
)
from roost.keepalived.tracking import Watches, tracked
from roost.keepalived.tree import Entry
from roost.keepalived.virtual_router import failback, unused_with_hash, virtual_router
from roost.keepalived.yaml_text import Block, Blocks, Field

__all__ = ["file_fields"]


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
    join_groups(sync, instances, remarks)
    if wishes.election == "vrrp":
        instances = [part for each in instances for part in by_family(each, remarks)]
    made = services(instances, wishes)
    hooks = [*_track_and_notify(made, sync, watches, remarks)]
    watches.finish()
    made = [each for each in made if can_stand(each, wishes, remarks)] or standing_alone(
        servers if not instances else [], remarks
    )
    assign(servers, made, wishes, remarks)
    if wishes.node:
        yield Field("node", wishes.node)
    if wishes.election == "hash" and instances:
        yield from _membership(wishes, instances, remarks)
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


def _track_and_notify(
    made: list[Service], sync: list[Group], watches: Watches, remarks: Remarks
) -> Iterator[tuple[Block, str]]:
    """Fill in what the services track, and yield their hooks with the service that each is for."""
    for group in sync:
        blocks, _ = tracked(group.fields, watches, remarks, weights=False)
        ours = [each for each in made if any(part.group == plain(group.name) for part in each.parts)]
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


def _block(service: Service, wishes: Wishes, remarks: Remarks) -> Block:
    return Block(tuple(_service_fields(service, wishes, remarks)))


def _service_fields(service: Service, wishes: Wishes, remarks: Remarks) -> Iterator[Field]:
    gateway = gateway_among(service.servers, service.addresses)
    addresses = [each for each in service.addresses if each is not gateway]
    texts = tuple(address for address, _, _ in addresses)
    yield Field("name", service.name, tuple(part.place for part in service.parts))
    yield Field("addresses", texts, _each_once(place for _, _, place in addresses))
    first = service.parts[0]
    yield from _interfaces(service, one=wishes.election == "vrrp" and first.virtual_mac is not None)
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


def _interfaces(service: Service, *, one: bool) -> Iterator[Field]:
    """Yield where addresses are answered for; `one`: on the adverts' link alone, if that is named."""
    found: dict[str, Place] = {}
    for part in service.parts:
        adverts = [part.interface] if part.interface and (one or part.links_left_out) else []
        for name, place in (*adverts, *({} if one and adverts else part.links).items()):
            found.setdefault(name, place)
    if found:
        yield Field(
            "interfaces", tuple(name.replace(".", "\\.") for name in found), _each_once(found.values())
        )


def _membership(wishes: Wishes, instances: Sequence[Instance], remarks: Remarks) -> Iterator[Field]:
    source = next((each.source for each in instances if each.source), None)
    peers = {address: place for each in instances for address, _, place in each.peers}
    bind, bind_places = (
        (wishes.bind, ()) if wishes.bind else (_endpoint(source[0]), (source[2],)) if source else ("", ())
    )
    if not bind:
        why = "each node would lead everything: name its address with --bind and the others' with --join"
        remarks.lost(instances[0].place, "membership", why)
        return
    join = dict.fromkeys(wishes.join) or {_endpoint(address): None for address in peers}
    fields = [Field("bind", bind, bind_places)]
    if not join:
        remarks.changed(instances[0].place, "membership.join", "no other node is named; do it with --join")
    else:
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

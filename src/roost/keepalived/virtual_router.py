"""How the leader of a service is found: `election: {vrrp: ...}`, or what is left of it with `hash`."""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Final

from roost.keepalived.instances import Instance
from roost.keepalived.places import Place, Remarks
from roost.keepalived.yaml_text import Field

__all__ = ["failback", "unused_with_hash", "virtual_router"]

_OWNER: Final = 255
_PASSWORD: Final = 8  # bytes of version 2


def virtual_router(made: Instance, raised: int, remarks: Remarks) -> Iterator[Field]:
    """Yield the keys of `vrrp`; `raised` is what its checks add to the priority while they are good."""
    assert made.vrid is not None  # noqa: S101 - who calls has looked
    yield Field("vrid", made.vrid[0], (made.vrid[1],))
    yield Field("version", made.version[0], _at(made.version[1]))
    yield _priority(made, raised, remarks)
    yield _interval(made, remarks)
    if made.interface:
        yield Field("interface", made.interface[0], (made.interface[1],))
    preempt, place = made.preempt
    if preempt is not True:
        yield Field("preempt", preempt if isinstance(preempt, bool) else _time(preempt), _at(place))
    if made.peers:
        yield Field(
            "peers",
            tuple(address for address, _, _ in made.peers),
            tuple(place for _, _, place in made.peers),
        )
    if made.source:
        remarks.changed(
            made.source[2], f"source {made.source[0]}", "adverts leave with the interface's first address"
        )
    yield from _password(made, remarks)
    if made.virtual_mac:
        for name, place in made.links.items():
            if made.interface and name != made.interface[0]:
                remarks.lost(place, f"dev {name}", "a virtual hardware address is on the adverts' link alone")
        yield Field("virtualMac", value=True, places=(made.virtual_mac,))
    if made.plain_checksum and made.version[0] == 3:
        yield Field("checksum", "rfc9568", (made.plain_checksum,))
    if made.group:
        yield Field("group", made.group)


def failback(parts: Sequence[Instance]) -> Iterator[Field]:
    """Yield `failback` where one of the instances does not preempt, or waits before it does."""
    for preempt, place in (part.preempt for part in parts):
        if preempt is not True:
            yield Field("failback", _time(preempt) if preempt else "never", _at(place))
            return


def unused_with_hash(made: Instance, remarks: Remarks) -> None:
    """Make remarks of what VRRP alone has."""
    if made.vrid:
        remarks.needless(
            made.vrid[1], f"virtual_router_id {made.vrid[0]}", "nodes know a service by its name"
        )
    if made.priority[1]:
        remarks.changed(
            made.priority[1], f"priority {made.priority[0]}", "the hash chooses; all nodes are equal"
        )
    if made.interval[1]:
        remarks.needless(made.interval[1], "advert_int", "membership.profile says how soon a death is known")
    if made.version[1]:
        remarks.needless(made.version[1], "version", "no VRRP is spoken")
    if made.password:
        remarks.changed(
            made.password[1], "auth_pass", "a key keeps strangers out of gossip; see membership.keyFile"
        )
    if made.virtual_mac:
        remarks.changed(made.virtual_mac, "use_vmac", "clients are told of the new node's address instead")


def _priority(made: Instance, raised: int, remarks: Remarks) -> Field:
    priority, place = made.priority
    if priority == _OWNER or not raised:
        return Field("priority", priority, _at(place))
    wanted = priority + raised
    allowed = max(1, min(_OWNER - 1, wanted))
    if allowed != wanted:
        remarks.changed(
            place or made.place,
            f"priority {priority}",
            f"with the weights it would be {wanted}; {allowed} is the bound",
        )
    return Field("priority", allowed, _at(place), note=f"{priority} and {raised} by checks that are good")


def _interval(made: Instance, remarks: Remarks) -> Field:
    """Return the interval in centiseconds, with version 2 in whole seconds: rounded up, as theirs is."""
    wanted, place = made.interval
    unit, most = (1.0, 255.0) if made.version[0] == 2 else (0.01, 40.95)
    allowed = min(most, round(ceil(wanted / unit - 1e-9) * unit, 2))
    if abs(allowed - wanted) > 1e-9:
        why = f"is {allowed:g} s, as version {made.version[0]} can say it"
        remarks.changed(place or made.place, f"advert_int {wanted:g}", why)
    return Field("interval", _time(allowed), _at(place))


def _password(made: Instance, remarks: Remarks) -> Iterator[Field]:
    if made.password is None:
        return
    text, place = made.password
    if made.version[0] == 3:
        remarks.needless(place, "auth_pass", "version 3 has no passwords, and keepalived ignores it, too")
        return
    kept = text.encode()[:_PASSWORD].decode(errors="ignore")
    if kept != text:
        remarks.needless(place, "auth_pass", f"the first {_PASSWORD} bytes count, with keepalived, too")
    yield Field("auth", {"pass": kept}, (place,))


def _at(place: Place | None) -> tuple[Place, ...]:
    return (place,) if place else ()


def _time(seconds: float) -> str:
    return f"{seconds:g}s" if seconds >= 1 else f"{seconds * 1000:g}ms"

"""Whether a schedule that was read from a file can be played at all. Pure."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin, get_type_hints

from roost.protocols.memberlist.profile import PROFILES

if TYPE_CHECKING:
    from roost.simulator.faults import Schedule

__all__ = ["misfits"]

_NODES: Final = 64
_SWITCHES: Final = 2
_CLIENTS: Final = 64
_SERVICES: Final = 256
_FAULTS: Final = 100_000
_SECONDS: Final = 7 * 86_400.0
_VRIDS: Final = 255


def misfits(schedule: "Schedule") -> Iterator[str]:
    """Yield why not: values of another type first, and nothing else then."""
    wrong = list(_of_another_type(schedule, ""))
    yield from wrong
    if wrong:
        return
    bounds = {
        "nodes": (1, schedule.nodes, _NODES),
        "switches": (1, schedule.switches, _SWITCHES),
        "clients": (0, schedule.clients, _CLIENTS),
        "services": (0, len(schedule.services), _SERVICES),
        "faults": (0, len(schedule.faults), _FAULTS),
        "seconds": (0.0, schedule.seconds, _SECONDS),
    }
    for name, (least, value, most) in bounds.items():
        if not least <= value <= most:
            yield f"{name} {value:g} is not from {least:g} to {most:g}"
    if schedule.profile not in PROFILES:
        yield f"profile {schedule.profile[:40]!r} is none of {', '.join(PROFILES)}"
    known = {"", *(f"n{number}" for number in range(1, min(schedule.nodes, _NODES) + 1))}
    names = {"", *(service.name for service in schedule.services)}
    for service in schedule.services:
        if not {*service.nodes, *service.endpoints} <= known or not 0 <= service.vrid <= _VRIDS:
            yield f"service {service.name[:40]!r} has nodes or a vrid that cannot be"
    for fault in schedule.faults:
        times = fault.at >= 0 and fault.duration >= 0 and fault.end <= _SECONDS
        if not times or fault.node not in known or fault.service not in names:
            yield f"a fault {fault.kind} has times, a node or a service that cannot be"


def _of_another_type(value: Any, path: str) -> Iterator[str]:
    hints = get_type_hints(type(value))
    for each in fields(value):
        content = getattr(value, each.name)
        if not _is(content, hints[each.name]):
            yield f"{path}{each.name} is of another type"
        elif isinstance(content, tuple):
            for at, part in enumerate(content):
                if is_dataclass(part):
                    yield from _of_another_type(part, f"{each.name}[{at}].")


def _is(value: object, wanted: Any) -> bool:
    if get_origin(wanted) is tuple:
        return isinstance(value, tuple) and all(_is(part, get_args(wanted)[0]) for part in value)
    if wanted is float:
        return type(value) in (int, float) and isfinite(value)  # type: ignore[arg-type]
    return type(value) is wanted

"""`virtual_server` and `virtual_server_group` as `deliver: forward`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from roost.keepalived.checkers import Health, Settings, checked
from roost.keepalived.fields import Fate, Fields, address, number
from roost.keepalived.places import Place, Remarks
from roost.keepalived.tree import Entry

__all__ = ["Backend", "Balanced", "balanced"]

_MAX_ADDRESSES: Final = 1024  # that the ranges of one virtual server may stand for
_WATCHED: Final = "metrics and `roost status` tell of each backend; hooks follow services"
_KNOWN: Final[Mapping[str, Fate]] = {
    **dict.fromkeys(
        ("ha_suspend", "warmup", "omega", "ip_family", "snmp_name", "nat_mask", "flag-1", "flag-2", "flag-3",
         "sh-port",
         "sh-fallback", "mh-port", "mh-fallback", "hashed"),
        ("needless", "Roost needs no such setting"),
    ),
    **dict.fromkeys(("quorum_up", "quorum_down"), ("lost", _WATCHED)),
    "smtp_alert": ("lost", "Roost sends no mail; " + _WATCHED),
    "hysteresis": ("lost", "a quorum has no hysteresis; rise and fall of the checks damp"),
    "inhibit_on_failure": ("needless", "open connections of a backend that fails are left alone, always"),
    "sorry_server_inhibit": ("needless", "open connections are left alone, always"),
    "sorry_server_lvs_method": ("needless", "all are reached in the same way"),
    "persistence_timeout": ("changed", "the hash of a connection chooses its backend, "
"and no table of clients is kept"),
    "persistence_granularity": ("changed", "the hash of a connection chooses its backend"),
    "persistence_engine": ("lost", "the hash of a connection chooses its backend"),
    "ops": ("lost", "packets of one UDP flow go to one backend"),
    "delay_before_retry": ("changed", "what follows a failure is asked at the interval"),
}  # fmt: skip
_KNOWN_REAL: Final[Mapping[str, Fate]] = {
    **dict.fromkeys(("notify_up", "notify_down"), ("lost", _WATCHED)),
    **dict.fromkeys(("uthreshold", "lthreshold"), ("lost", "backends have no bound of connections")),
    **dict.fromkeys(("lb_kind", "lvs_method"), ("changed", "all backends are reached in the same way")),
    **dict.fromkeys(("warmup", "snmp_name"), ("needless", "Roost needs no such setting")),
    "smtp_alert": ("lost", "Roost sends no mail; " + _WATCHED),
    "inhibit_on_failure": ("needless", "open connections of a backend that fails are left alone, always"),
    "delay_before_retry": ("changed", "what follows a failure is asked at the interval"),
}
_METHODS: Final = ("lb_kind", "lvs_method")
_BY_HASH: Final = frozenset(("rr", "wrr", "sh", "mh", "dh"))


@dataclass(frozen=True, slots=True, order=True)
class Backend:
    """A real server; `port` is 0 where it is the virtual server's own."""

    address: str
    port: int
    weight: int = 1


@dataclass(slots=True)
class Balanced:
    """A virtual server: where clients come in, and who serves them."""

    title: str
    place: Place
    entrances: list[tuple[str, int]] = field(default_factory=list)  # address, port
    protocol: str = "TCP"
    method: str = "NAT"
    method_place: Place | None = None
    quorum: tuple[int, Place] | None = None
    sorry: Backend | None = None
    backends: dict[Backend, Place] = field(default_factory=dict)
    health: Health | None = None
    when_down: list[Entry] = field(default_factory=list)  # what to call when the one backend is down


def balanced(entry: Entry, groups: Mapping[str, Entry], remarks: Remarks) -> Balanced | None:
    """Read one `virtual_server`; None, with a remark, where clients are not known by addresses."""
    made = Balanced(entry.text, entry.place)
    made.entrances = _entrances(entry, groups, remarks)
    if not made.entrances:
        return None
    fields = Fields(entry.entries, remarks)
    if given := fields.one("protocol"):
        made.protocol = given.value.upper()
        if made.protocol not in ("TCP", "UDP"):
            remarks.lost(given.place, given.text, "TCP and UDP alone are balanced")
            made.protocol = "TCP"
    if given := fields.one(*_METHODS):
        made.method, made.method_place = given.value.upper(), given.place
    if (given := fields.one("lb_algo", "lvs_sched", "lbs_sched")) and given.value.lower() not in _BY_HASH:
        remarks.changed(
            given.place, given.text, "the hash of a connection and the weights choose, not the load"
        )
    if (given := fields.one("quorum")) and (least := number(given, 1, 1e9, remarks)):
        made.quorum = (int(least), given.place)
    if given := fields.one("sorry_server"):
        made.sorry = _backend(given, remarks)
    settings = Settings().of(fields, remarks)
    reals = fields.every("real_server")
    for real in reals:
        if backend := _backend(real, remarks):
            _real_server(made, real, backend, settings, remarks, alone=len(reals) == 1)
    fields.finish(_KNOWN)
    return made


def _real_server(
    made: Balanced, entry: Entry, backend: Backend, settings: Settings, remarks: Remarks, *, alone: bool
) -> None:
    fields = Fields(entry.entries, remarks)
    weight = number(fields.one("weight"), 0, 65535, remarks)
    health = checked(fields, settings, backend.port, entry.place, remarks)
    if alone:
        made.when_down = fields.every("notify_down")
    fields.finish(_KNOWN_REAL)
    if not made.backends:
        made.health = health
    elif health != made.health:
        remarks.changed(entry.place, entry.text, "all backends are checked alike: as the first one is")
    made.backends.setdefault(
        Backend(backend.address, backend.port, 1 if weight is None else int(weight)), entry.place
    )


def _backend(entry: Entry, remarks: Remarks) -> Backend | None:
    found = address(entry.value, entry, remarks)
    port = number(entry, 0, 65535, remarks, at=2) if len(entry.words) > 2 else 0
    return Backend(found[0], int(port)) if found and port is not None else None


def _entrances(entry: Entry, groups: Mapping[str, Entry], remarks: Remarks) -> list[tuple[str, int]]:
    """Return the addresses and ports that clients come to."""
    if entry.value.lower() == "fwmark":
        remarks.lost(entry.place, entry.text, "marks of a firewall do not tell which addresses are meant")
        return []
    if entry.value.lower() != "group":
        found = address(entry.value, entry, remarks)
        port = number(entry, 0, 65535, remarks, at=2) if len(entry.words) > 2 else 0
        return [(found[0], int(port))] if found and port is not None else []
    group = groups.get(entry.words[2] if len(entry.words) > 2 else "")
    if group is None:
        remarks.lost(entry.place, entry.text, "there is no virtual_server_group of this name")
        return []
    listed: list[tuple[str, int]] = []
    for each in group.entries:
        if each.keyword == "fwmark":
            remarks.lost(each.place, each.text, "marks of a firewall do not tell which addresses are meant")
            continue
        port = number(each, 0, 65535, remarks) if len(each.words) > 1 else 0
        if port is not None:
            listed += [(text, int(port)) for text in _range(each, remarks)]
    return listed


def _range(entry: Entry, remarks: Remarks) -> list[str]:
    """Return the addresses of one line: a single one, `first-last` or a prefix."""
    text = entry.words[0]
    if "-" not in text:
        found = address(text, entry, remarks)
        if found and "/" in text:
            remarks.lost(entry.place, entry.text, "is a range; name each address")
            return []
        return [found[0]] if found else []
    first_text, _, last_text = text.partition("-")
    first = address(first_text, entry, remarks)
    if first is None:
        return []
    mark = ":" if ":" in first_text else "."
    if mark not in last_text:
        last_text = first_text.rpartition(mark)[0] + mark + last_text
    last = address(last_text, entry, remarks)
    if last is None:
        return []
    low, high = ip_address(first[0]), ip_address(last[0])
    if low.version != high.version or not 0 <= int(high) - int(low) < _MAX_ADDRESSES:
        remarks.lost(entry.place, entry.text, f"is no range of up to {_MAX_ADDRESSES} addresses")
        return []
    return [str(low + at) for at in range(int(high) - int(low) + 1)]

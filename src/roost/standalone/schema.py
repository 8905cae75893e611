"""The keys of the configuration file, their types and defaults (docs/reference/configuration.md).

What lives here: one class per mapping of the file, with the file's own key names as aliases. What
this module must not know: positions, files, rules that span several keys.
"""

from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from roost.model.address import IPAddress
from roost.model.sharing import WEIGHT_LIMIT, Sharing
from roost.model.tenure import ALWAYS
from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.profile import PROFILES
from roost.settings import GRATUITOUS_RATE, KEEP_CONNECTIONS, RESPONDERS
from roost.standalone import values, vrrp_values
from roost.standalone.failback import failback_seconds
from roost.standalone.forward import BackendSection, ForwardSection
from roost.standalone.hooks import HookSection
from roost.standalone.section import Section
from roost.standalone.shape import TEXT, Shape, choices, not_empty, reads, widens
from roost.standalone.track import TrackSection

__all__ = [
    "FileSection",
    "MembershipSection",
    "NodesSection",
    "Section",
    "ServiceSection",
    "SharingSection",
    "VrrpSection",
    "all_keys",
    "keys_at",
]

TERMINATION_GRACE: Final = 10.0  # seconds
_MAX_LABEL: Final = 255  # bytes, as the wire has it

_Text = Annotated[str, PlainValidator(values.text)]
_Name = Annotated[str, PlainValidator(values.identifier)]
_Vip = Annotated[IPAddress, PlainValidator(values.vip)]
_Key = Annotated[bytes, PlainValidator(values.gossip_key)]
_Join = Annotated[Endpoint, PlainValidator(values.join_target)]
_Labels = dict[_Text, Annotated[str, PlainValidator(values.label_text)]]
_Pattern = Annotated[str, PlainValidator(values.pattern)]


@widens(not_empty)
def _not_empty(value: Any) -> Any:
    if not value:
        raise values.wrong(
            "is empty, so nothing would ever match", "add an entry, or remove the key to allow all"
        )
    return value


@widens(not_empty)
def _at_least_one(value: Any) -> Any:
    if not value:
        raise values.wrong("is empty", "add an entry")
    return value


@reads(TEXT | {"maxLength": _MAX_LABEL})
def _wire_label(value: Any) -> Any:
    label = values.text(value)
    if len(label.encode()) > _MAX_LABEL:
        raise values.wrong(f"has more than {_MAX_LABEL} bytes", "shorten it")
    return label


@widens(lambda many: choices(many, {"type": "string", "pattern": f"^({many['items']['pattern'][1:-1]})+$"}))
def _one_or_many(value: Any) -> Any:
    """Let one key, or several lines of keys in one text, stand for a list of them."""
    return [line for line in value.splitlines() if line.strip()] or [""] if isinstance(value, str) else value


def _short_nodes(mapping: Shape) -> Shape:
    """Return the shape of the long form, of a list of names, and of a mapping of labels."""
    keys = ["names", "labels"]
    labels = {"type": "object", "additionalProperties": values.label_text.shape({})}
    return choices(
        not_empty({"type": "array", "items": values.identifier.shape({})}),
        mapping,
        not_empty(labels) | {"not": {"propertyNames": {"enum": keys}}},
    ) | {"minProperties": 1}


@widens(_short_nodes)
def _names_or_labels(value: Any) -> Any:
    """Bring the short forms (a list of names, a mapping of labels) into the long one."""
    if not isinstance(value, list | dict):
        raise values.wrong(
            "is neither a list of names nor a mapping of labels", "write [n1, n2] or {zone: a}"
        )
    _not_empty(value)
    if isinstance(value, list):
        return {"names": value}
    nested = any(isinstance(each, list | dict) for each in value.values())  # a label's value never is
    return value if nested or value.keys() <= {"names", "labels"} else {"labels": value}


@widens(lambda mapping: choices({"enum": ["leader", "per-client"]}, mapping))
def _sharing(value: Any) -> Any:
    """Bring the words into the long form; None is one leader."""
    if isinstance(value, dict):
        return value
    word = values.choice("leader", "per-client")(value)
    return None if word == "leader" else {}


_Patterns = Annotated[list[_Pattern], AfterValidator(_not_empty)]


class MembershipSection(Section):
    """Gossip with the other nodes."""

    bind: Annotated[Endpoint, PlainValidator(values.endpoint(values.DEFAULT_PORT))]
    advertise: Annotated[Endpoint | None, PlainValidator(values.endpoint(values.DEFAULT_PORT))] = None
    join: list[_Join] = []
    key_file: Annotated[Path | None, PlainValidator(values.path)] = None
    key: Annotated[list[_Key], BeforeValidator(_one_or_many), AfterValidator(_at_least_one)] = []
    label: Annotated[str, PlainValidator(_wire_label)] = ""
    profile: Annotated[str, PlainValidator(values.choice(*PROFILES))] = "default"
    arp_rate: Annotated[float | None, PlainValidator(values.arp_rate)] = None


class NodesSection(Section):
    """Which nodes may announce a service: those named, and those with all of the labels."""

    names: Annotated[list[_Name], AfterValidator(_not_empty)] = []
    labels: Annotated[_Labels, AfterValidator(_not_empty)] = {}


class PortSection(Section):
    """A port of a service."""

    port: Annotated[int, PlainValidator(values.integer(1, 65535))]
    protocol: Annotated[str, PlainValidator(values.choice("TCP", "UDP", "SCTP"))] = "TCP"


class AuthSection(Section):
    """VRRP version 2's plain password."""

    password: Annotated[str, PlainValidator(vrrp_values.password)] = Field(alias="pass", repr=False)


class VrrpSection(Section):
    """One node's part in a virtual router."""

    vrid: Annotated[int, PlainValidator(values.integer(1, 255))]
    version: Annotated[int, PlainValidator(values.integer(2, 3))] = 3
    priority: Annotated[int, PlainValidator(values.integer(1, 255))] = 100
    interval: Annotated[float, PlainValidator(values.duration(0.01, 255))] = 1.0
    interface: Annotated[str, PlainValidator(values.text)] = ""
    preempt: Annotated[bool | float, PlainValidator(vrrp_values.preempt)] = True
    peers: Annotated[list[_Vip], AfterValidator(_at_least_one)] = []
    virtual_mac: Annotated[bool, PlainValidator(vrrp_values.boolean)] = False
    auth: AuthSection | None = None
    checksum: Annotated[str, PlainValidator(values.choice("rfc5798", "rfc9568"))] = "rfc5798"
    group: Annotated[str, PlainValidator(values.identifier)] = ""


class ElectionSection(Section):
    """How the leader of a service is found: by hash, or by VRRP."""

    vrrp: VrrpSection | None = None


class SharingSection(Section):
    """How all nodes of a service answer for its addresses, or take their connections."""

    by: Annotated[Literal["client", "connection"], PlainValidator(values.choice("client", "connection"))] = (
        "client"
    )
    weights: Annotated[
        dict[_Name, Annotated[int, PlainValidator(values.integer(0, WEIGHT_LIMIT))]],
        AfterValidator(_at_least_one),
    ] = {}

    def desired(self) -> Sharing:
        """Return it as the election takes it."""
        return Sharing(self.by, tuple(sorted(self.weights.items())))


class ServiceSection(Section):
    """A service and its addresses."""

    name: _Name
    addresses: Annotated[list[_Vip], AfterValidator(_at_least_one)]
    nodes: Annotated[NodesSection | None, BeforeValidator(_names_or_labels)] = None
    interfaces: _Patterns | None = None
    election: Annotated[ElectionSection, BeforeValidator(vrrp_values.election)] = Field(
        default_factory=ElectionSection
    )
    sharing: Annotated[SharingSection | None, BeforeValidator(_sharing)] = None
    failback: Annotated[float, PlainValidator(failback_seconds)] = ALWAYS
    deliver: Annotated[str, PlainValidator(values.choice("local", "forward"))] = "local"
    ports: list[PortSection] = []
    backends: Annotated[list[BackendSection], AfterValidator(_at_least_one)] = []
    forward: ForwardSection | None = None
    track: Annotated[list[TrackSection], AfterValidator(_at_least_one)] = []


class StatusSection(Section):
    """Where the speaker answers questions."""

    socket: Annotated[Path | None, PlainValidator(values.socket_path)] = None
    http: Annotated[Endpoint | None, PlainValidator(values.endpoint())] = None
    names: list[Annotated[str, PlainValidator(values.host_name)]] = Field(default_factory=list)


class AnnounceSection(Section):
    """Gratuitous packets, and what answers."""

    gratuitous_rate: Annotated[int, PlainValidator(values.integer(1, 1_000_000))] = GRATUITOUS_RATE
    gratuitous_refresh: Annotated[float | None, PlainValidator(values.duration(1, 86400))] = None
    responder: Annotated[str, PlainValidator(values.choice(*RESPONDERS))] = "auto"


class FileSection(Section):
    """The whole file."""

    node: _Name | None = None
    labels: _Labels = {}
    interfaces: _Patterns | None = None
    membership: MembershipSection | None = None
    services: list[ServiceSection] = []
    hooks: list[HookSection] = []
    status: StatusSection = Field(default_factory=StatusSection)
    announce: AnnounceSection = Field(default_factory=AnnounceSection)
    termination_grace: Annotated[float, PlainValidator(values.duration(0, 3600))] = TERMINATION_GRACE
    keep_connections: Annotated[float, PlainValidator(values.duration(0, 86400))] = KEEP_CONNECTIONS


def keys_at(path: tuple[str | int, ...]) -> list[str]:
    """Return the keys that a mapping at `path` may have; none where it may have any, or no mapping is."""
    sections: set[type[Section]] = {FileSection}
    for step in path:
        if isinstance(step, str):
            sections = {below for each in sections for below in _below(each, step)}
    return [str(field.alias) for each in sections for field in each.model_fields.values()]


def all_keys(section: type[Section] = FileSection) -> Iterator[tuple[str, ...]]:
    """Yield the path of every key of the file, without positions in lists."""
    for field in section.model_fields.values():
        yield (str(field.alias),)
        for below in _sections(field.annotation):
            for path in all_keys(below):
                yield (str(field.alias), *path)


def _below(section: type[Section], key: str) -> Iterator[type[Section]]:
    for field in section.model_fields.values():
        if field.alias == key:
            yield from _sections(field.annotation)


def _sections(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    elif get_origin(annotation) in (list, Union, UnionType, Annotated):
        for each in get_args(annotation):
            yield from _sections(each)

"""From a file to a `SpeakerConfig`, or to every problem in it at once."""

import os
import re
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast

from pydantic_core import PydanticCustomError

from roost.model.service import Port
from roost.protocols.memberlist.messages import META_LIMIT
from roost.protocols.witness.timing import TIMINGS
from roost.protocols.words.metadata import Metadata, MetadataError, encode
from roost.runtime import paths
from roost.runtime.run_folder import default_socket
from roost.settings import AnnounceConfig, MembershipConfig, StatusConfig
from roost.standalone import values
from roost.standalone.checks import crossing
from roost.standalone.config import NodeSelection, ServiceConfig, SpeakerConfig
from roost.standalone.document import Document, Found, UnreadableError, parse
from roost.standalone.document import Path as FieldPath
from roost.standalone.exposure import exposures
from roost.standalone.failback import idle_failback
from roost.standalone.findings import read_sections
from roost.standalone.forward import forward_of
from roost.standalone.forward_rules import forward_findings, idle_backends
from roost.standalone.hooks import doubts as hook_doubts
from roost.standalone.hooks import hook_of, strangers
from roost.standalone.problems import Finding, Problem, Spot
from roost.standalone.schema import (
    FileSection,
    MembershipSection,
    NodesSection,
    ServiceSection,
    StatusSection,
)
from roost.standalone.sharing import not_spread
from roost.standalone.track import check_of
from roost.standalone.vrrp import advice, contradictions, virtual_router

__all__ = ["MAX_BYTES", "Loaded", "load"]

MAX_BYTES: Final = 4 << 20  # of the configuration file
_MAX_KEY_FILE: Final = 1 << 16  # bytes
_KEEPALIVED: Final = re.compile(
    r"^[ \t]*(global_defs|vrrp_instance|vrrp_sync_group|vrrp_script|virtual_server)\b[^\n:]*\{", re.MULTILINE
)
_IMPORT: Final = "write it anew with: roost import keepalived.conf --output roost.yaml"
_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_./-]{1,63}")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The outcome of `load`: a configuration, unless one of the problems is an error."""

    config: SpeakerConfig | None
    problems: tuple[Problem, ...]


def load(path: Path, data: bytes | None = None) -> Loaded:
    """Read the file at `path` and check all of it; never raises for what the file holds.

    `data` is what was read there already: a stream can be read only once. Key files are read too, from the
    configuration's folder where their path is relative; of a stream, from the working folder. Problems are in
    the order of the file; warnings are of a file that is good.
    """
    folder = path.parent if paths.is_file(path) else Path()
    try:
        document = parse(_text_of(path, data))
    except UnreadableError as error:
        return Loaded(None, (_problem(path, ((), error.spot, error.finding)),))
    sections, found = read_sections(document)
    keys, found_in_keys = _keys_from_file(document, folder)
    found = [*document.findings, *found, *crossing(document), *strangers(document), *found_in_keys]
    if sections is not None and not found:
        config = _config(sections, keys, str(path), _spots(document))
        found = [
            *_socket_too_long(config, document),
            *_labels_too_long(config, document),
            *contradictions(config, document),
            *forward_findings(config, document),
        ]
        if not found:
            doubts = [
                *_idle(config, document),
                *idle_failback(document),
                *idle_backends(document),
                *not_spread(config, document),
                *advice(config, document),
                *exposures(document, config.status.http, path, folder),
                *hook_doubts(document, config.hooks),
            ]
            return Loaded(config, tuple(_problem(path, each, "warning") for each in doubts))
    problems = {_problem(path, each): None for each in found}  # an alias may report one place twice
    return Loaded(None, tuple(sorted(problems, key=lambda problem: (problem.line, problem.column))))


def _text_of(path: Path, data: bytes | None) -> str:
    if data is None:
        data = _bytes_of(path)
    if len(data) > MAX_BYTES:
        finding = Finding(f"is larger than {MAX_BYTES >> 20} MiB", "is it the right file?")
        raise UnreadableError(finding, Spot())
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        finding = Finding("is not UTF-8 text", "save it as UTF-8")
        raise UnreadableError(finding, Spot(line)) from error
    if keepalived := _KEEPALIVED.search(text):
        finding = Finding("is Keepalived's configuration, not Roost's", _IMPORT)
        raise UnreadableError(finding, Spot(text.count("\n", 0, keepalived.start(1)) + 1))
    return text


def _bytes_of(path: Path) -> bytes:
    try:
        return _read(path, MAX_BYTES)
    except OSError as error:
        finding = Finding(f"cannot be read: {error.strerror or error}", "check the path and its permissions")
        raise UnreadableError(finding, Spot()) from error


def _read(path: Path, most: int) -> bytes:
    """Return the first `most` + 1 bytes, so that a longer file shows; raises OSError."""
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except ValueError as error:  # a zero byte in the path
        raise FileNotFoundError(2, "no such path") from error


def _keys_from_file(document: Document, folder: Path) -> tuple[tuple[bytes, ...], list[Found]]:
    """Return the keys in `membership.keyFile`, or what is wrong with it; no finding holds a key."""
    where: FieldPath = ("membership", "keyFile")
    node = document.get(where)
    if node is None or not isinstance(node.value, str) or not node.value:
        return (), []
    path = folder / node.value
    make = "make one with: head -c 32 /dev/urandom | base64"
    try:
        lines = _read(path, _MAX_KEY_FILE).decode("ascii", "replace").splitlines()
    except OSError as error:
        if _is_key(node.value):  # never print it
            finding = Finding("holds a key, not the path of a file", "use key instead of keyFile")
            return (), [(where, node.spot, finding)]
        finding = Finding(
            f"{path} cannot be read: {error.strerror or error}", "check the path and its permissions"
        )
        return (), [(where, node.spot, finding)]
    keys, found = list[bytes](), list[Found]()
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            keys.append(values.gossip_key(line))
        except PydanticCustomError as error:
            found.append((where, node.spot, Finding(f"line {number} of {path} {error.message()}", make)))
    if not keys and not found:
        found.append((where, node.spot, Finding(f"{path} holds no key", make)))
    return tuple(keys), found


def _is_key(text: str) -> bool:
    try:
        return bool(values.gossip_key(text))
    except PydanticCustomError:
        return False


def _config(
    sections: FileSection, keys: tuple[bytes, ...], file: str, spots: dict[str, Spot]
) -> SpeakerConfig:
    node = sections.node or socket.gethostname()
    return SpeakerConfig(
        node=node,
        labels=sections.labels,
        interfaces=_tuple(sections.interfaces),
        membership=_membership(sections.membership, keys) if sections.membership else None,
        services=tuple(_service(each) for each in sections.services),
        status=_status(sections.status, node),
        announce=AnnounceConfig(**dict(sections.announce)),
        termination_grace=sections.termination_grace,
        keep_connections=sections.keep_connections,
        hooks=tuple(map(hook_of, sections.hooks)),
        file=file,
        spots=spots,
    )


def _status(section: StatusSection, node: str) -> StatusConfig:
    names = dict.fromkeys((node, socket.gethostname(), *section.names))
    return StatusConfig(section.socket or default_socket(node), section.http, names=tuple(names))


def _membership(section: MembershipSection, keys: tuple[bytes, ...]) -> MembershipConfig:
    return MembershipConfig(
        bind=section.bind,
        advertise=section.advertise or section.bind,
        join=tuple(section.join),
        keys=keys or tuple(section.key),
        label=section.label.encode(),
        profile=section.profile,
        arp_rate=section.arp_rate,
    )


def _service(section: ServiceSection) -> ServiceConfig:
    return ServiceConfig(
        name=section.name,
        addresses=tuple(section.addresses),
        nodes=_selection(section.nodes) if section.nodes else None,
        interfaces=_tuple(section.interfaces),
        failback=section.failback,
        sharing=section.sharing.desired() if section.sharing is not None else None,
        ports=tuple(
            Port(each.port, cast("Literal['TCP', 'UDP', 'SCTP']", each.protocol)) for each in section.ports
        ),
        vrrp=virtual_router(section.election.vrrp) if section.election.vrrp else None,
        forward=forward_of(section.forward, section.backends) if section.deliver == "forward" else None,
        track=tuple(dict.fromkeys(map(check_of, section.track))),
    )


def _selection(section: NodesSection) -> NodeSelection:
    return NodeSelection(frozenset(section.names), tuple(sorted(section.labels.items())))


def _tuple(patterns: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if patterns is None else tuple(patterns)


def _socket_too_long(config: SpeakerConfig, document: Document) -> Iterator[Found]:
    """Yield a finding when the default socket's path, made from the node's name, is too long."""
    if len(os.fsencode(config.status.socket)) > values.MAX_SOCKET_PATH:
        cause = f"makes the default socket's path longer than {values.MAX_SOCKET_PATH} bytes"
        yield ("node",), document.find(("node",))[1], Finding(cause, "set status.socket to a shorter one")


def _labels_too_long(config: SpeakerConfig, document: Document) -> Iterator[Found]:
    """Yield a finding when the node's labels leave no room in what gossip tells of a node."""
    try:
        encode(Metadata(labels=config.labels))
    except MetadataError:
        spot = document.find(("labels",))[1]
        yield (
            ("labels",),
            spot,
            Finding(f"take more than gossip's {META_LIMIT} bytes", "shorten or drop some"),
        )


def _idle(config: SpeakerConfig, document: Document) -> Iterator[Found]:
    """Yield what is allowed and does nothing."""
    where: FieldPath = ("membership", "arpRate")
    if (membership := config.membership) and membership.arp_rate and membership.profile not in TIMINGS:
        cause = f"has no effect with profile {membership.profile}: nobody probes by ARP then"
        yield where, document.key_spot(where), Finding(cause, "remove it, or take profile default or fast")


def _spots(document: Document) -> dict[str, Spot]:
    """Return the places that checks against this host report on: addresses, interfaces, what is tracked."""
    spots: dict[str, Spot] = {}
    services = document.get(("services",))
    listed: list[FieldPath] = [("interfaces",)]
    for at in range(len(services.value) if services else 0):
        listed += [("services", at, key) for key in ("addresses", "interfaces", "track", "backends")]
    for path in listed:
        node, field = document.get(path), _field(path)
        for at, entry in enumerate(node.value if node else ()):
            spots[f"{field}[{at}]"] = entry.spot
            if path[-1] == "track" and isinstance(entry.value, dict):
                spots |= {_field((*path, at, key)): below.spot for key, below in entry.value.items()}
    for at in range(len(services.value) if services else 0):
        for below in (("deliver",), ("forward", "gateway")):
            if node := document.get(("services", at, *below)):
                spots[_field(("services", at, *below))] = node.spot
    return spots


def _problem(file: Path, found: Found, severity: Literal["error", "warning"] = "error") -> Problem:
    path, spot, finding = found
    return Problem(severity, str(file), spot.line, spot.column, _field(path), finding.cause, finding.cure)


def _field(path: FieldPath) -> str:
    """Return the text of a path, such as `services[0].addresses[1]`; odd keys are quoted."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{step[:60]!r}]"
    return text

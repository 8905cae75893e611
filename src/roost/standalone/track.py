"""`track` of a service: what has to be well on this node for it to lead."""

import os
import re
import shutil
from collections.abc import Collection, Iterator
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import ConfigDict, PlainValidator, model_validator

from roost.model.check import (
    Check,
    Command,
    HttpQuestion,
    Interface,
    NumberFile,
    Process,
    Subject,
    TcpPort,
)
from roost.protocols.machine import Endpoint
from roost.runtime import paths
from roost.standalone import values
from roost.standalone.problems import Finding
from roost.standalone.section import Section
from roost.standalone.shape import TEXT, kinds, reads

__all__ = ["TrackSection", "absent", "check_of"]

_KINDS: Final = ("tcp", "http", "command", "process", "interface", "file")
_OF_HTTP: Final = ("expect", "ca_file", "server_name", "host", "match")
_OF_HTTPS: Final = ("ca_file", "server_name")
_NAMES: Final = {"ca_file": "caFile", "server_name": "serverName"}
_POLLED: Final = (2, 3)  # rise and fall of what is asked again and again: one lost answer moves nothing
_NOTICED: Final = (1, 1)  # of what the kernel tells
_MOST_WEIGHT: Final = 1000
_PROCESS_NAME: Final = 15  # bytes of a name that the kernel keeps


@reads({"type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://"})
def _url(value: object) -> str:
    url = values.text(value)
    cure = "write one such as https://127.0.0.1:6443/livez"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise values.wrong(f"is not a URL: {error}", cure) from error
    if parts.scheme not in ("http", "https") or not host or not url.isascii() or re.search(r"\s", url):
        raise values.wrong(f"{url[:60]!r} is not a URL of http or https", cure)
    if parts.username is not None:
        raise values.wrong("has a password, which logs would show", "let the server answer without one")
    return url


@reads({"type": "string", "pattern": "^[^/]+$"})
def _process_name(value: object) -> str:
    name = values.text(value)
    if "/" in name:
        raise values.wrong(f"{name[:60]!r} is a path", "write the program's name alone")
    return name


@reads(TEXT | {"pattern": r"^[^/\s]+$", "maxLength": _PROCESS_NAME})
def _interface(value: object) -> str:
    name = values.text(value)
    if len(name.encode()) > _PROCESS_NAME or "/" in name or re.search(r"\s", name):
        raise values.wrong(f"{name[:60]!r} is no name of an interface", "write one such as eth1")
    return name


@reads({"type": "integer", "minimum": -_MOST_WEIGHT, "maximum": _MOST_WEIGHT, "not": {"const": 0}})
def _weight(value: object) -> int:
    weight = values.integer(-_MOST_WEIGHT, _MOST_WEIGHT)(value)
    if weight == 0:
        raise values.wrong("0 changes nothing", "remove the key: without a weight a failure makes unfit")
    return weight


class ProcessSection(Section):
    """A process: by the file with its id, or by its name."""

    model_config = ConfigDict(json_schema_extra=kinds(("pid_file", "name"), {}))

    pid_file: Annotated[str, PlainValidator(values.absolute_path)] = ""
    name: Annotated[str, PlainValidator(_process_name)] = ""

    @model_validator(mode="after")
    def _one_of_both(self) -> "ProcessSection":
        if bool(self.pid_file) == bool(self.name):
            raise values.wrong(
                "names one process in two ways" if self.name else "names no process",
                "write {pidFile: /run/haproxy.pid} or {name: haproxy}",
            )
        return self


class TrackSection(Section):
    """One check, of exactly one kind."""

    model_config = ConfigDict(
        json_schema_extra=kinds(
            _KINDS,
            dict.fromkeys(_OF_HTTP, ("http",)) | {"weight": [kind for kind in _KINDS if kind != "file"]},
        )
    )

    tcp: Annotated[Endpoint | None, PlainValidator(values.endpoint())] = None
    http: Annotated[str, PlainValidator(_url)] = ""
    command: Annotated[tuple[str, ...], PlainValidator(values.command)] = ()
    process: ProcessSection | None = None
    interface: Annotated[str, PlainValidator(_interface)] = ""
    file: Annotated[str, PlainValidator(values.absolute_path)] = ""
    expect: Annotated[tuple[tuple[int, int], ...], PlainValidator(values.statuses)] = ((200, 399),)
    ca_file: Annotated[str, PlainValidator(values.absolute_path)] = ""
    server_name: Annotated[str, PlainValidator(values.text)] = ""
    host: Annotated[str, PlainValidator(values.text)] = ""
    match: Annotated[str, PlainValidator(values.answer_pattern)] = ""
    interval: Annotated[float, PlainValidator(values.duration(0.05, 86400))] = 1.0
    timeout: Annotated[float, PlainValidator(values.duration(0.01, 3600))] = 1.0
    rise: Annotated[int | None, PlainValidator(values.integer(1, 1000))] = None
    fall: Annotated[int | None, PlainValidator(values.integer(1, 1000))] = None
    weight: Annotated[int | None, PlainValidator(_weight)] = None

    @model_validator(mode="after")
    def _fits_together(self) -> "TrackSection":
        kind = self.only_kind(_KINDS, "checks nothing")
        for key in _OF_HTTP:
            if key in self.model_fields_set and kind != "http":
                raise values.wrong(f"{_NAMES.get(key, key)} is of http alone", "remove it")
        for key in _OF_HTTPS:
            if key in self.model_fields_set and not self.http.startswith("https:"):
                raise values.wrong(f"{_NAMES[key]} is of https alone", "remove it, or write https://")
        if self.file and self.weight is not None:
            raise values.wrong("the weight of a file is the number in it", "remove weight")
        return self


def check_of(section: TrackSection) -> Check:
    """Return what one entry asks for."""
    polled = bool(section.tcp or section.http or section.command)
    rise, fall = _POLLED if polled else _NOTICED
    return Check(
        _subject(section),
        interval=section.interval,
        timeout=section.timeout,
        rise=section.rise or rise,
        fall=section.fall or fall,
        weight=section.weight,
    )


def _subject(section: TrackSection) -> Subject:
    if section.tcp is not None:
        return TcpPort(section.tcp.host, section.tcp.port)
    if section.http:
        return HttpQuestion(
            section.http,
            section.expect,
            ca_file=section.ca_file,
            server_name=section.server_name,
            host=section.host,
            body=section.match,
        )
    if section.command:
        return Command(section.command)
    if section.process is not None:
        return Process(section.process.pid_file, section.process.name)
    return Interface(section.interface) if section.interface else NumberFile(section.file)


def absent(check: Check, links: Collection[str]) -> Iterator[tuple[str, Finding]]:
    """Yield what a check needs and this host lacks now, each with the key that names it.

    `links` are the names of all interfaces.
    """
    match check.subject:
        case Command(command):
            if shutil.which(command[0]) is None:
                what = "is no program" if paths.exists(command[0]) else "does not exist"
                cause = f"{command[0]} {what} here: that fails"
                yield "command", Finding(cause, "install it or correct the path")
        case HttpQuestion(ca_file=path) if path and not os.access(path, os.R_OK):
            yield "caFile", Finding(f"{path} cannot be read here: that fails", "look at the path")
        case Process(pid_file=path) if path and not paths.exists(path):
            yield "process", Finding(f"{path} does not exist now", "it is followed as soon as it does")
        case Interface(name) if name not in links:
            yield "interface", Finding(f"{name!r} is no interface now", "it is followed as soon as it is one")
        case NumberFile(path) if not paths.exists(path):
            yield "file", Finding(f"{path} does not exist now", "it counts 0 until it does")

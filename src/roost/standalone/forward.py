"""`backends` and `forward` of a service: to whom it is balanced, how they are asked, and how they answer."""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, cast, get_args

from pydantic import BeforeValidator, ConfigDict, Field, PlainValidator, model_validator

from roost.model.address import IPAddress
from roost.model.forwarding import RECORDS, Backend, Forward, HealthCheck, HealthKind, Target
from roost.standalone import values
from roost.standalone.section import Section
from roost.standalone.shape import TEXT, choices, kinds, reads, widens

__all__ = ["BackendSection", "ForwardSection", "HealthSection", "forward_of"]

_KINDS: Final[tuple[HealthKind, ...]] = get_args(HealthKind)
_OF: Final = {  # keys that mean something for some kinds alone
    "expect": ("http", "https"),
    "host": ("http", "https"),
    "ca_file": ("https",),
    "match": ("http", "https", "udp"),
    "send": ("udp",),
    "record": ("dns",),
}
_NAMES: Final = {"ca_file": "caFile"}
_WITH_PORT: Final = re.compile(r"[0-9.]+:[0-9]+|\[.*\]:.*")
_MOST_WEIGHT: Final = 65535
_MOST_SENT: Final = 1400  # bytes: one packet
_DNS_NAME: Final = re.compile(r"\.|(?=.{1,253}\.?$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}\.?)+")

_Gateway = Annotated[IPAddress, PlainValidator(values.unicast("use a free address of the backends' subnet"))]
_Port = Annotated[int, PlainValidator(values.integer(1, 65535))]


_own: Final = values.unicast("use the server's own address")
_endpoint: Final = values.endpoint()


@reads(TEXT)
def _server(value: object) -> Target:
    """Return `address` or `address:port`; port 0 is none."""
    if not isinstance(value, str) or not _WITH_PORT.fullmatch(value):
        return Target(_own(value), 0)
    endpoint = _endpoint(value)
    return Target(_own(endpoint.host), endpoint.port)


@reads({"const": True})
def _yes(value: object) -> bool:
    if value is not True:
        raise values.wrong("is not true", "write true, or another kind of check")
    return True


@reads({"type": "string", "pattern": r"^/\S*$"})
def _path(value: object) -> str:
    path = values.text(value)
    if not path.startswith("/") or not path.isascii() or re.search(r"\s", path):
        raise values.wrong(f"{path[:60]!r} is not a path of a URL", "begin it with /, such as /healthz")
    return path


@reads({"type": "string", "pattern": r"\S", "maxLength": _MOST_SENT})
def _sent(value: object) -> bytes:
    data = values.text(value).encode()
    if len(data) > _MOST_SENT:
        raise values.wrong(f"has more than {_MOST_SENT} bytes", "shorten it")
    return data


@reads({"type": "string", "pattern": f"^({_DNS_NAME.pattern})$"})
def _dns_name(value: object) -> str:
    name = values.text(value)
    if not _DNS_NAME.fullmatch(name):
        raise values.wrong(f"{name[:60]!r} is no name in DNS", "write one such as www.example.org, or .")
    return name


@widens(lambda many: choices(many["items"], many))
def _one_or_many(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


class ServerSection(Section):
    """A server; without `port`, here or behind the address (`address:port`), it has the service's own."""

    address: Annotated[Target, PlainValidator(_server)]
    port: _Port | None = None

    @model_validator(mode="after")
    def _has_one_port(self) -> "ServerSection":
        if self.address.port and self.port:
            raise values.wrong("has two ports", "write it behind the address or as port, not both")
        return self

    def backend(self, weight: int = 1) -> Backend:
        """Return it as others know it."""
        return Backend(self.address.address, self.address.port or self.port or 0, weight)


class BackendSection(ServerSection):
    """A server that gets its share of clients."""

    weight: Annotated[int, PlainValidator(values.integer(0, _MOST_WEIGHT))] = 1


class SorrySection(ServerSection):
    """A server for those who would find none."""


class HealthSection(Section):
    """How backends are asked whether they are well, in exactly one way."""

    model_config = ConfigDict(json_schema_extra=kinds(_KINDS, _OF))

    tcp: Annotated[bool, PlainValidator(_yes)] = False
    http: Annotated[str, PlainValidator(_path)] = ""
    https: Annotated[str, PlainValidator(_path)] = ""
    command: Annotated[tuple[str, ...], PlainValidator(values.command)] = ()
    udp: Annotated[bool, PlainValidator(_yes)] = False
    dns: Annotated[str, PlainValidator(_dns_name)] = ""
    port: _Port | None = None
    expect: Annotated[tuple[tuple[int, int], ...], PlainValidator(values.statuses)] = ((200, 399),)
    host: Annotated[str, PlainValidator(values.text)] = ""
    ca_file: Annotated[str, PlainValidator(values.absolute_path)] = ""
    match: Annotated[str, PlainValidator(values.answer_pattern)] = ""
    send: Annotated[bytes, PlainValidator(_sent)] = b""
    record: Annotated[str, PlainValidator(values.choice(*RECORDS))] = "A"
    interval: Annotated[float, PlainValidator(values.duration(0.05, 86400))] = 1.0
    timeout: Annotated[float, PlainValidator(values.duration(0.01, 3600))] = 1.0
    rise: Annotated[int, PlainValidator(values.integer(1, 1000))] = 2
    fall: Annotated[int, PlainValidator(values.integer(1, 1000))] = 3
    alpha: bool = False

    @model_validator(mode="after")
    def _fits_together(self) -> "HealthSection":
        kind = self.only_kind(_KINDS, "asks nothing")
        for key, of in _OF.items():
            if key in self.model_fields_set and kind not in of:
                raise values.wrong(
                    f"{_NAMES.get(key, key)} is of {' and '.join(of)}, not of {kind}", "remove it"
                )
        return self

    def check(self) -> HealthCheck:
        """Return what it asks for."""
        kind = self.only_kind(_KINDS, "asks nothing")
        return HealthCheck(
            kind,
            interval=self.interval,
            timeout=self.timeout,
            rise=self.rise,
            fall=self.fall,
            alpha=self.alpha,
            port=self.port or 0,
            path=self.http or self.https or "/",
            host=self.host,
            status=self.expect,
            match=self.match,
            ca_file=self.ca_file,
            argv=self.command,
            send=self.send,
            name=self.dns,
            record=self.record,
        )


class ForwardSection(Section):
    """How a service is balanced."""

    gateway: Annotated[list[_Gateway], BeforeValidator(_one_or_many)] = Field(default_factory=list)
    source: Annotated[str, PlainValidator(values.choice("keep", "masquerade"))] = "keep"
    health: HealthSection | None = None
    quorum: Annotated[int, PlainValidator(values.integer(1, 1_000_000))] = 1
    sorry: Annotated[list[SorrySection], BeforeValidator(_one_or_many)] = Field(default_factory=list)


def forward_of(section: ForwardSection | None, backends: Iterable[BackendSection]) -> Forward:
    """Return what a service is told about its backends."""
    told = section or ForwardSection()
    return Forward(
        backends=tuple(each.backend(each.weight) for each in backends),
        gateways=tuple(told.gateway),
        source=cast("Literal['keep', 'masquerade']", told.source),
        quorum=told.quorum,
        sorry=tuple(each.backend() for each in told.sorry),
        health=told.health.check() if told.health else None,
    )

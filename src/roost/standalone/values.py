"""Single values of the configuration: from what YAML gives to what the speaker uses.

Each function raises PydanticCustomError whose context holds `cause` and `cure`; none of the messages
about keys holds any part of a key.
"""

import base64
import binascii
import os
import re
from difflib import get_close_matches
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from pathlib import Path
from typing import Final

from pydantic_core import PydanticCustomError

from roost.model.address import IPAddress, is_address
from roost.model.duration import PATTERN as DURATION
from roost.model.duration import seconds_of
from roost.protocols.machine import Endpoint
from roost.standalone.repetition import depth
from roost.standalone.shape import TEXT, Reader, choices, reads

__all__ = [
    "DEFAULT_PORT",
    "MAX_SOCKET_PATH",
    "absolute_path",
    "answer_pattern",
    "arp_rate",
    "choice",
    "command",
    "duration",
    "endpoint",
    "gossip_key",
    "host_name",
    "identifier",
    "integer",
    "join_target",
    "label_text",
    "path",
    "pattern",
    "socket_path",
    "statuses",
    "text",
    "unicast",
    "vip",
    "wrong",
]

DEFAULT_PORT: Final = 7946  # memberlist's
_KEY_SIZES: Final = (16, 24, 32)  # bytes: AES-128, -192, -256
_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_HOST: Final = re.compile(r"(?=.{1,253}\.?$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\.?")
MAX_SOCKET_PATH: Final = 107  # bytes, sockaddr_un's 108 with the zero at the end
_LEAST_ARP, _MOST_ARP = 2, 100_000  # packets/second
_PORT: Final = ":[0-9]{1,5}$"
_KEY_LENGTHS: Final = r"^\s*([A-Za-z0-9+/]{22}==|[A-Za-z0-9+/]{32}|[A-Za-z0-9+/]{43}=)\s*$"  # in base64
_STATUSES: Final = " *[1-5][0-9][0-9] *(- *[1-5][0-9][0-9] *)?"
_ADDRESS: Final = {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}
_THIS_NETWORK: Final = IPv4Network("0.0.0.0/8")
_REMEMBERED: Final = 1 << 14  # addresses, about 4 MB


def wrong(cause: str, cure: str) -> PydanticCustomError:
    """Return the error for a value that is wrong because of `cause` and is put right by `cure`."""
    return PydanticCustomError("wrong", "{cause}", {"cause": cause, "cure": cure})


@reads(TEXT)
def text(value: object) -> str:
    """Return a text that is not empty."""
    if not isinstance(value, str):
        raise wrong(
            f"{_shown(value)} is not a text", "write a text; quote what looks like a number or true/false"
        )
    if not value.strip():
        raise wrong("is empty", "give it a value or remove it")
    return value


@reads({"type": "string", "pattern": r"^$|\S"})
def label_text(value: object) -> str:
    """Return a label's value, which may be empty."""
    return value if value == "" and isinstance(value, str) else text(value)


@reads({"type": "string", "pattern": f"^{_NAME.pattern}$"})
def identifier(value: object) -> str:
    """Return the name of a node or a service: 1 to 253 letters, digits, `.`, `_`, `-`."""
    name = text(value)
    if not _NAME.fullmatch(name):
        raise wrong(
            f"{_shown(name)} is not a name",
            "use up to 253 letters, digits, dots, dashes and underscores; letter or digit at both ends",
        )
    return name


def integer(low: int, high: int) -> Reader[int]:
    """Return a function that takes whole numbers from `low` to `high`."""

    @reads({"type": "integer", "minimum": low, "maximum": high})
    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise wrong(
                f"{_shown(value)} is not a whole number from {low} to {high}", "write such a number, unquoted"
            )
        return value

    return check


@reads(choices({"const": "off"}, {"type": "integer", "minimum": _LEAST_ARP, "maximum": _MOST_ARP}))
def arp_rate(value: object) -> float | None:
    """Return packets/second, None for `off`; fewer than 2 would let nobody be asked in time."""
    if value == "off":
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not _LEAST_ARP <= value <= _MOST_ARP:
        raise wrong(
            f"{_shown(value)} is neither off nor a whole number from {_LEAST_ARP} to {_MOST_ARP}",
            "write packets per second, unquoted, or off for no limit",
        )
    return float(value)


def duration(low: float, high: float) -> Reader[float]:
    """Return a function from seconds, or a text such as 500ms, 10s or 1m, to seconds within the bounds."""

    @reads(
        choices(
            {"type": "number", "minimum": low, "maximum": high},
            {"type": "string", "pattern": f"^{DURATION}$"},
        )
    )
    def check(value: object) -> float:
        seconds: float | None = None
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = float(value)
        elif isinstance(value, str):
            seconds = seconds_of(value)
        if seconds is None:
            raise wrong(
                f"{_shown(value)} is not a duration", "write seconds, or a text such as 500ms, 10s or 1m"
            )
        if not low <= seconds <= high:
            raise wrong(f"{seconds:g} s is out of range", f"stay between {low:g} s and {high:g} s")
        return seconds

    return check


def choice(*allowed: str) -> Reader[str]:
    """Return a function that takes one of `allowed`."""

    @reads({"enum": list(allowed)})
    def check(value: object) -> str:
        word = text(value)
        if word not in allowed:
            close = get_close_matches(word, allowed, n=1)
            meant = f"did you mean {close[0]}? " if close else ""
            raise wrong(f"{_shown(word)} is not a choice here", f"{meant}choose {' or '.join(allowed)}")
        return word

    return check


@reads(_ADDRESS)
def vip(value: object) -> IPAddress:
    """Return an address that a node can answer for on a LAN."""
    return unicast("use a unicast address of the clients' subnet")(value)


def unicast(cure: str) -> Reader[IPAddress]:
    """Return a function that takes addresses of single hosts; `cure` is what to do about another."""

    @reads(_ADDRESS)
    def check(value: object) -> IPAddress:
        address, flaw = _examined(text(value))
        if flaw:
            raise wrong(f"{address} is {flaw}", cure)
        return address

    return check


def endpoint(default_port: int | None = None) -> Reader[Endpoint]:
    """Return a function from `address:port` or `[v6]:port` to an endpoint.

    Where `default_port` is given, the port may be left out.
    """

    @reads(TEXT if default_port else {"type": "string", "pattern": _PORT})
    def check(value: object) -> Endpoint:
        host, port = _split(text(value), default_port)
        return Endpoint(str(_address(host)), port)

    return check


@reads(TEXT)
def join_target(value: object) -> Endpoint:
    """Return `address:port` or `hostname:port`; the port is 7946 when left out.

    The host of the result may be a hostname, to be resolved by who joins.
    """
    host, port = _split(text(value), DEFAULT_PORT)
    if not _looks_like_address(host) and _HOST.fullmatch(host):
        return Endpoint(host, port)
    return Endpoint(str(_address(host)), port)


@reads(TEXT)
def host_name(value: object) -> str:
    """Return a name that a host may have in DNS."""
    name = text(value)
    if _looks_like_address(name) or not _HOST.fullmatch(name):
        raise wrong(f"{_shown(name)} is no host name", "as in node1.example.org; addresses need no entry")
    return name


@reads(TEXT)
def pattern(value: object) -> str:
    """Return a regular expression, or a plain name, for interfaces: their names are short."""
    return _expression(value, deepest=2)


@reads(TEXT)
def answer_pattern(value: object) -> str:
    """Return a regular expression for what a backend answers, which may be long, and made to take long."""
    return _expression(value, deepest=1)


def _expression(value: object, deepest: int) -> str:
    expression = text(value)
    try:
        re.compile(expression)
        deep = depth(expression)
    except (re.error, OverflowError, RecursionError) as error:
        raise wrong(
            f"{_shown(expression)} is not a regular expression: {error}",
            "correct it; write \\ before . [ ( * + ?",
        ) from error
    if deep > deepest:
        raise wrong(
            f"{_shown(expression)} repeats a repetition, and could take for ever",
            "write it without a + or * inside of (...)+, or with (?>...) for what is not to be tried twice",
        )
    return expression


@reads(TEXT | {"maxLength": MAX_SOCKET_PATH})
def socket_path(value: object) -> Path:
    """Return a path that a unix socket can have."""
    found = text(value)
    if len(os.fsencode(found)) > MAX_SOCKET_PATH:
        raise wrong(
            f"has more than {MAX_SOCKET_PATH} bytes, too long for a unix socket", "use a shorter path"
        )
    return Path(found)


@reads(TEXT)
def path(value: object) -> Path:
    """Return a path, from wherever a relative one starts."""
    return Path(text(value))


@reads({"type": "string", "pattern": "^/"})
def absolute_path(value: object) -> str:
    """Return a path that begins with /."""
    found = text(value)
    if not found.startswith("/"):
        raise wrong(f"{_shown(found)} is not an absolute path", "begin it with /")
    return found


@reads(
    choices(
        {"type": "integer", "minimum": 100, "maximum": 599},
        {"type": "string", "pattern": f"^{_STATUSES}(,{_STATUSES})*$"},
    )
)
def statuses(value: object) -> tuple[tuple[int, int], ...]:
    """Return ranges of HTTP statuses from 200, "200-399" or "200, 204, 300-399"."""
    parts = str(value).split(",") if isinstance(value, int | str) and not isinstance(value, bool) else ["?"]
    found = [re.fullmatch(r" *([1-5][0-9][0-9]) *(?:- *([1-5][0-9][0-9]) *)?", part) for part in parts]
    ranges = [(int(each[1]), int(each[2] or each[1])) for each in found if each]
    if len(ranges) < len(parts) or any(low > high for low, high in ranges):
        raise wrong("is no status of HTTP, and no range of them", 'write 200, or "200-399,401"')
    return tuple(ranges)


@reads({"type": "array", "items": {"type": "string"}, "minItems": 1})
def command(value: object) -> tuple[str, ...]:
    """Return a program, a name on PATH or an absolute path, and its arguments."""
    if not isinstance(value, list) or not value:
        raise wrong("is not a list", "write the program and its arguments: [/usr/local/bin/check, -q]")
    argv = tuple(label_text(each) for each in value)
    if not argv[0] or ("/" in argv[0] and not argv[0].startswith("/")):
        raise wrong("begins with no program", "begin it with a name on PATH or an absolute path")
    if any("\0" in each for each in argv):
        raise wrong("holds a zero byte", "remove it")
    return argv


@reads({"type": "string", "pattern": _KEY_LENGTHS})
def gossip_key(value: object) -> bytes:
    """Return a key of 16, 24 or 32 bytes from its base64 text."""
    cure = "make one with: head -c 32 /dev/urandom | base64"
    if not isinstance(value, str):
        raise wrong("is not a text", f"quote it; {cure}")
    try:
        key = base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise wrong("is not base64", cure) from error
    if len(key) not in _KEY_SIZES:
        raise wrong(f"has {len(key)} bytes, not 16, 24 or 32", cure)
    return key


def _split(value: str, default_port: int | None) -> tuple[str, int]:
    """Return host and port of `host:port`, `[v6]:port`, or of the host alone."""
    cure = "write address:port, an IPv6 address in brackets: [2001:db8::1]:7946"
    if match := re.fullmatch(r"\[([^\[\]]*)\](?::(.*))?", value):
        host, port = match[1], match[2]
        if ":" not in host:
            raise wrong(f"{_shown(host)} is not an IPv6 address", "use brackets around IPv6 addresses only")
    elif value.count(":") > 1:  # an IPv6 address without brackets, so without a port
        host, port = value, None
        before = value.removesuffix(f":{DEFAULT_PORT}")
        if before != value and is_address(before):
            cure = f"write [{before}]:{DEFAULT_PORT}, or [{value}] for such an address"
            raise wrong(f"{_shown(value)} may be an address, or an address and a port", cure)
    else:
        host, colon, rest = value.partition(":")
        port = rest if colon else None
    if port is None:
        if default_port is None:
            raise wrong(f"{_shown(value)} has no port", cure)
        return host, default_port
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
        raise wrong(f"{_shown(port)} is not a port from 1 to 65535", cure)
    return host, int(port)


def _address(value: str) -> IPAddress:
    if "/" in value:
        raise wrong(
            f"{_shown(value)} is a range",
            f"write single addresses, such as {_shown(value.split('/', maxsplit=1)[0])}",
        )
    if "%" in value:
        raise wrong(f"{_shown(value)} has a zone", "leave out % and the interface; see the key interfaces")
    try:
        return ip_address(value)
    except ValueError as error:
        raise wrong(
            f"{_shown(value)} is not an IP address", "write one such as 192.0.2.10 or 2001:db8::10"
        ) from error


@lru_cache(maxsize=_REMEMBERED)
def _examined(value: str) -> tuple[IPAddress, str | None]:
    """Return an address and its flaw. Of a file that is read again nearly all is as it was."""
    address = _address(value)
    return address, _flaw(address)


def _flaw(address: IPAddress) -> str | None:
    """Return why no node can answer for `address` as a service address, or None."""
    flaws = (
        (address.is_unspecified, "the unspecified address"),
        (address.is_loopback, "a loopback address"),
        (address.is_multicast, "a multicast address"),
        (address.is_link_local and address.version == 4, "a link-local address"),
        (address == IPv4Address("255.255.255.255"), "the broadcast address"),
        (isinstance(address, IPv4Address) and address in _THIS_NETWORK, "an address of 0.0.0.0/8"),
        (isinstance(address, IPv6Address) and address.ipv4_mapped is not None, "an IPv4-mapped address"),
    )
    return next((name for applies, name in flaws if applies), None)


def _looks_like_address(host: str) -> bool:
    """Tell digits and dots, or colons, from a hostname: a mistyped address is not looked up."""
    return ":" in host or "/" in host or not re.search(r"[A-Za-z]", host)


def _shown(value: object) -> str:
    """Return a value for a message: short, on one line, without control characters."""
    match value:
        case str():
            return repr(value if len(value) <= 60 else value[:57] + "...")
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case list():
            return "a list"
        case _:
            return "a mapping"

"""The checkers of a `real_server` as `forward.health`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from roost.keepalived.fields import Fate, Fields, is_true, number
from roost.keepalived.places import Place, Remarks
from roost.keepalived.tracking import command, user
from roost.keepalived.tree import Entry
from roost.keepalived.yaml_text import Plain

__all__ = ["Health", "Settings", "checked"]

_DELAY: Final = 60.0  # s, theirs between two checks
_TIMEOUT: Final = 5.0  # s, theirs
_RETRIES: Final = {"misc_check": 0, "dns_check": 3}  # 1 else
_SPACING: Final = ("changed", "what follows a failure is asked at the interval")
_KNOWN: Final[Mapping[str, Fate]] = {
    **dict.fromkeys(
        ("bindto", "bind_port", "bind_if", "fwmark", "connect_ip"), ("lost", "the backend's own address is "
"asked, from any port")),
    **dict.fromkeys(("warmup", "log_all_failures", "http_protocol", "fast_recovery", "enable_sni", "sni_name",
         "tls_compliant"), ("needless", "Roost needs no such setting")),
    **dict.fromkeys(("delay_before_retry",), _SPACING),
    "regex_options": ("lost", "the expression is searched for as it stands"),
    "regex_no_match": ("lost", "what is not to be found cannot be asked for"),
    "misc_dynamic": ("lost", "a command tells good from bad alone; weights are fixed"),
    "min_reply_length": ("lost", "any answer counts"),
    "max_reply_length": ("lost", "any answer counts"),
    "helo_name": ("needless", "the connection alone is tried"),
}  # fmt: skip
_URL: Final[Mapping[str, Fate]] = {
    "digest": ("changed", "the status alone is looked at; match finds a text in the page"),
    **dict.fromkeys(
        ("regex_options", "regex_min_offset", "regex_max_offset"), ("lost", "match is searched for in the "
"page as it stands")),
    "regex_stack": ("needless", "Roost needs no such setting"),
    "regex_no_match": ("lost", "what is not to be found cannot be asked for"),
}  # fmt: skip
_KINDS: Final = ("http_get", "ssl_get", "tcp_check", "misc_check", "udp_check", "dns_check", "smtp_check")
_OTHERS: Final = ("bfd_check", "ping_check", "file_check")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a virtual server says for its real servers, and these for their checkers; None where it does not.

    `interval` and `timeout` are seconds, `host` is an HTTP host.
    """

    interval: float | None = None
    timeout: float | None = None
    retry: float | None = None
    alpha: bool = False
    host: str = ""

    def of(self, fields: Fields, remarks: Remarks) -> "Settings":
        """Take what a block says of its own, and return it over these."""
        interval = number(fields.one("delay_loop"), 0.01, 1e6, remarks)
        timeout = number(fields.one("connect_timeout", "misc_timeout"), 0.001, 1e6, remarks)
        retry = number(fields.one("retry", "nb_get_retry"), 0, 1000, remarks)
        alpha, host = fields.one("alpha"), fields.one("virtualhost")
        return Settings(
            self.interval if interval is None else interval,
            self.timeout if timeout is None else timeout,
            self.retry if retry is None else retry,
            is_true(alpha) if alpha else self.alpha,
            host.value if host else self.host,
        )


@dataclass(frozen=True)
class Health:
    """Our keys for one check; where it stands does not count when two are compared."""

    keys: dict[str, Plain]
    place: Place = field(compare=False)


def checked(
    fields: Fields, settings: Settings, own_port: int, place: Place, remarks: Remarks
) -> Health | None:
    """Return the check of a real server at `own_port`, None without one: it is never found down then."""
    given = fields.every(*_KINDS)
    for other in fields.every(*_OTHERS):
        remarks.lost(other.place, other.text, "backends are checked by tcp, http, https, command, udp or dns")
    for more in given[1:]:
        remarks.lost(
            more.place, more.text, "a backend has one check; a command may ask for more than one thing"
        )
    settings = settings.of(fields, remarks)
    if not given:
        return None
    entry = given[0]
    inside = Fields(entry.entries, remarks)
    settings = settings.of(inside, remarks)
    keys = _kind(entry, inside, settings, remarks)
    port = number(inside.one("connect_port"), 1, 65535, remarks)
    inside.finish(_KNOWN)
    if keys is None:
        return None
    retries = _RETRIES.get(entry.keyword, 1) if settings.retry is None else int(settings.retry)
    if port and port != own_port:
        keys["port"] = int(port)
    keys |= {
        "interval": f"{settings.interval or _DELAY:g}s",
        "timeout": f"{settings.timeout or _TIMEOUT:g}s",
        "rise": 1,
        "fall": retries + 1,
    }
    if settings.alpha:
        keys["alpha"] = True
    return Health(keys, place)


def _kind(entry: Entry, inside: Fields, settings: Settings, remarks: Remarks) -> dict[str, Plain] | None:
    match entry.keyword:
        case "tcp_check":
            return {"tcp": True}
        case "http_get" | "ssl_get":
            return _url("https" if entry.keyword == "ssl_get" else "http", inside, settings.host, remarks)
        case "misc_check":
            return _misc(entry, inside, remarks)
        case "udp_check":
            return _udp(inside, remarks)
        case "dns_check":
            name, kind = inside.one("name"), inside.one("type")
            return {"dns": name.value if name else ".", "record": (kind.value if kind else "SOA").upper()}
        case _:
            remarks.changed(entry.place, entry.text, "the connection alone is tried, no mail is talked")
            return {"tcp": True}


def _url(kind: str, inside: Fields, host: str, remarks: Remarks) -> dict[str, Plain]:
    urls = inside.every("url")
    for more in urls[1:]:
        remarks.lost(more.place, more.text, "one path is asked for; a command may ask for more")
    fields = Fields(urls[0].entries if urls else [], remarks)
    path, expect, text = fields.one("path"), fields.one("status_code"), fields.one("regex")
    if own := fields.one("virtualhost"):
        host = own.value
    fields.finish(_URL)
    keys: dict[str, Plain] = {kind: path.value if path and path.value.startswith("/") else "/"}
    keys["expect"] = ",".join(expect.words[1:]) if expect else "200-299"
    if host:
        keys["host"] = host
    if text:
        keys["match"] = text.value
    return keys


def _misc(entry: Entry, inside: Fields, remarks: Remarks) -> dict[str, Plain] | None:
    given = inside.one("misc_path")
    if account := inside.one("user"):
        user(account, account.words[1:], remarks)
    if given is None:
        remarks.lost(entry.place, entry.text, "names no program (misc_path)")
        return None
    argv = command(given.rest, given, remarks)
    return {"command": argv} if argv else None


def _udp(inside: Fields, remarks: Remarks) -> dict[str, Plain]:
    payload, reply = inside.one("payload"), inside.one("require_reply")
    keys: dict[str, Plain] = {"udp": True}
    for key, given in (("send", payload), ("expect", reply)):
        if given and given.value:
            remarks.lost(
                given.place,
                given.text,
                f"write it as {key} of the check by hand: Roost takes texts, not hexadecimal digits",
            )
    return keys

"""Join targets: the text that an operator writes, and the endpoints it stands for. Pure."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from roost.protocols.machine import Endpoint

__all__ = ["DEFAULT_PORT", "JoinTarget", "parse_target"]

DEFAULT_PORT: Final = 7946


@dataclass(frozen=True, slots=True)
class JoinTarget:
    """A host name or IP text, and a port in host order."""

    host: str
    port: int = DEFAULT_PORT

    @property
    def endpoint(self) -> Endpoint | None:
        """The endpoint, or None when `host` is a name that has to be resolved first."""
        try:
            return Endpoint(str(ip_address(self.host)), self.port)
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_target(text: str) -> JoinTarget:
    """Return the target that `text` names: HOST, HOST:PORT, [IPV6]:PORT or IPV6.

    Raises ValueError, saying what is wrong with it.
    """
    host, port = _split(text.strip())
    if not host or any(character.isspace() or character in "[]/%" for character in host):
        raise ValueError(f"{text!r} is no join target: expected HOST, HOST:PORT or [IPV6]:PORT")
    if not port:
        return JoinTarget(host)
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= 0xFFFF):
        raise ValueError(f"{text!r} is no join target: {port!r} is no port")
    return JoinTarget(host, int(port))


def _split(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            return "", ""
        return host, rest[1:] or ("?" if rest else "")
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port or "?"
    return text, ""  # bare IPv6 text has colons of its own

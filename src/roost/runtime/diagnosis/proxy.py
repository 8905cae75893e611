"""kube-proxy on this host: its mode by its own word (metricsBindAddress), strictARP by its file."""

import contextlib
import http.client
import re
from pathlib import Path
from typing import Final

from roost.model.diagnosis.facts import Proxy

__all__ = ["configured", "found"]

_PORT: Final = 10249
_WITHIN: Final = 0.5  # seconds
_MODES: Final = frozenset({"ipvs", "iptables", "nftables", "userspace", "kernelspace"})
_FILES: Final = (
    "var/lib/kube-proxy/config.conf",
    "var/lib/kube-proxy/kube-proxy.conf",
    "etc/kubernetes/kube-proxy.conf",
)
_MOST: Final = 1 << 16  # bytes


def found(root: Path) -> Proxy | None:
    """Return what is known of it, None where there is none to be seen."""
    stated = _stated()
    for name in _FILES:
        path = root / name
        with contextlib.suppress(OSError), path.open("rb") as file:
            mode, strict = configured(file.read(_MOST).decode(errors="replace"))
            if mode or stated:
                return Proxy(stated or mode, str(path), strict)
    return Proxy(stated, f"127.0.0.1:{_PORT}/proxyMode") if stated else None


def configured(text: str) -> tuple[str, bool | None]:
    """Return the mode and strictARP of a KubeProxyConfiguration's text (YAML or JSON)."""
    mode = re.search(r'(?:^[ \t]*|[{,]\s*)"?mode"?\s*:\s*"?(\w*)"?', text, re.MULTILINE)
    strict = re.search(r'"?strictARP"?\s*:\s*(true|false)', text)
    return (mode[1] if mode and mode[1] in _MODES else ""), (strict[1] == "true" if strict else None)


def _stated() -> str:
    connection = http.client.HTTPConnection("127.0.0.1", _PORT, timeout=_WITHIN)
    try:
        connection.request("GET", "/proxyMode")
        said = connection.getresponse().read(32).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
    return said if said in _MODES else ""

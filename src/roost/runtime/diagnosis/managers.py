"""Programs that keep a link as their own files have it, and take away what others set on it.

systemd-networkd writes what it manages to /run/systemd/netif/links/INDEX. It removes routes that it did not
set (ManageForeignRoutes=, on by default) and, without KeepConfiguration=, addresses when it configures the
link anew (networkd.conf(5), systemd.network(5)). NetworkManager does so for links with a profile of theirs.
"""

import configparser
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from roost.model.diagnosis.facts import Manager
from roost.model.link import Link

__all__ = ["found"]

_NO: Final = frozenset({"no", "false", "0", "off"})
_KEPT: Final = frozenset({"yes", "true", "1", "on", "static"})
_MOST: Final = 1 << 16  # bytes of a file
_NETWORKD: Final = ("etc/systemd/networkd.conf", "run/systemd/networkd.conf", "usr/lib/systemd/networkd.conf")


def found(links: Sequence[Link], root: Path) -> Iterator[Manager]:
    """Yield who manages which link and takes away what it did not set; `root` is where the files are."""
    yield from _networkd(links, root)
    yield from _network_manager(links, root)


def _networkd(links: Iterable[Link], root: Path) -> Iterator[Manager]:
    folder = root / "run/systemd/netif/links"
    if not folder.is_dir():
        return
    keeps_routes = _value(_networkd_files(root), "Network", "ManageForeignRoutes").lower() in _NO
    for link in links:
        state = dict(
            line.split("=", 1) for line in _text(folder / str(link.index)).splitlines() if "=" in line
        )
        source = state.get("NETWORK_FILE", "")
        if state.get("ADMIN_STATE") != "configured" or not source:
            continue
        kept = _value([root / source.lstrip("/")], "Network", "KeepConfiguration").lower() in _KEPT
        removes = [*([] if kept else ["addresses"]), *([] if keeps_routes else ["routes"])]
        # A service's IPv4 address is a route of lo, its IPv6 address is on lo.
        if removes and link.loopback:
            yield Manager("systemd-networkd", link.name, source, " and ".join(removes))


def _networkd_files(root: Path) -> list[Path]:
    folders = ("etc/systemd", "run/systemd", "usr/lib/systemd")
    extra = sorted(path for folder in folders for path in (root / folder / "networkd.conf.d").glob("*.conf"))
    return [*(root / each for each in reversed(_NETWORKD)), *extra]


def _network_manager(links: Iterable[Link], root: Path) -> Iterator[Manager]:
    """Find profiles for the loopback link: those in memory alone (`external`) take nothing away."""
    if not (root / "run/NetworkManager").is_dir():
        return
    loopbacks = {each.name for each in links if each.loopback}
    for folder in ("etc/NetworkManager/system-connections", "run/NetworkManager/system-connections"):
        for path in sorted((root / folder).glob("*.nmconnection"))[:64]:
            kind = _value([path], "connection", "type")
            name = _value([path], "connection", "interface-name")
            if (kind == "loopback" or name in loopbacks) and _value([path], "nm-generated", "x") == "":
                if "nm-generated=true" in _text(path):
                    continue
                source = f"/{path.relative_to(root)}"
                yield Manager("NetworkManager", name or "lo", source, "addresses and routes")


def _value(files: Iterable[Path], section: str, key: str) -> str:
    """Return a key's last value in files of systemd's or NetworkManager's kind; "" where there is none."""
    value = ""
    for path in files:
        parser = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=True)
        try:
            parser.read_string(_text(path))
            value = (parser.get(section, key, fallback=value) or "").strip()
        except configparser.Error:
            continue
    return value


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST).decode(errors="replace")
    except OSError:
        return ""

"""Which Linux capabilities a process has (capabilities(7))."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

__all__ = ["NEEDED", "lacking", "missing"]

NEEDED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CAP_NET_ADMIN": "to hold service addresses and to keep the kernel from answering for them",
        "CAP_NET_RAW": "to answer ARP and Neighbor Discovery",
    }
)
_BITS: Final = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13}


def missing() -> tuple[str, ...]:
    """Return the names in `NEEDED` that are not in the effective set of this process."""
    return _missing(Path("/proc/self/status"))


def lacking(pid: int | None) -> tuple[str, ...]:
    """Return the same of another process (None: this one); of one that has gone nothing."""
    try:
        return _missing(Path("/proc", "self" if pid is None else str(pid), "status"))
    except OSError:
        return ()


def _missing(path: Path) -> tuple[str, ...]:
    status = path.read_text()
    effective = int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), 16)
    return tuple(name for name in NEEDED if not effective >> _BITS[name] & 1)

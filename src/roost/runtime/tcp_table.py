"""Open TCP connections of a host, as the kernel lists them (proc(5), /proc/net/tcp)."""

from collections import Counter
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final

from roost.model.address import canonical

__all__ = ["established"]

_ESTABLISHED: Final = "01"


def established(process: int) -> Mapping[str, int]:
    """Return how many connections are open to each local address, as text, where `process` lives.

    Empty where that cannot be seen: the process is on another host, or gone.
    """
    counts: Counter[str] = Counter()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if len(fields) > 3 and fields[3] == _ESTABLISHED:
                counts[_address(fields[1].partition(":")[0])] += 1
    return counts


def _address(text: str) -> str:
    """Return an address for the kernel's form: 32-bit words in host order, hexadecimal."""
    words = bytes.fromhex(text)
    data = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
    return canonical(IPv4Address(data) if len(data) == 4 else IPv6Address(data))

"""What the kernel answers: nobody else writes it, and yet a later one may write it in another way."""

import struct
from typing import Any, Final

from fuzz.target import Target
from roost.runtime import flows, netlink, tracked

__all__ = ["TARGETS"]


def _netlink(data: bytes) -> None:
    for kind, body in netlink._messages(data):
        try:
            list(netlink.attributes(body, kind & 15))
            if kind == netlink._ERROR:
                netlink._raise(body)
        except OSError:
            return


def _tracked(data: bytes) -> None:
    entry: Any = tracked._entry(4, dict(netlink.attributes(data)))
    if entry is not None:
        flows._flow(entry)


TARGETS: Final = (
    Target("netlink", "runtime.netlink", _netlink),
    Target(
        "tracked", "runtime.tracked, runtime.flows", _tracked, (struct.error, ValueError, LookupError), 1024
    ),
)

"""What a good file lets others on the host or the network do, and its owner may not mean."""

import stat
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from roost.protocols.machine import Endpoint
from roost.standalone.document import Document
from roost.standalone.document import Path as FieldPath
from roost.standalone.problems import Finding, Spot

__all__ = ["exposures"]


def exposures(
    document: Document, http: Endpoint | None, file: Path, folder: Path
) -> Iterator[tuple[FieldPath, Spot, Finding]]:
    """Yield keys that anybody on this host may read or replace, and a status page that is open to everybody.

    `http` is where that page is; `folder` is where a relative key file is looked for.
    """
    where: FieldPath = ("membership", "keyFile")
    if node := document.get(where):
        path = folder / str(node.value)
        if found := _open_to_others(path):
            yield where, node.spot, Finding(found.format("it"), f"chmod o-rwx,g-w {path}")
    where = ("membership", "key")
    if (node := document.get(where)) and (found := _open_to_others(file)):
        cure = f"chmod o-rwx,g-w {file}, or use keyFile"
        yield where, node.spot, Finding(found.format("this file"), cure)
    where = ("status", "http")
    if (node := document.get(where)) and http and ip_address(http.host).is_unspecified:
        cause = "answers on all addresses of this host and asks nobody for a password"
        yield where, node.spot, Finding(cause, "write 127.0.0.1, or an address that only you reach")


def _open_to_others(path: Path) -> str:
    """Return what others than the owner and the group, or that group, may do with a key; "" if nothing."""
    try:
        status = path.stat()
    except OSError:
        return ""
    mode, others = stat.S_IMODE(status.st_mode), stat.S_IROTH | stat.S_IWOTH
    if not stat.S_ISREG(status.st_mode) or not mode & (others | stat.S_IWGRP):
        return ""
    who = "everybody on this host" if mode & others else "its group"
    what = "replace" if mode & (stat.S_IWOTH | stat.S_IWGRP) else "read"
    return f"{who} may {what} {{}} (mode {mode:04o})"

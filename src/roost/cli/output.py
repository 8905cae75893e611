"""What commands write for their users: files, and phrases that several of them use."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from roost.cli.exits import Exit, Failure
from roost.runtime import paths

__all__ = ["answerers", "led_by", "look_for_room", "passed_on", "shared_by", "write"]


_NAMED: Final = 4  # nodes that share one service


def shared_by(shares: Mapping[str, float]) -> str:
    """Return in words who answers which part of all askers; "" for nobody."""
    named = [f"{node} {part:.0%}" for node, part in list(shares.items())[:_NAMED]]
    more = [f"and {len(shares) - _NAMED} more"] if len(shares) > _NAMED else []
    return " ".join([*named, *more])


def answerers(service: Mapping[str, Any]) -> str | None:
    """Return who answers for a service of `status`: its leader, or all that share it; None for nobody."""
    return led_by(service["leader"], service.get("shares"), service.get("sharing"))


def led_by(
    leader: str | None, shares: Mapping[str, float] | None, sharing: Mapping[str, Any] | None
) -> str | None:
    """Return who leads a service, with the parts that nodes have of it; None for nobody.

    By connection one node leads and spreads them over others; by client nobody leads.
    """
    if shares is None:
        return leader
    parts = shared_by(shares)
    if (sharing or {}).get("by") == "connection":
        return leader and f"{leader}, over {parts}"
    return parts or None


def look_for_room(path: Path | None) -> None:
    """Raise Failure when a file cannot be written, before the work for it is done; None is no file."""
    if path is None:
        return
    folder = path.parent
    if not paths.is_dir(folder):
        raise Failure(f"cannot write {path}: there is no folder {folder}", Exit.CANNOT_RUN)
    if paths.is_dir(path):
        raise Failure(f"cannot write {path}: it is a folder", Exit.CANNOT_RUN)
    if not os.access(path if paths.exists(path) else folder, os.W_OK):
        raise Failure(f"cannot write {path}: no right to", Exit.CANNOT_RUN)


def write(path: Path, text: str) -> None:
    """Write a file; raises Failure, which says what is in the way."""
    try:
        path.write_text(text)
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}", Exit.CANNOT_RUN) from error


def passed_on(holder: Mapping[str, Any]) -> str:
    """Return a clause on a node that holds connections, and how many, as far as it has told."""
    many = holder["connections"]
    counted = "1 connection" if many == 1 else f"{many} connections"
    told = "connections, not counted yet" if many is None else counted
    return f"passing on to {holder['node']}: {told}"

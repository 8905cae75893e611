"""What commands write for their users: files, and phrases that several of them use."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from roost.cli.exits import Exit, Failure

__all__ = ["connections", "write"]


def write(path: Path, text: str) -> None:
    """Write a file; raises Failure, which says what is in the way."""
    try:
        path.write_text(text)
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}", Exit.CANNOT_RUN) from error


def connections(passed_on: Mapping[str, Any]) -> str:
    """Say how many connections are passed on to a node, as far as it has told."""
    many = passed_on["connections"]
    return "connections, not counted yet" if many is None else f"{many} connections"

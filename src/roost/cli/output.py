"""Files that commands write for their users."""

import os
from pathlib import Path

from roost.cli.exits import Exit, Failure

__all__ = ["look_for_room", "write"]


def look_for_room(path: Path | None) -> None:
    """Raise Failure when a file cannot be written, before the work for it is done; None is no file."""
    if path is None:
        return
    folder = path.parent
    if not folder.is_dir():
        raise Failure(f"cannot write {path}: there is no folder {folder}", Exit.CANNOT_RUN)
    if path.is_dir():
        raise Failure(f"cannot write {path}: it is a folder", Exit.CANNOT_RUN)
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise Failure(f"cannot write {path}: no right to", Exit.CANNOT_RUN)


def write(path: Path, text: str) -> None:
    """Write a file; raises Failure, which says what is in the way."""
    try:
        path.write_text(text)
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}", Exit.CANNOT_RUN) from error

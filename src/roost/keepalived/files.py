"""Their files: the first one, and those that `include` names."""

import glob
import re
from pathlib import Path
from typing import Final, Protocol

from roost.keepalived.places import Place, UnreadableError

__all__ = ["MAX_BYTES", "MAX_FILES", "Files", "FilesOnDisk"]

MAX_BYTES: Final = 4 << 20  # of all files together
MAX_FILES: Final = 500
_ALTERNATIVES: Final = re.compile(r"\{([^{}]*,[^{}]*)\}")
_MAX_PATTERNS: Final = 256  # that the alternatives of one include may make


class Files(Protocol):
    """Where the parser gets texts from."""

    def matching(self, pattern: str, folder: Path, place: Place) -> list[Path]:
        """Return the files that `pattern` names from `folder`, in order of their names."""

    def read(self, path: Path, place: Place | None) -> str:
        """Return a file's text; raises UnreadableError."""


class FilesOnDisk:
    """Files of this host, within bounds that hold for all of one conversion."""

    def __init__(self) -> None:
        self._left = MAX_BYTES
        self._count = 0

    def matching(self, pattern: str, folder: Path, place: Place) -> list[Path]:
        """Return the files that `pattern` names from `folder`; raises UnreadableError for too many."""
        found: dict[Path, None] = {}
        for each in _alternatives(pattern, place):
            for name in sorted(glob.iglob(str(folder / each)))[: MAX_FILES + 1]:  # noqa: PTH207 - the pattern may be absolute
                if not (path := Path(name)).is_dir():
                    found[path] = None
        if len(found) > MAX_FILES:
            raise UnreadableError(f"includes more than {MAX_FILES} files", place)
        return list(found)

    def read(self, path: Path, place: Place | None) -> str:
        """Return a file's text; raises UnreadableError when it cannot be read or goes beyond the bounds."""
        self._count += 1
        if self._count > MAX_FILES:
            raise UnreadableError(
                f"more than {MAX_FILES} files are included: do they include each other?", place
            )
        try:
            if not path.is_file() and not path.is_fifo() and path.exists():
                raise UnreadableError(f"{path} is no file", place)
            with path.open("rb") as file:
                data = file.read(self._left + 1)
        except (OSError, ValueError) as error:
            raise UnreadableError(
                f"{path} cannot be read: {getattr(error, 'strerror', None) or error}", place
            ) from error
        if len(data) > self._left:
            raise UnreadableError(
                f"the files are larger than {MAX_BYTES >> 20} MiB: is it the right file?", place
            )
        if b"\0" in data:
            raise UnreadableError(f"{path} is no text: it holds zero bytes", place)
        self._left -= len(data)
        return data.decode("utf-8-sig", "replace")


def _alternatives(pattern: str, place: Place) -> list[str]:
    """Return the patterns that `{a,b}` in one stand for."""
    done: list[str] = []
    todo = [pattern]
    while todo:
        each = todo.pop(0)
        if not (found := _ALTERNATIVES.search(each)):
            done.append(each)
            continue
        todo += [each[: found.start()] + choice + each[found.end() :] for choice in found[1].split(",")]
        if len(todo) + len(done) > _MAX_PATTERNS:
            raise UnreadableError(f"an include with more than {_MAX_PATTERNS} alternatives", place)
    return done

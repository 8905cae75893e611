"""What is at a path, as far as this user may look: pathlib's own questions raise where a folder is closed."""

import os
from pathlib import Path

__all__ = ["exists", "is_dir", "is_file"]


def exists(path: str | Path) -> bool:
    """Tell whether something is seen at `path`."""
    return os.path.exists(path)  # noqa: PTH110 - see above


def is_dir(path: str | Path) -> bool:
    """Tell whether a folder is seen at `path`."""
    return os.path.isdir(path)  # noqa: PTH112 - see above


def is_file(path: str | Path) -> bool:
    """Tell whether a file is seen at `path`."""
    return os.path.isfile(path)  # noqa: PTH113 - see above

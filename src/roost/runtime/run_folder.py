"""Where the sockets of this host's speakers are, for those who listen and those who ask."""

import os
from pathlib import Path
from typing import Final

__all__ = ["default_socket", "folders"]

_FOLDER: Final = Path("/run/roost")
_VARIABLE: Final = "ROOST_RUN_DIR"


def default_socket(node: str) -> Path:
    """Return where the speaker of `node` listens unless it is told another place."""
    runtime = _of_the_user()
    if runtime is None or os.environ.get(_VARIABLE) or os.geteuid() == 0:
        return folders()[0] / f"{node}.sock"
    return runtime / f"{node}.sock"


def folders() -> list[Path]:
    """Return where sockets are looked for: $ROOST_RUN_DIR alone, else the system's folder and the user's."""
    if only := os.environ.get(_VARIABLE):
        return [Path(only)]
    runtime = _of_the_user()
    return [_FOLDER, *([runtime] if runtime else [])]


def _of_the_user() -> Path | None:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime, "roost") if runtime else None

"""Where the sockets of this host's speakers are, and what a speaker leaves for its successor."""

import os
from pathlib import Path
from typing import Final

__all__ = ["default_socket", "folders", "lasting_folder", "state_folder"]

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


def state_folder(socket: Path) -> Path:
    """Return where the speaker at `socket`, in this thread's namespace, keeps what outlives a crash."""
    namespace = Path("/proc/thread-self/ns/net").stat().st_ino
    return lasting_folder(socket) / f"netns-{namespace}.state"


def lasting_folder(socket: Path) -> Path:
    """Return the folder that outlives the speaker at `socket`.

    That is systemd's StateDirectory= if the unit has one, else beside the socket; but not in a
    RuntimeDirectory=, which systemd takes away when the process ends, if there is a choice (systemd.exec(5)).
    """
    beside = socket.parent
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    passing = [Path(each) for each in os.environ.get("RUNTIME_DIRECTORY", "").split(":") if each]
    for folder in passing:
        lasting = folder.with_name(f"{folder.name}-state")
        if beside.is_relative_to(folder) and (lasting.is_dir() or os.access(folder.parent, os.W_OK)):
            return lasting
    return beside


def _of_the_user() -> Path | None:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime, "roost") if runtime else None

"""A lab lives in mount, network and process namespaces of its own.

When its first process ends, by whatever signal, the kernel takes everything away, and nothing of it was
ever visible outside. The outer process only waits and passes signals on. Without root, a user namespace
gives the rights.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

__all__ = ["CannotIsolateError", "inside", "run_inside"]

_MARK: Final = "ROOST_LAB_INSIDE"
_PR_SET_PDEATHSIG: Final = 1
_TOOLS: Final = {
    "ip": "iproute2",
    "bridge": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mount": "mount",
}


class CannotIsolateError(Exception):
    """This machine lacks a tool or a right; the text is one line that names it and the cure."""


def inside() -> bool:
    """Tell whether this process is the first one inside."""
    return os.environ.get(_MARK) == "1"


def run_inside(arguments: Sequence[str]) -> int:
    """Run `roost lab ARGUMENTS` inside, pass SIGINT and SIGTERM on, and return its exit code.

    Raises CannotIsolateError.
    """
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    if lacking := sorted({package for tool, package in _TOOLS.items() if not shutil.which(tool, path=path)}):
        raise CannotIsolateError(
            f"missing system packages: {', '.join(lacking)} (on Debian: apt install {' '.join(lacking)})"
        )
    namespaces = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        namespaces = ["--user", "--map-root-user", *namespaces]
    _try(namespaces, path)
    command = ["unshare", *namespaces, sys.executable, "-m", "roost", "lab", *arguments]
    environment = os.environ | {_MARK: "1", "PATH": path}
    process = subprocess.Popen(command, env=environment, preexec_fn=_die_with_parent)  # noqa: PLW1509 - no threads yet

    def pass_on(number: int, _frame: object) -> None:
        for child in _children(process.pid):
            os.kill(child, number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, pass_on)
    return process.wait()


def _try(namespaces: Sequence[str], path: str) -> None:
    done = subprocess.run(
        ["unshare", *namespaces, "true"], capture_output=True, text=True, check=False, env={"PATH": path}
    )
    if done.returncode:
        cure = "run as root" if os.geteuid() else "give this container CAP_SYS_ADMIN and CAP_NET_ADMIN"
        raise CannotIsolateError(f"the kernel refuses namespaces here ({done.stderr.strip()}); {cure}")


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setpgid(0, 0)  # the terminal's Ctrl-C comes once, through the outer process


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []

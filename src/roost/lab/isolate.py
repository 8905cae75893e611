"""A lab lives in mount, network and process namespaces of its own.

When its first process ends, by whatever signal, the kernel takes everything away, and nothing of it was
ever visible outside. The outer process only waits and passes signals on. Without root, a user namespace
gives the rights.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

__all__ = ["CannotIsolateError", "InterruptedEarlyError", "handed_in", "inside", "run_inside"]

_MARK: Final = "ROOST_LAB_INSIDE"
_SOCKET: Final = "ROOST_LAB_SOCKET"
_PR_SET_PDEATHSIG: Final = 1
_ENDS: Final = (signal.SIGINT, signal.SIGTERM)
_TOOLS: Final = {
    "ip": "iproute2",
    "bridge": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mount": "mount",
}


class CannotIsolateError(Exception):
    """This machine lacks a tool or a right; the text is one line that names it and the cure."""


class InterruptedEarlyError(Exception):
    """A signal ended the lab in its first moments."""


def inside() -> bool:
    """Tell whether this process is the first one inside."""
    return os.environ.get(_MARK) == "1"


def handed_in() -> socket.socket:
    """Return the socket that was given to `run_inside`: it listens outside, where browsers are."""
    return socket.socket(fileno=int(os.environ[_SOCKET]))


def run_inside(arguments: Sequence[str], listening: socket.socket | None = None) -> int:
    """Run `roost lab ARGUMENTS` inside, pass SIGINT and SIGTERM on, and return its exit code.

    A socket keeps the network namespace that it was made in: `listening` goes on listening outside.

    Raises CannotIsolateError, and InterruptedEarlyError when a signal came before anything was begun inside.
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
    descriptors = [listening.fileno()] if listening is not None else []
    if listening is not None:
        environment[_SOCKET] = str(listening.fileno())
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)  # until there is somebody to pass them on to
    process = subprocess.Popen(
        command,
        env=environment,
        pass_fds=descriptors,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - no threads yet
    )
    ended_early = False

    def pass_on(number: int, _frame: object) -> None:
        nonlocal ended_early
        for child in _children(process.pid):
            if _catches(child, signal.SIGTERM):
                os.kill(child, number)
                return
        # Nobody inside hears signals yet, so nothing was begun there; the kernel takes all of it away.
        ended_early = True
        process.kill()

    for number in _ENDS:
        signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)
    code = process.wait()
    if ended_early:
        raise InterruptedEarlyError
    return code


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
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)


def _catches(pid: int, number: signal.Signals) -> bool:
    """Tell whether a process has a handler; without one, the first of a namespace gets no signal at all."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    caught = next((line.split()[1] for line in lines if line.startswith("SigCgt:")), "0")
    return bool(int(caught, 16) >> (number - 1) & 1)


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []

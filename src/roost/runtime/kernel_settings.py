"""Settings of the kernel's network, sysctl(8): read, and written with an error that names the cure.

They are those of the network namespace of the thread that calls. Names are below `net`, with slashes.
"""

import errno
import os
from pathlib import Path
from typing import Final

__all__ = ["SettingError", "read", "write"]

_NET: Final = Path("/proc/sys/net")
_RIGHT: Final = "give the process CAP_NET_ADMIN in this network namespace"


class SettingError(Exception):
    """The kernel does not take a setting from this process; the text names the cause and the cure."""


def read(name: str) -> int | None:
    """Return a setting that is a number, None where there is no such thing."""
    try:
        return int((_NET / name).read_text())
    except (OSError, ValueError):
        return None


def write(name: str, value: int, *, elsewhere: str = "set it there") -> None:
    """Set `name`, unless there is no such setting any more: its link has gone. Raises SettingError.

    `elsewhere` is what people can do where /proc/sys is read-only, beside running the container privileged.
    """
    try:
        (_NET / name).write_text(str(value))
    except FileNotFoundError:
        return
    except OSError as error:
        cures = {
            errno.EROFS: f"/proc/sys is mounted read-only: run the container privileged, or {elsewhere}",
            errno.EACCES: _RIGHT,
            errno.EPERM: _RIGHT,
        }
        reason = os.strerror(error.errno) if error.errno else str(error)
        cure = cures.get(error.errno or 0, "set it by hand")
        raise SettingError(f"cannot set net.{name.replace('/', '.')}={value}: {reason}; {cure}") from error

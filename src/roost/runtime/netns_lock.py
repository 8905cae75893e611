"""One speaker for a network namespace: two would take addresses, routes and ARP settings from each other.

The lock is a name among the abstract unix sockets (unix(7)): each network namespace has its own, whatever the
processes in it share of the file system, and the kernel gives it back when the process ends, however it ends.
"""

import errno
import os
import socket
import struct
from typing import Final

__all__ = ["NamespaceInUseError", "lock_namespace", "who_asked"]

_NAME: Final = "\0roost-speaker"
_CREDENTIALS: Final = struct.Struct("=iII")  # struct ucred of unix(7): pid, uid, gid


class NamespaceInUseError(Exception):
    """Another speaker holds the lock; the text names it, as far as it is known, and the cure."""


def lock_namespace() -> socket.socket:
    """Return the lock of the calling thread's network namespace: closing it gives the lock back.

    Raises NamespaceInUseError.
    """
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        lock.bind(_NAME)
        lock.listen(1)  # who asks for the holder connects (`who_asked`)
        lock.setblocking(False)  # noqa: FBT003 - the library's signature
    except OSError as error:
        lock.close()
        if error.errno != errno.EADDRINUSE:
            raise
        raise NamespaceInUseError(
            f"another speaker{_holder()} runs in this network namespace, and two would take the "
            "addresses from each other; stop it first, or give this one its own namespace (ip netns exec)"
        ) from error
    return lock


def who_asked(lock: socket.socket) -> int | None:
    """Take one who has asked for the holder of `lock`: its process id, 0 where it cannot be known.

    None when there is nobody, or only a user who could run no speaker here.
    """
    try:
        asker, _ = lock.accept()
    except OSError:
        return None
    with asker:
        found = asker.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(found)
    return int(pid) if uid in (0, os.geteuid()) else None


def _holder() -> str:
    """Return which process holds the lock, as a clause, or "" when it cannot be known."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(0)  # others may be asking, too: they fill the queue
        try:
            asking.connect(_NAME)
            found = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        except OSError:
            return ""
    pid, _, _ = _CREDENTIALS.unpack(found)
    return f" (process {pid})" if pid and pid != os.getpid() else ""  # 0: of a pid namespace not seen here

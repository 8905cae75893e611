"""How a command ends when what it prints cannot be written.

When nobody reads on, as in `roost events | head -1`: quietly, with a code of its own. When the disk is full:
with a line that says so. SIGPIPE itself stays ignored: it would also end a command in the middle of a
question to a speaker, and a lab before its namespaces are gone.
"""

import errno
import os
import select
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from roost.cli.exits import Exit, Failure

__all__ = ["end_if_unread", "printing"]


@contextmanager
def printing() -> Iterator[None]:
    """Turn a write that nobody could read into exit code UNREAD, a full disk into Failure."""
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # what is still held back may be what cannot be written
    except BrokenPipeError:
        unread = [stream for stream in (sys.stdout, sys.stderr) if _is_unread(stream)]
        if not unread:
            raise
        _silence(unread)
        raise SystemExit(int(Exit.UNREAD)) from None
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # rich's own end of it, with a code that says less
            raise SystemExit(int(Exit.UNREAD)) from None
        raise
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename is not None or not _takes_room(sys.stdout):
            raise
        _silence([sys.stdout])
        raise Failure(f"cannot write the output: {error.strerror}", Exit.CANNOT_RUN) from error


def end_if_unread() -> None:
    """End a command that goes on for ever, and has nothing to write now, once its reader has gone."""
    if _is_unread(sys.stdout):
        raise BrokenPipeError


def _silence(streams: Iterable[IO[Any]]) -> None:
    """Lead streams to /dev/null, for what the interpreter still writes to them at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _takes_room(stream: IO[Any] | None) -> bool:
    """Tell whether a stream is a file: where it is none, something else had no room (BPF, netlink)."""
    try:
        mode = os.fstat(stream.fileno()).st_mode if stream is not None else 0
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(mode) or (stat.S_ISCHR(mode) and stream is not None and not stream.isatty())


def _is_unread(stream: IO[Any] | None) -> bool:
    """Tell whether a stream leads to a pipe or socket whose other end is closed."""
    try:
        number = stream.fileno() if stream is not None else None
    except (OSError, ValueError):  # no file at all, or closed
        number = None
    if number is None:
        return False
    watch = select.poll()
    watch.register(number, 0)
    return any(happened & select.POLLERR for _, happened in watch.poll(0))

"""Running a program beside the event loop: with a time limit, and with no more output kept than wanted.

A program runs in a session, so in a process group, of its own; one that takes too long is killed with that
whole group. What it left running in time goes on: a program may start a daemon. Nobody waits for a killed
process that the kernel cannot end yet.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["Outcome", "run"]

_OUTPUT_KEPT: Final = 4096  # bytes
_READ: Final = 1 << 16  # bytes at once
_LAST_READS: Final = 16  # of what a program left in its pipe when it ended


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended: its exit `code`, negative for a signal, None when it never ended by itself.

    `why` is one clause for people; `output` is the end of what it wrote to its output and its errors.
    """

    code: int | None
    why: str
    output: str = ""

    @property
    def ok(self) -> bool:
        """Whether it ended with 0."""
        return self.code == 0


async def run(
    command: Sequence[str],
    timeout: float,  # noqa: ASYNC109 - it kills, so it belongs here
    *,
    environment: Mapping[str, str] | None = None,
    output_kept: int = _OUTPUT_KEPT,
) -> Outcome:
    """Run `command` for at most `timeout` seconds; never raises for what the program does.

    `environment` is added to this process's own. Who cancels this kills the program, too.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        process = subprocess.Popen(  # noqa: ASYNC220, S603 - 1 ms; it comes from the configuration, and no shell reads it
            command,
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            start_new_session=True,
            env=None if environment is None else {**os.environ, **environment},
        )
    except (OSError, ValueError) as error:  # ValueError: a zero byte in an argument
        os.close(reading)
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        return Outcome(None, f"cannot be run: {reason}")
    finally:
        os.close(writing)
    try:
        ending = _Ending(process)
    except OSError as error:  # no descriptor is left
        process.kill()
        os.close(reading)
        return Outcome(None, f"cannot be followed: {os.strerror(error.errno or 0)}")
    output = _Output(reading, output_kept)
    try:
        async with asyncio.timeout(timeout):
            await ending.over
    except TimeoutError:
        return Outcome(None, f"killed: it took longer than {timeout:g} s", output.end())
    finally:
        ending.kill_unless_over()
        output.end()
    code = process.returncode
    return Outcome(code, _how_ended(code), output.end())


def _how_ended(code: int) -> str:
    if code >= 0:
        return f"exited with {code}"
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"ended by signal {-code}"


class _Output:
    """Reads a pipe as it fills, so that nobody who writes ever waits; keeps the last `kept` bytes."""

    def __init__(self, pipe: int, kept: int) -> None:
        os.set_blocking(pipe, False)
        self._pipe: int | None = pipe
        self._kept = kept
        self._data = bytearray()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(pipe, self._read)

    def end(self) -> str:
        """Take what is there by now and close the pipe; returns what was kept, as text."""
        for _ in range(_LAST_READS):
            if not self._read():
                break
        self._close()
        return self._data.decode(errors="replace").strip()

    def _read(self) -> bool:
        if self._pipe is None:
            return False
        try:
            data = os.read(self._pipe, _READ)
        except BlockingIOError:
            return False
        if not data:
            self._close()
        self._data += data
        del self._data[: -self._kept]
        return bool(data)

    def _close(self) -> None:
        if self._pipe is not None:
            self._loop.remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = None


class _Ending:
    """The end of a process; `over` is done when it has been reaped."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._loop = asyncio.get_running_loop()
        self.over: asyncio.Future[None] = self._loop.create_future()
        self._pidfd = os.pidfd_open(process.pid)
        self._loop.add_reader(self._pidfd, self._reap)

    def kill_unless_over(self) -> None:
        """Kill the process and its group, unless it has ended; it is reaped whenever that is through."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _reap(self) -> None:
        if self._process.poll() is None:
            return
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        if not self.over.done():
            self.over.set_result(None)

"""A program on a real terminal (a pty): what it shows, and keys for it."""

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Sequence

__all__ = ["Terminal", "terminal"]

_CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]|\r")
_HOME = b"\x1b[H"


class Terminal:
    """`show` waits until the last screen that was drawn has some text."""

    def __init__(self, argv: Sequence[str], environment: dict[str, str], width: int, height: int) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.written = b""
        self.process = subprocess.Popen(
            argv,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=os.environ | environment,
            start_new_session=True,
        )
        self._slave = slave

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def screen(self, within: float = 0.0) -> str:
        """What the last whole screen has, without colours."""
        while select.select([self._master], [], [], within)[0]:
            try:
                self.written += os.read(self._master, 65536)
            except OSError:
                break
            within = 0.0
        self.written = self.written[-400_000:]
        screens = self.written.split(_HOME)
        whole = screens[-2] if len(screens) > 2 else screens[-1]
        return _CONTROL.sub(b"", whole).decode(errors="replace")

    def show(self, *texts: str, patience: float = 20.0) -> str:
        end = time.monotonic() + patience
        shown = ""
        while time.monotonic() < end:
            shown = self.screen(0.1)
            if all(text in shown for text in texts):
                return shown
        raise AssertionError(f"{texts} not within {patience} s on:\n{shown}")

    def settings(self) -> list[object]:
        return list(termios.tcgetattr(self._slave))

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)
        os.close(self._slave)


@contextlib.contextmanager
def terminal(*argv: str, width: int = 120, height: int = 40, **environment: str) -> Iterator[Terminal]:
    made = Terminal(argv, {"TERM": "xterm-256color", **environment}, width, height)
    try:
        yield made
    finally:
        made.close()

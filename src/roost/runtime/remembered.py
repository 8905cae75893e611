"""What a process leaves for its successor after a crash: facts in a file, for one boot and one namespace."""

import contextlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

__all__ = ["Memory"]

_log = logging.getLogger(__name__)

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


class Memory:
    """The file at `path` (None: nothing is remembered); `what` is what people call its contents.

    It belongs in a directory below /run, since a reboot must forget it.
    """

    def __init__(self, path: Path | None, what: str) -> None:
        self._path = path
        self._what = what

    def recall(self) -> Mapping[str, Any]:
        """Return what a predecessor here, since the boot, remembered; anything unreadable is nothing."""
        if self._path is None or not self._path.exists():
            return {}
        try:
            facts = json.loads(self._path.read_text())
            if (facts["boot"], facts["namespace"]) == (_boot(), _namespace()):
                return dict(facts)
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            self.distrust(error)
        return {}

    def distrust(self, error: Exception) -> None:
        """Say that what was read makes no sense."""
        _log.warning("cannot read %s from %s: %s", self._what, self._path, error)

    def keep(self, facts: Mapping[str, Any]) -> None:
        """Remember these facts, in place of what was; nothing when there are none."""
        if self._path is None:
            return
        try:
            if not facts:
                self._path.unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # others keep something there, too
                    self._path.parent.rmdir()
                return
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft = self._path.with_suffix(".new")
            draft.write_text(json.dumps({"boot": _boot(), "namespace": _namespace(), **facts}))
            draft.replace(self._path)
        except OSError as error:
            _log.warning("cannot remember %s in %s: %s", self._what, self._path, error)


def _namespace() -> int:
    return Path("/proc/thread-self/ns/net").stat().st_ino


def _boot() -> str:
    """Return what names this run of the kernel: another one has no settings of ours."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""

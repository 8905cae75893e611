"""Reading the configuration file again, beside the announcing.

Requests that come while a file is read make one more reading, and a file that cannot be put in force changes
nothing.
"""

import asyncio
import logging
from pathlib import Path

from roost.settings import in_force
from roost.speaker.speaker import Speaker
from roost.standalone.loader import load
from roost.standalone.source import FileSource

__all__ = ["Reloader"]

_log = logging.getLogger("roost.speaker")


class Reloader:
    """Puts what the file at `path` says in force, each time that it was asked for; `run` does the work."""

    def __init__(self, speaker: Speaker, path: Path) -> None:
        self._speaker = speaker
        self._path = path
        self._wanted = asyncio.Event()

    def request(self) -> None:
        """Ask for one more reading."""
        self._wanted.set()

    async def run(self) -> None:
        """Read whenever asked, also for what was asked for before this began, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._reload()
            except Exception:  # noqa: BLE001 - logged whole: a mistake in here must not cost a running address
                _log.exception("the last good configuration stays in force: reading the new one failed")

    async def _reload(self) -> None:
        loaded = load(self._path)
        if loaded.config is None:
            self._speaker.refuse([str(each) for each in loaded.problems if each.severity == "error"])
            return
        for problem in loaded.problems:
            _log.warning("%s", problem)
        config, waiting = in_force(self._speaker.config, loaded.config)
        for field in sorted(waiting):
            _log.warning("%s takes effect at the next start; this process goes on with what it has", field)
        self._speaker.reload(FileSource(self._path, config))

"""Reading the configuration file again, beside the announcing.

Requests that come while a file is read make one more reading, and a file that cannot be put in force changes
nothing.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from roost.model.election import Prepared
from roost.protocols.words.metadata import MetadataError
from roost.runtime import garbage
from roost.runtime.beside import beside_the_loop
from roost.runtime.links import on_host
from roost.settings import in_force
from roost.speaker.speaker import Speaker
from roost.standalone.loader import load
from roost.standalone.problems import Problem
from roost.standalone.source import FileSource

__all__ = ["Reloader"]

_log = logging.getLogger("roost.speaker")

_BREATH: Final = 0.001  # seconds for the event loop between two steps of a reload


@dataclass(frozen=True, slots=True)
class _Refused:
    errors: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Read:
    source: FileSource
    rankings: Prepared
    waiting: frozenset[str]  # fields that take effect at the next start
    warnings: Sequence[Problem]


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
                with garbage.building():
                    await self._reload()
            except Exception:  # noqa: BLE001 - logged whole: a mistake in here must not cost a running address
                _log.exception("the last good configuration stays in force: reading the new one failed")

    async def _reload(self) -> None:
        read = await beside_the_loop(self._read)
        if isinstance(read, _Refused):
            self._speaker.refuse(read.errors)
            return
        for problem in read.warnings:
            _log.warning("%s", problem)
        for field in sorted(read.waiting):
            _log.warning("%s takes effect at the next start; this process goes on with what it has", field)
        self._speaker.at_next_start = read.waiting
        for _ in self._speaker.reload(read.source, read.rankings):
            await asyncio.sleep(_BREATH)

    def _read(self) -> "_Read | _Refused":
        """Do all that needs no event loop, in a thread: the loop gets its turn every few milliseconds."""
        loaded = load(self._path)
        if loaded.config is None:
            return _Refused([str(each) for each in loaded.problems if each.severity == "error"])
        config, waiting = in_force(self._speaker.config, loaded.config)
        source = FileSource(self._path, config)
        try:
            self._speaker.look_for_room(source)
        except MetadataError as error:
            return _Refused([f"{self._path}: {error}"])
        source.prepare(*on_host(self._speaker.adapters.links.links))
        rankings = self._speaker.decider.state.election.prepare(source.desired.services)
        return _Read(source, rankings, waiting, loaded.problems)

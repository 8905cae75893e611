"""One page of many speakers: follows the live stream of each, and shows all of them.

    places (a socket, a pod) -> streams -> one Hub

What a speaker said last stays, and is said to be old, while it says nothing: a page that forgot it would
forget what the dead did last.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final, Protocol

from roost.observe.web.hub import Hub

__all__ = ["HERE", "NO_WORD", "Gathering", "Place", "PlaceError"]

HERE: Final = ""  # the source of what this server says of itself
NO_WORD: Final = 4.5  # seconds: a speaker gives a sign of life every 2
_AGAIN: Final = 0.5  # seconds between two tries
_LOOK: Final = 3.0  # seconds between two looks for places
_LARGEST: Final = 4 << 20  # bytes of a message


class PlaceError(Exception):
    """A speaker does not answer, or refuses; the text says why. `status` is HTTP's, 0 without an answer."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class Place(Protocol):
    """Where a speaker is asked; everything raises PlaceError."""

    @property
    def name(self) -> str:
        """What the place is called until its speaker says its own name."""

    def live(self) -> AsyncGenerator[bytes, None]:
        """Return the parts of the speaker's live stream."""

    async def ask(self, target: str) -> Mapping[str, Any]:
        """GET `target`."""

    async def drain(self, node: str, *, wish: bool) -> Mapping[str, Any]:
        """Ask `node`, through this speaker, to drain or to do so no more."""


class Gathering:
    """Fills `hub` from the places that `find` returns, which is asked again and again: places come and go."""

    def __init__(self, hub: Hub, find: Callable[[], Awaitable[Sequence[Place]]]) -> None:
        self._hub = hub
        self._find = find
        self._places: dict[str, Place] = {}  # by name
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._names: dict[Place, str] = {}  # by its own word
        self._answering: set[Place] = set()
        self._cut_off: dict[Place, float] = {}  # when it said so last
        self._latest: dict[str, str] = {}  # of each speaker's events, when it was

    async def run(self) -> None:
        """Follow all places until cancelled; while none can be found, go on with those that are known."""
        try:
            while True:
                try:
                    self._want({place.name: place for place in await self._find()})
                    self._hub.set(HERE, "finding", {"why": "" if self._places else "no speaker is there"})
                except PlaceError as error:
                    self._hub.set(HERE, "finding", {"why": str(error)})
                await asyncio.sleep(_LOOK)
        finally:
            for task in self._tasks.values():
                task.cancel()

    def _want(self, places: Mapping[str, Place]) -> None:
        for name in self._places.keys() - places.keys():
            self._tasks.pop(name).cancel()
            place = self._places.pop(name)
            known = self.name(place)
            self._names.pop(place, None)
            self._answering.discard(place)
            self._cut_off.pop(place, None)
            if known not in map(self.name, self._places.values()):
                self._hub.drop(known)
        for name in places.keys() - self._places.keys():
            self._places[name] = places[name]
            self._tasks[name] = asyncio.create_task(self._follow(places[name]))

    def best(self) -> Sequence[Place]:
        """Return the places to ask: those first that answer now, and that were not cut off of late."""
        return sorted(
            self._places.values(),
            key=lambda each: (each not in self._answering, self._cut_off.get(each, 0.0)),
        )

    def name(self, place: Place) -> str:
        """Return what the speaker at a place is called, by its own word if it has said any."""
        return self._names.get(place, place.name)

    async def _follow(self, place: Place) -> None:
        self._reach(place, "not asked yet")
        while True:
            try:
                await self._read(place)
                why = "it ended"
            except PlaceError as error:
                why = str(error)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                why = "what it says is not understood: is it another version?"
            self._answering.discard(place)
            self._reach(place, why)
            await asyncio.sleep(_AGAIN)

    async def _read(self, place: Place) -> None:
        rest = b""
        first: dict[str, dict[str, Any]] | None = {}  # until all that was known is told
        async with aclosing(place.live()) as parts:
            async for part in parts:
                *messages, rest = (rest + part).split(b"\n\n")
                if len(rest) > _LARGEST:
                    raise PlaceError("it does not stop talking")
                for each in messages:
                    _, data, text = each.partition(b"data: ")
                    if data:
                        first = self._take(place, json.loads(text), first)

    def _take(
        self, place: Place, told: Mapping[str, Any], first: dict[str, dict[str, Any]] | None
    ) -> dict[str, dict[str, Any]] | None:
        """Take a message; what comes before `ready` is gathered, and replaces all that was known."""
        if "hello" in told:
            self._rename(place, str(told["hello"]["me"]))
        elif "ready" in told and first is not None:
            for section, values in first.items():
                self._hub.set(self.name(place), section, values)
            self._answering.add(place)
            self._reach(place, "")
            return None
        elif sections := told.get("set"):
            if sections.get("self", {}).get("cut_off"):
                self._cut_off[place] = time.monotonic()
            for section, values in sections.items():
                if first is not None:
                    first.setdefault(section, {}).update(values)
                else:
                    self._hub.set(self.name(place), section, values, whole=False)
        elif kinds := told.get("tell"):
            self._tell(self.name(place), kinds["events"])
        return first

    def _tell(self, name: str, events: Sequence[Mapping[str, Any]]) -> None:
        """Pass on what was not told before the stream broke."""
        latest = self._latest.get(name, "")
        if new := [each for each in events if each["time"] > latest]:
            self._latest[name] = max(each["time"] for each in new)
            self._hub.tell(name, "events", new)

    def _rename(self, place: Place, name: str) -> None:
        before = self.name(place)
        self._names[place] = name
        if before != name:
            self._hub.drop(before)

    def _reach(self, place: Place, why: str) -> None:
        self._hub.set(self.name(place), "reach", {"why": why, "place": place.name})

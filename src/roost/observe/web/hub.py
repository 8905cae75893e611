"""What a page shows, and all who look: one state, told whole to who comes, and by its changes from then on.

    source -> section -> key -> value        changes are encoded once, however many look

A reader that does not keep up is let go, and comes back to the whole state: nobody waits for a browser. Every
message is an event of a stream of server-sent events (WHATWG HTML, section 9.2) with one JSON object:

    {"hello": {...}}                                            forget everything before
    {"source": NAME, "set": {SECTION: {KEY: VALUE or null}}}    null: gone
    {"source": NAME, "tell": {KIND: [ITEM, ...]}}               something happened, in order
    {"source": NAME, "gone": true}
    {"ready": true}                                             all that was known is told
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["READERS", "Hub", "TooManyReadersError", "message"]

READERS: Final = 32
_WAITING: Final = 512  # messages that a reader may be behind
_WAITING_BYTES: Final = 1 << 20
_TOGETHER: Final = 100  # keys in one message of the whole state
_ALIVE: Final = 2.0  # seconds between two signs of life where nothing changes
_COME_BACK: Final = b"retry: 1000\n"  # milliseconds, when the stream has broken
_SIGN_OF_LIFE: Final = b": alive\n\n"


class TooManyReadersError(Exception):
    """As many look as may."""


def message(data: Mapping[str, Any]) -> bytes:
    """Return an event of the stream."""
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"


async def _nothing() -> None:
    pass


@dataclass(eq=False)
class _Reader:
    queue: deque[bytes] = field(default_factory=deque)
    size: int = 0  # bytes in the queue
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False

    async def next(self) -> bytes | None:
        """Return the next message, None where none comes for a while."""
        if not self.queue:
            self.woken.clear()
            try:
                async with asyncio.timeout(_ALIVE):
                    await self.woken.wait()
            except TimeoutError:
                return None
        if not self.queue:
            return None
        data = self.queue.popleft()
        self.size -= len(data)
        return data

    def put(self, data: bytes) -> None:
        if len(self.queue) >= _WAITING or self.size > _WAITING_BYTES:
            self.ended = True
        else:
            self.queue.append(data)
            self.size += len(data)
        self.woken.set()


@dataclass(slots=True)
class _Source:
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)
    told: dict[str, deque[Any]] = field(default_factory=dict)


class Hub:
    """One page's state. A reader is told `hello()` first; of each kind of items `kept` has how many are kept.

    `prepare()` is awaited for each that comes to look, `unwatched()` called when the last has gone: what is
    shown need not be kept up to date between. All calls belong to one event loop.
    """

    def __init__(
        self,
        hello: Callable[[], Mapping[str, Any]],
        kept: Mapping[str, int],
        *,
        most: int = READERS,
    ) -> None:
        self.prepare: Callable[[], Awaitable[None]] = _nothing
        self.unwatched: Callable[[], None] = lambda: None
        self._hello = hello
        self._kept = kept
        self._most = most
        self._sources: dict[str, _Source] = {}
        self._readers: set[_Reader] = set()
        self._closed = False

    @property
    def readers(self) -> int:
        """How many look."""
        return len(self._readers)

    def set(self, source: str, section: str, values: Mapping[str, Any], *, whole: bool = True) -> None:
        """Take JSON-able values by key; `whole`: keys that are not among them are gone, else they stay."""
        now = self._source(source).sections.setdefault(section, {})
        changes = {key: value for key, value in values.items() if key not in now or now[key] != value}
        gone = (now.keys() - values.keys()) if whole else {key for key in values if values[key] is None}
        now.update(changes)
        for key in gone:
            now.pop(key, None)
            changes[key] = None
        if changes:
            self._publish({"source": source, "set": {section: changes}})

    def tell(self, source: str, kind: str, items: Sequence[Any]) -> None:
        """Take what happened, in its order."""
        told = self._source(source).told.setdefault(kind, deque(maxlen=self._kept[kind]))
        told.extend(items)
        self._publish({"source": source, "tell": {kind: list(items)}})

    def drop(self, source: str) -> None:
        """Forget a source."""
        if self._sources.pop(source, None) is not None:
            self._publish({"source": source, "gone": True})

    def keys(self, source: str, section: str) -> AbstractSet[str]:
        """Return the keys of a section."""
        return self._source(source).sections.get(section, {}).keys()

    def clear(self, source: str, section: str) -> None:
        """Forget a section that nobody looks at, without a word."""
        self._source(source).sections.pop(section, None)

    def read(self) -> AsyncGenerator[bytes, None]:
        """Return the stream for one more reader. Raises TooManyReadersError."""
        if len(self._readers) >= self._most:
            raise TooManyReadersError(f"{self._most} look at this page already")
        return self._read()

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        for reader in self._readers:
            reader.ended = True
            reader.woken.set()

    async def _read(self) -> AsyncGenerator[bytes, None]:
        reader = _Reader()
        self._readers.add(reader)
        try:
            await self.prepare()
            yield _COME_BACK + message({"hello": {**self._hello(), "now": time.time()}})
            for part in self._whole():
                yield part
                await asyncio.sleep(0)  # others have their turn
            yield message({"ready": True})
            while not reader.ended:
                data = await reader.next()
                yield data if data is not None else _SIGN_OF_LIFE
        finally:
            self._readers.discard(reader)
            if not self._readers:
                self.unwatched()
        if not self._closed:
            raise TimeoutError("this reader does not keep up")

    def _whole(self) -> Iterator[bytes]:
        """Yield all that is known, as it is when each part is asked for: changes come after it."""
        for name, source in tuple(self._sources.items()):
            for section, values in tuple(source.sections.items()):
                keys = tuple(values)
                for at in range(0, len(keys), _TOGETHER):
                    part = {key: values.get(key) for key in keys[at : at + _TOGETHER]}
                    yield message({"source": name, "set": {section: part}})
            for kind, items in tuple(source.told.items()):
                yield message({"source": name, "tell": {kind: list(items)}})

    def _source(self, name: str) -> _Source:
        return self._sources.setdefault(name, _Source())

    def _publish(self, data: Mapping[str, Any]) -> None:
        if self._readers:
            encoded = message(data)
            for reader in self._readers:
                reader.put(encoded)

"""A live copy of the objects of one kind: list, then watch, for ever.

While the API server is silent, the copy stays as it was: nothing is withdrawn because nobody answers.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from roost.kubernetes.client import Api, ApiError, Resource
from roost.kubernetes.resources import Object, key_of

__all__ = ["Mirror"]

_log = logging.getLogger("roost.kubernetes")

T = TypeVar("T")

_PAGE: Final = "500"  # objects of one answer: bounds the memory that decoding takes
_WATCH_FOR: Final = 290  # seconds, after which the server ends a watch
_FIRST_WAIT: Final = 0.2  # seconds before the second attempt, doubled each time up to:
_LONGEST_WAIT: Final = 10.0


class Mirror(Generic[T]):
    """Objects of `resource`, in `namespace` or all, each as `parse` makes it, by namespace/name.

    `on_change(key, old, new)` is called for each difference that `parse` lets through, None standing for no
    object; never before the first list is complete, but once for each object then.
    """

    def __init__(
        self,
        api: Api,
        resource: Resource,
        parse: Callable[[Object], T],
        on_change: Callable[[str, T | None, T | None], None],
        *,
        namespace: str = "",
        selector: Mapping[str, str] | None = None,
    ) -> None:
        self.resource = resource
        self.synced = asyncio.Event()
        self.trouble: str | None = None  # why the copy may be old, None while the server answers
        self.restarts = 0
        self._api = api
        self._parse = parse
        self._on_change = on_change
        self._path = resource.path(namespace)
        self._selector = dict(selector or {})
        self._items: dict[str, T] = {}
        self._versions: dict[str, int] = {}
        self._version = ""  # of the whole list, to watch from
        self._watching = True

    @property
    def items(self) -> Mapping[str, T]:
        """The objects by namespace/name; a live view."""
        return MappingProxyType(self._items)

    def put(self, item: Object) -> None:
        """Take an object from the answer to a write, which the watch may tell later; if it is still there."""
        if key_of(item) in self._items:
            self._take(item)

    def add(self, item: Object) -> None:
        """Take an object that was just created."""
        self._take(item)

    async def run(self) -> None:
        """Keep the copy until cancelled."""
        wait, clock = _FIRST_WAIT, asyncio.get_running_loop().time
        while True:
            begin = clock()
            try:
                if not self._version:
                    self._version = await self._list()
                if await self._may_watch():
                    wait = _FIRST_WAIT
                else:
                    wait, self._version = _LONGEST_WAIT, ""
                self.restarts += 1
            except ApiError as error:
                if error.expired:
                    self._version = ""  # what happened meanwhile is forgotten there: compare all
                if clock() - begin > _LONGEST_WAIT:  # it was well for a while
                    wait = _FIRST_WAIT
                self._note_trouble(error)
            await asyncio.sleep(wait * random.uniform(0.75, 1.25))  # noqa: S311 - spreads load
            wait = min(2 * wait, _LONGEST_WAIT)

    async def _list(self) -> str:
        """Take all objects, page by page; return the version to watch from."""
        seen: set[str] = set()
        query = {"limit": _PAGE, **self._selector}
        while True:
            page = await self._api.get(self._path, query)
            for item in page.get("items") or ():
                seen.add(key_of(item))
                self._take(item, announce=self.synced.is_set())
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                break
            query["continue"] = metadata["continue"]
        for key in self._items.keys() - seen:
            self._drop(key)
        self._heard()
        if not self.synced.is_set():
            self.synced.set()
            for key, value in list(self._items.items()):
                self._on_change(key, None, value)
        return str(metadata.get("resourceVersion", ""))

    async def _may_watch(self) -> bool:
        """Watch until the server ends it; returns False where there is only the right to list."""
        try:
            await self._watch()
        except ApiError as error:
            if error.status != 403:
                raise
            if self._watching:
                _log.info("%s are listed now and then instead of watched: %s", self.resource.plural, error)
            self._watching = False
        return self._watching

    async def _watch(self) -> None:
        """Follow changes until the server ends the watch; continues where the last one ended."""
        query = {"resourceVersion": self._version, "timeoutSeconds": str(_WATCH_FOR), **self._selector}
        async for event in self._api.watch(self._path, query, self._heard):
            item = event["object"]
            if event["type"] == "DELETED":
                self._drop(key_of(item))
            elif event["type"] in ("ADDED", "MODIFIED"):
                self._take(item)
            self._version = str(item["metadata"]["resourceVersion"])

    def _take(self, item: Object, *, announce: bool = True) -> None:
        key, version = key_of(item), _number(item)
        if version and version < self._versions.get(key, 0):
            return  # an answer to a write was quicker than the watch
        try:
            new = self._parse(item)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            _log.error("cannot read %s %s, it is left out: %r", self.resource.plural, key, error)
            return
        old = self._items.get(key)
        self._items[key] = new
        self._versions[key] = version
        if announce and old != new:
            self._on_change(key, old, new)

    def _drop(self, key: str) -> None:
        old = self._items.pop(key, None)
        self._versions.pop(key, None)
        if old is not None:
            self._on_change(key, old, None)

    def _heard(self) -> None:
        if self.trouble is not None:
            _log.info("the API server answers again", extra={"kind": self.resource.plural})
            self.trouble = None

    def _note_trouble(self, error: ApiError) -> None:
        if self.trouble is None:
            level = logging.ERROR if error.forbidden or error.not_found else logging.WARNING
            _log.log(level, "cannot follow %s: %s; what is known stays in force", self.resource.plural, error)
        self.trouble = str(error)


def _number(item: Object) -> int:
    version = str(item["metadata"].get("resourceVersion", ""))
    return int(version) if version.isdigit() else 0

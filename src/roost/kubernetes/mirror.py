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
_BELIEVED: Final = 3  # refusals in a row
_DIGITS: Final = 20  # of a version: a number of 64 bits


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
        self._listed = False  # whether the last thing that succeeded is a list
        self._refusals = 0  # of watches, each right after a list

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

    def discard(self, key: str) -> None:
        """Drop an object that the server says is not there: its end may have been told before `add`."""
        self._drop(key)

    async def run(self) -> None:
        """Keep the copy until cancelled."""
        wait, clock = _FIRST_WAIT, asyncio.get_running_loop().time
        while True:
            begin = clock()
            try:
                if not self._version:
                    self._version = await self._list()
                await self._watch()
                wait = _FIRST_WAIT
                self.restarts += 1
            except ApiError as error:
                if error.expired or error.forbidden:
                    self._version = ""  # what happened meanwhile is not told: compare all
                if clock() - begin > _LONGEST_WAIT:  # it was well for a while
                    wait = _FIRST_WAIT
                if self._may_only_list(error):
                    wait = _LONGEST_WAIT
                else:
                    self._note_trouble(error)
            wait = min(2 * wait, _LONGEST_WAIT) if await self._passes(wait) else _FIRST_WAIT

    async def _passes(self, wait: float) -> bool:
        """Wait; False when that ended before, because the server answers again."""
        try:
            async with asyncio.timeout(wait * random.uniform(0.75, 1.25)):  # noqa: S311 - spreads load
                await self._api.recovered()
        except TimeoutError:
            return True
        return False

    async def _list(self) -> str:
        """Take all objects, page by page; return the version to watch from."""
        self._listed = False
        seen: set[str] = set()
        query = {"limit": _PAGE, **self._selector}
        while True:
            page = await self._api.get(self._path, query)
            items, metadata = page.get("items") or [], page.get("metadata") or {}
            if not isinstance(items, list) or not isinstance(metadata, dict):
                raise ApiError(0, "the API server's answer is no list of objects")
            for item in items:
                seen.add(_key(item))
                self._take(item, announce=self.synced.is_set())
            if not metadata.get("continue"):
                break
            query["continue"] = str(metadata["continue"])
        for key in self._items.keys() - seen:
            self._drop(key)
        self._heard()
        self._listed = True
        if not self.synced.is_set():
            self.synced.set()
            for key, value in list(self._items.items()):
                self._on_change(key, None, value)
        return str(metadata.get("resourceVersion", ""))

    def _may_only_list(self, error: ApiError) -> bool:
        """Tell whether there is the right to list and none to watch: that is refused after each good list.

        A server that has just started refuses everything for a moment, until it knows the roles.
        """
        if not error.forbidden or not self._listed:
            self._refusals = 0
            return False
        self._refusals += 1
        if self._refusals == _BELIEVED:
            _log.info("%s are listed now and then instead of watched: %s", self.resource.plural, error)
        return self._refusals >= _BELIEVED

    async def _watch(self) -> None:
        """Follow changes until the server ends the watch; continues where the last one ended."""
        query = {"resourceVersion": self._version, "timeoutSeconds": str(_WATCH_FOR), **self._selector}
        async for event in self._api.watch(self._path, query, self._opened):
            item = event["object"]
            if event["type"] == "DELETED":
                self._drop(_key(item))
            elif event["type"] in ("ADDED", "MODIFIED"):
                self._take(item)
            if version := _version(item):
                self._version = version

    def _take(self, item: Object, *, announce: bool = True) -> None:
        key, version = _key(item), _number(item)
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

    def _opened(self) -> None:
        self._listed, self._refusals = False, 0
        self._heard()

    def _heard(self) -> None:
        if self.trouble is not None:
            _log.info("the API server answers again", extra={"kind": self.resource.plural})
            self.trouble = None

    def _note_trouble(self, error: ApiError) -> None:
        if self.trouble is None:
            level = logging.ERROR if error.forbidden or error.not_found else logging.WARNING
            _log.log(level, "cannot follow %s: %s; what is known stays in force", self.resource.plural, error)
        self.trouble = str(error)


def _key(item: Object) -> str:
    """Return what an object from the API server is known by. Raises ApiError."""
    try:
        return key_of(item)
    except (KeyError, TypeError, AttributeError) as error:
        raise ApiError(0, "the API server tells of an object without a name") from error


def _version(item: Object) -> str:
    metadata = item.get("metadata")
    return str(metadata.get("resourceVersion") or "") if isinstance(metadata, dict) else ""


def _number(item: Object) -> int:
    version = _version(item)
    return int(version) if version.isascii() and version.isdigit() and len(version) <= _DIGITS else 0

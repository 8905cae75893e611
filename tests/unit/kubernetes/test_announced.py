"""Telling who announces: whatever is deleted meanwhile and however late answers come, the object is there."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tests.unit.controller.fake_api import FakeApi

from roost.kubernetes.announced import Announced, AnnouncedService
from roost.kubernetes.kinds import L2_STATUSES

_FOLDER = L2_STATUSES.path("metallb-system")


class Statuses(FakeApi):
    """Names what is made, and answers a creation only after `late` seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.made = 0
        self.late = 0.0
        self.delete_at_once = False

    async def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if path != _FOLDER:
            return await super().create(path, body)
        self.made += 1
        name = f"l2-{self.made}"
        item = {**body, "metadata": {**body["metadata"], "name": name, "namespace": "metallb-system"}}
        stored = self.set(f"{_FOLDER}/{name}", item)
        if self.delete_at_once:
            self.delete_at_once = False
            self.remove(f"{_FOLDER}/{name}")
        await asyncio.sleep(self.late)
        return stored

    async def delete(self, path: str) -> None:
        self.remove(path)

    def told(self) -> list[str]:
        return [item["status"]["node"] for item in self.objects.values() if item.get("status")]


async def _tells(api: Statuses) -> None:
    """Let a node tell of one service until the objects say so, 5 seconds at most."""
    answered = {"default/web": AnnouncedService(("192.0.2.1",))}
    announced = Announced(api, "metallb-system", "n1", {}, lambda: answered)  # type: ignore[arg-type]
    task = asyncio.create_task(announced.run())
    announced.changed()
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            while api.told() != ["n1"]:
                await asyncio.sleep(0.01)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_an_object_is_made_once_and_says_which_node() -> None:
    api = Statuses()
    await _tells(api)
    assert (api.told(), api.made) == (["n1"], 1)


async def test_an_object_whose_end_is_told_before_the_answer_to_its_creation_is_made_again() -> None:
    """Another node that led until now deletes it as a leftover; it was believed to be there for ever."""
    api = Statuses()
    api.late, api.delete_at_once = 0.1, True
    await _tells(api)
    assert (api.told(), api.made) == (["n1"], 2)

"""Reading the file again: off the loop, one at a time, and never to the harm of what runs."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from roost.decide.decider import Decider
from roost.decide.settings import DeciderSettings
from roost.model.complaint import Complaint
from roost.protocols.words.metadata import MetadataError
from roost.settings import SpeakerSettings
from roost.speaker import complaints, reloading
from roost.standalone.loader import load
from roost.standalone.source import FileSource


class Links:
    links: tuple[()] = ()


class Adapters:
    links = Links()


class Speaker:
    """What a reload asks of a speaker."""

    def __init__(self, config: SpeakerSettings) -> None:
        self.config = config
        self.adapters = Adapters()
        self.decider = Decider(DeciderSettings(node=config.node), Random(7))
        self.loaded: list[str] = []
        self.refused: list[list[str]] = []
        self.failure: Exception | None = None
        self.no_room = False

    def look_for_room(self, source: FileSource) -> None:
        if self.no_room:
            raise MetadataError("labels take too much")

    def reload(self, source: FileSource, prepared: Any) -> Iterator[None]:
        if self.failure is not None:
            raise self.failure
        yield
        self.loaded.append(",".join(service.name for service in source.desired.services))

    def refuse(self, errors: list[str]) -> None:
        self.refused.append(errors)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "roost.yaml"


@pytest.fixture
def speaker(path: Path) -> Speaker:
    write(path, "a")
    config = load(path).config
    assert config is not None
    return Speaker(config)


def write(path: Path, *names: str) -> None:
    services = [f"{{name: {name}, addresses: [192.0.2.{at}]}}" for at, name in enumerate(names, 1)]
    path.write_text(f"node: n1\nservices: [{', '.join(services)}]\n")


@asynccontextmanager
async def running(speaker: Speaker, path: Path) -> AsyncIterator[reloading.Reloader]:
    reloader = reloading.Reloader(speaker, path)  # type: ignore[arg-type]
    task = asyncio.create_task(reloader.run())
    try:
        yield reloader
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_requests_during_a_reading_make_one_more(
    speaker: Speaker, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    readings: list[str] = []

    def slow(of: Path) -> Any:
        readings.append(threading.current_thread().name)
        loaded = load(of)
        begun.set()
        go_on.wait(10)
        return loaded

    monkeypatch.setattr(reloading, "load", slow)
    async with running(speaker, path) as reloader:
        reloader.request()
        await until(begun.is_set)
        write(path, "a", "b")
        for _ in range(5):
            reloader.request()
        go_on.set()
        await until(lambda: len(speaker.loaded) == 2)
        await asyncio.sleep(0.05)
    assert speaker.loaded == ["a", "a,b"]
    assert len(readings) == 2
    assert threading.main_thread().name not in readings


async def test_a_request_from_before_it_runs_is_kept(speaker: Speaker, path: Path) -> None:
    reloader = reloading.Reloader(speaker, path)  # type: ignore[arg-type]
    reloader.request()
    task = asyncio.create_task(reloader.run())
    await until(lambda: speaker.loaded == ["a"])
    task.cancel()


@pytest.mark.parametrize("broken", ["invalid file", "no room in gossip", "failure within"])
async def test_what_cannot_be_put_in_force_ends_nothing(speaker: Speaker, path: Path, broken: str) -> None:
    async with running(speaker, path) as reloader:
        if broken == "invalid file":
            path.write_text("nod: n1\n")
        elif broken == "no room in gossip":
            speaker.no_room = True
        else:
            speaker.failure = RuntimeError("a mistake of ours")
        reloader.request()
        if broken != "failure within":
            await until(lambda: speaker.refused)
        await asyncio.sleep(0.05)
        assert not speaker.loaded
        speaker.failure, speaker.no_room = None, False
        write(path, "c")
        reloader.request()
        await until(lambda: speaker.loaded == ["c"])


def test_one_mistake_in_every_service_is_no_flood_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("roost"), "propagate", True)
    wrong = tuple(Complaint("warning", f"services[{at}] is in no subnet", f"s{at}") for at in range(5000))
    complaints.tell(wrong, ())
    assert len(caplog.messages) == 21
    assert "4980 more" in caplog.messages[-1]
    complaints.tell((*wrong, Complaint("error", "another", "x")), wrong)
    assert caplog.messages[21:] == ["another"]


def test_one_cause_is_one_line_for_all_the_services_that_it_hinders(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("roost"), "propagate", True)
    gone = tuple(
        Complaint("warning", f"services[{at}]: eth1 is gone", f"s{at}", "eth1 is gone") for at in range(9)
    )
    complaints.tell(gone, ())
    assert caplog.messages == ["services[0]: eth1 is gone, and the same of 8 more services"]
    complaints.tell((*gone, Complaint("warning", "services[9]: eth1 is gone", "s9", "eth1 is gone")), gone)
    assert len(caplog.messages) == 1, "told already"

import asyncio
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from roost.model.event import Event, Happening, Level
from roost.observe.event_store import EventStore

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def store(folder: Path, **bounds: int) -> EventStore:
    return EventStore(folder, "n1", lambda: NOON, **bounds)


def moved(service: str, to: str = "n2") -> Event:
    return Event(Happening.LEAD_MOVED, "moved", facts={"service": service, "to": to, "why": "n1 died"})


async def texts(kept: EventStore, about: str = "", most: int = 10_000) -> list[str]:
    found: Mapping[str, Any] = await kept.read(most, about)
    return [each["facts"].get("service", each["text"]) for each in found["events"]]


async def test_events_survive_the_process(tmp_path: Path) -> None:
    first = store(tmp_path / "made")
    first.follow(moved("web"))
    first.follow(moved("db", "n3"))
    first.close()
    second = store(tmp_path / "made")
    second.follow(moved("late"))
    assert await texts(second) == ["web", "db", "late"]
    assert await texts(second, most=1) == ["late"]
    assert await texts(second, "n3") == ["db"]
    assert await texts(second, "n") == [], "words, not parts of them"
    assert (tmp_path / "made/n1.events.jsonl").stat().st_mode & 0o777 == 0o600
    second.close()


async def test_claims_and_details_for_developers_are_left_out(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.follow(Event(Happening.CLAIMED, "claimed", facts={"address": "192.0.2.1"}))
    kept.follow(Event(Happening.FITNESS, "detail", Level.DEBUG))
    assert await texts(kept) == []
    kept.close()


async def test_events_are_written_without_being_asked_for(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.follow(moved("web"))
    async with asyncio.timeout(10):
        while not (tmp_path / "n1.events.jsonl").exists():
            await asyncio.sleep(0.02)
    kept.close()


@pytest.mark.parametrize("bounds", [{"most_lines": 10}, {"most_bytes": 1500}])
async def test_files_are_bounded_and_the_latest_stay(tmp_path: Path, bounds: dict[str, int]) -> None:
    for start in (0, 100):  # one goes on where its predecessor ended
        kept = store(tmp_path, **bounds)
        for number in range(start, start + 100):
            kept.follow(moved(f"s{number:03}"))
        found = await texts(kept)
        kept.close()
        assert found == [f"s{number:03}" for number in range(start + 100 - len(found), start + 100)]
        assert 5 <= len(found) <= 20
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) <= 2 * bounds.get("most_bytes", 2 << 20)


async def test_what_is_spoilt_costs_itself_alone(tmp_path: Path) -> None:
    first = store(tmp_path)
    first.follow(moved("web"))
    first.close()
    path = tmp_path / "n1.events.jsonl"
    path.write_bytes(
        path.read_bytes() + b'\xff\xfe\0\n[1]\n{"time": 3}\n' + b"[" * 100_000 + b'\n{"cut short'
    )
    second = store(tmp_path)
    second.follow(moved("db"))
    assert await texts(second) == ["web", "db"]
    assert (await second.read(10, ""))["unreadable"] == 5
    second.close()


@pytest.mark.parametrize("what", ["folder", "fifo", "link", "file for a folder"])
async def test_a_place_that_cannot_be_written_costs_the_history_alone(
    tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "state"
    path = folder / "n1.events.jsonl"
    other = tmp_path / "other"
    other.write_text("of somebody else\n")
    if what == "file for a folder":
        folder.write_text("")
    else:
        folder.mkdir()
    if what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "link":
        path.symlink_to(other)
    kept = store(folder)
    for _ in range(3):
        kept.follow(moved("web"))
        async with asyncio.timeout(10):
            found = await kept.read(10, "")
    assert found["events"] == []
    assert found["trouble"]
    assert len(caplog.records) == 1
    assert other.read_text() == "of somebody else\n"
    kept.close()
    kept.follow(moved("late"))
    assert (await kept.read(10, ""))["events"] == []


async def test_an_event_of_any_size_is_one_short_line(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.follow(Event(Happening.BACKEND, "\U0001f426" * 100_000, facts={"service": "x" * 100_000}))
    assert len(await texts(kept)) == 1
    assert (tmp_path / "n1.events.jsonl").stat().st_size <= 8192
    kept.close()


async def test_a_small_file_system_is_not_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod whose volume is full is evicted: with its addresses."""
    monkeypatch.setattr("roost.observe.event_store._whole", lambda folder: 16_000)
    kept = store(tmp_path)
    for number in range(200):
        kept.follow(moved(f"s{number}"))
    assert 10 <= len(await texts(kept)) < 100
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) <= 4000
    kept.close()

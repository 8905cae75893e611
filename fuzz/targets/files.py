"""Files: configurations of ours and of others, keys, and what a process left for the next one."""

import json
from functools import cache
from pathlib import Path
from typing import Final

from pydantic_core import PydanticCustomError

from fuzz.target import Target
from roost.keepalived import Place, UnreadableError, Wishes, convert
from roost.kubernetes import memberlist_config
from roost.observe import event_store
from roost.observe.redaction import Redaction
from roost.protocols.memberlist.profile import PROFILES
from roost.simulator.faults import Schedule, ScheduleError
from roost.standalone import document, load, values

__all__ = ["TARGETS"]

_EXPANDED: Final = 5.0  # seconds: a line may ask for 65,536 others, and nothing else runs meanwhile
_NOWHERE: Final = Path("/nowhere/roost.yaml")


def _config(data: bytes) -> None:
    loaded = load(_NOWHERE, data)
    assert loaded.config is not None or loaded.problems
    assert all(str(each).isprintable() for each in loaded.problems)


def _document(data: bytes) -> None:
    found = document.parse(data.decode("utf-8", "replace"))
    assert found.root.weight <= document.MAX_NODES


class _InMemory:
    """Keepalived's files: the first one, which all that is included is, too."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._count = 0

    def matching(self, pattern: str, folder: Path, place: Place) -> list[Path]:
        return [folder / pattern] if "*" not in pattern else []

    def read(self, path: Path, place: Place | None) -> str:
        self._count += 1
        if self._count > 500:
            raise UnreadableError("too many files", place)
        return self._text


def _keepalived(data: bytes) -> None:
    """The first byte: whether the election is to be gossip's."""
    wishes = Wishes(election="hash", bind="192.0.2.11", node="n1") if data[:1] == b"1" else Wishes()
    files = _InMemory(data[1:].decode("utf-8", "replace").replace("\0", ""))
    text = convert(Path("/nowhere/keepalived.conf"), files, wishes, {"HOME": "/root"}, "n1").text
    document.parse(text)


def _key(data: bytes) -> None:
    assert len(values.gossip_key(data.decode("ascii", "replace"))) in (16, 24, 32)


def _timers(data: bytes) -> None:
    memberlist_config.timers_in(data, PROFILES["default"])


def _schedule(data: bytes) -> None:
    schedule = Schedule.from_json(data.decode("utf-8", "replace"))
    assert Schedule.from_json(schedule.as_json()) == schedule


def _events(data: bytes) -> None:
    for line in data.split(b"\n"):
        event = event_store._parsed(line)
        if event is not None:
            event_store._is_about(event, "web")
            json.dumps(event)


@cache
def _redaction() -> Redaction:
    return Redaction(["correct horse battery", bytes(range(32))])


def _redact(data: bytes) -> None:
    assert "correct horse battery" not in _redaction()(data.decode("utf-8", "replace"))


TARGETS: Final = (
    Target("config", "standalone.load", _config),
    Target("yaml", "standalone.document.parse", _document, (document.UnreadableError,)),
    Target("keepalived", "keepalived.convert", _keepalived, (UnreadableError,), limit=_EXPANDED),
    Target("key", "standalone.values.gossip_key", _key, (PydanticCustomError,), 256),
    Target(
        "timers", "kubernetes.memberlist_config.timers_in", _timers, (memberlist_config.TimersError,), 2048
    ),
    Target("schedule", "simulator.faults.Schedule.from_json", _schedule, (ScheduleError,)),
    Target("events", "observe.event_store (a line)", _events),
    Target("redaction", "observe.redaction.Redaction", _redact),
)

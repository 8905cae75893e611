"""`roost status --watch` follows moves with their reasons, past the end of its speaker."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.system.netns import NETNS
from tests.system.speakers import lan, services

pytestmark = NETNS

VIPS = ["192.0.2.200", "192.0.2.201"]


def test_moves_come_with_reasons_and_a_restart_is_survived(tmp_path: Path) -> None:
    with lan(tmp_path, 2) as two:
        two.configure(services(VIPS), profile="default")
        two.start()
        two.answered_once(VIPS)
        asked, other = two.speakers
        command = [
            sys.executable,
            "-m",
            "roost",
            "status",
            "--watch",
            "--json",
            "--socket",
            str(asked.socket),
        ]
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        watching = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        lines: queue.Queue[dict[str, Any]] = queue.Queue()

        def read() -> None:
            assert watching.stdout is not None
            for line in watching.stdout:
                lines.put(json.loads(line))

        threading.Thread(target=read, daemon=True).start()

        def seen(fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
            while not fits(event := lines.get(timeout=20)):
                pass
            return event

        try:
            told = {seen(lambda event: "service" in event)["service"] for _ in VIPS}
            assert told == {"s200", "s201"}
            other.signal(signal.SIGKILL)
            other.wait()
            moved = seen(lambda event: event.get("from") == other.name)
            assert moved["to"] == asked.name
            assert moved["why"].startswith(f"{other.name}'s process is gone: its lifeline was closed")
            asked.signal(signal.SIGTERM)
            assert asked.wait() == 0
            assert seen(lambda event: "speaker" in event)["speaker"] == "lost"
            asked.start()
            assert seen(lambda event: "speaker" in event)["speaker"] == "back"
            other.start()
            back = seen(lambda event: event.get("to") == other.name)
            assert back["from"] == asked.name
            watching.send_signal(signal.SIGINT)
            assert watching.wait(10) == 0
            assert watching.stderr is not None
            assert watching.stderr.read() == b""
        finally:
            watching.kill()
            watching.wait()


def test_without_a_speaker_at_the_beginning_it_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "roost", "status", "--watch", "--socket", str(tmp_path / "none.sock")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 4
    assert "no speaker answers" in done.stderr

"""A campaign in several processes: they are used, and end with the command however that ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from roost.cli import sim
from roost.cli.sim import command

LONG = 60.0  # seconds


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A campaign that goes on and on, in two processes beside the command's."""
    arguments = ["sim", "--campaign", "1000000", "--jobs", "2", "--failed", str(tmp_path / "failed.json")]
    with (tmp_path / "errors").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "roost", *arguments], start_new_session=True, stderr=errors
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(LONG)


def players(session: int) -> set[int]:
    """Return the processes of that session but its first."""
    found = set()
    for each in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = each.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.add(int(each.parent.name))
    return found - {session}


def wait_for(session: int, count: int) -> set[int]:
    until = time.monotonic() + LONG
    while len(found := players(session)) != count:
        assert time.monotonic() < until, f"{len(found)} processes beside the first, not {count}"
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_all_processes_end_with_the_command(running: subprocess.Popen[bytes], how: signal.Signals) -> None:
    wait_for(running.pid, 2)
    running.send_signal(how)
    assert running.wait(LONG) != 0
    wait_for(running.pid, 0)


def test_ctrl_c_is_quiet(running: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """A terminal sends it to all of them."""
    wait_for(running.pid, 2)
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait(LONG) != 0
    wait_for(running.pid, 0)
    assert b"Traceback" not in (tmp_path / "errors").read_bytes()


@pytest.mark.parametrize(("arguments", "expected"), [((), 2), (("--jobs", "3"), 3)])
def test_a_campaign_plays_in_as_many_processes_as_it_may(
    arguments: tuple[str, ...], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, object] = {}
    monkeypatch.setattr(sim, "run_campaign", lambda **options: given.update(options))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 5})
    said = CliRunner().invoke(command, ["--campaign", "7", *arguments])
    assert said.exit_code == 0, said.output
    assert given["jobs"] == expected


def test_jobs_are_of_campaigns() -> None:
    said = CliRunner().invoke(command, ["--jobs", "2", "--trials", "1"])
    assert said.exit_code == 2
    assert "--jobs has no effect without --campaign" in said.output

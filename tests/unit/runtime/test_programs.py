"""Programs beside the loop: their ends, their time, their children and their output."""

import asyncio
import gc
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from roost.runtime import programs

pytestmark = pytest.mark.timeout(30)


async def test_how_it_ended() -> None:
    assert (await programs.run(["true"], 5.0)).ok
    failed = await programs.run(["sh", "-c", "echo told; echo why >&2; exit 3"], 5.0)
    assert (failed.code, failed.why, failed.output) == (3, "exited with 3", "told\nwhy")
    assert (await programs.run(["sh", "-c", "kill -TERM $$"], 5.0)).why == "ended by SIGTERM"


async def test_what_cannot_be_run(tmp_path: Path) -> None:
    missing = await programs.run([str(tmp_path / "none")], 5.0)
    assert not missing.ok
    assert missing.why == "cannot be run: No such file or directory"
    assert not (await programs.run(["true", "a\0b"], 5.0)).ok


async def test_only_the_end_of_much_output_is_kept_and_nobody_waits_for_a_reader() -> None:
    command = [sys.executable, "-c", "print('x' * 5_000_000 + 'end')"]
    outcome = await programs.run(command, 20.0, output_kept=100)
    assert outcome.ok
    assert len(outcome.output) <= 100
    assert outcome.output.endswith("xend")


async def test_what_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 100 & echo $! > {pids}; echo begun; sleep 100"
    began = time.monotonic()
    outcome = await programs.run(["sh", "-c", script], 0.5)
    assert time.monotonic() - began < 10
    assert outcome.code is None
    assert outcome.why == "killed: it took longer than 0.5 s"
    assert outcome.output == "begun"
    await _gone(int(pids.read_text()))


async def test_the_loop_goes_on_while_programs_hang() -> None:
    hanging = [asyncio.create_task(programs.run(["sleep", "100"], 1.0)) for _ in range(5)]
    turns = 0
    while not all(each.done() for each in hanging):
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 20


async def test_who_cancels_kills(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    task = asyncio.create_task(programs.run(["sh", "-c", f"echo $$ > {pid}; sleep 100"], 50.0))
    while not (pid.exists() and pid.read_text().strip()):
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _gone(int(pid.read_text()))


async def test_a_daemon_that_keeps_the_pipe_holds_nobody_up() -> None:
    outcome = await programs.run(["sh", "-c", "sleep 60 & echo $!"], 30.0)
    assert outcome.ok
    os.kill(int(outcome.output), signal.SIGKILL)  # it lives on: nobody has waited for it


async def test_no_descriptor_is_left(tmp_path: Path) -> None:
    async def all_kinds() -> None:
        await programs.run(["true"], 5.0)
        await programs.run([str(tmp_path / "none")], 5.0)
        await programs.run(["sleep", "100"], 0.05)
        await asyncio.sleep(0.1)  # for the kernel to end what was killed

    await all_kinds()
    gc.collect()  # what other tests left behind ends now, and not in between
    before = len(list(Path("/proc/self/fd").iterdir()))
    await all_kinds()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


async def _gone(pid: int) -> None:
    """Wait for a process to be gone, or to be a zombie of who adopted it."""
    for _ in range(500):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except FileNotFoundError:
            return
        if stat.rpartition(")")[2].split()[0] in "ZX":
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{pid} still runs")

"""A reader that goes away: commands end quietly, a lab leaves nothing, a speaker goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.system.netns import NETNS
from tests.system.speakers import lan, services, until
from tests.system.test_lab import traces

pytestmark = NETNS

VIP = "192.0.2.200"
ROOST = [sys.executable, "-m", "roost"]


def _ended(*arguments: str) -> tuple[int, str]:
    """Run a command whose reader has gone; return its exit code and what it says on stderr."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.Popen([*ROOST, *arguments], stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    _, told = done.communicate(timeout=60)
    return done.returncode, told


def test_commands_that_ask_a_speaker_end_quietly(tmp_path: Path) -> None:
    with lan(tmp_path, 1) as alone:
        alone.configure(services([VIP]))
        alone.start()
        alone.answered_once([VIP])
        asked = ("--socket", str(alone.speakers[0].socket))
        for command in (
            ("status",),
            ("status", "--json"),
            ("status", "--check"),
            ("status", "--watch"),
            ("explain", VIP),
            ("what-if", "--down", "n1"),
            ("events",),
            ("record", "-o", "-"),
            ("doctor",),
        ):
            assert _ended(*command, *asked) == (141, ""), command

        # As with `tail -f | head -1`: it does not wait for the next line to find that nobody reads it.
        watching = subprocess.Popen([*ROOST, "status", "--watch", *asked], stdout=subprocess.PIPE)
        assert watching.stdout is not None
        assert b"s200" in watching.stdout.readline()
        watching.stdout.close()
        assert watching.wait(20) == 141


def test_a_lab_leaves_nothing_behind() -> None:
    before = traces()
    assert _ended("lab", "--nodes", "2", "--clients", "1", "--drill", "term") == (141, "")
    assert traces() <= before


@pytest.mark.parametrize("style", ["human", "json"])
def test_a_speaker_whose_log_nobody_reads_goes_on(tmp_path: Path, style: str) -> None:
    with lan(tmp_path, 1) as alone:
        alone.configure(services([VIP]))
        speaker = alone.speakers[0]
        inside = ["ip", "netns", "exec", speaker.namespace.name, *ROOST]
        process = subprocess.Popen(
            [*inside, "speaker", "--config", str(speaker.path), "--log-format", style],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        speaker.process = process
        alone.answered_once([VIP])
        alone.configure(services([VIP, "192.0.2.201"]))
        speaker.signal(signal.SIGHUP)
        until(lambda: "192.0.2.201" in speaker.answering() or process.poll() is not None, "the reload")
        alone.answered_once([VIP])
        assert process.poll() is None

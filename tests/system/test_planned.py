"""What an operator does on purpose is no alarm: restarts, drains and undrains, each node in turn."""

import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.system.netns import NETNS
from tests.system.speakers import DEADLINE, Lan, Speaker, lan, services, until
from tests.system.test_drain import roost

pytestmark = NETNS

VIPS = [f"192.0.2.{200 + number}" for number in range(6)]
SERVICES = services(VIPS)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Lan]:
    """Three nodes at rest; what they complained of while they found each other is gone from the logs."""
    with lan(tmp_path) as made:
        made.configure(SERVICES, profile="default")
        made.start()
        at_rest(made)
        for speaker in made.speakers:
            speaker.log.write_text("")
        yield made


def at_rest(nodes: Lan) -> None:
    nodes.answered_once(VIPS)
    time.sleep(0.5)


def nothing_to_complain_of(nodes: Lan) -> None:
    for speaker in nodes.speakers:
        end = time.monotonic() + DEADLINE
        while (problems := speaker.status()["problems"]) and time.monotonic() < end:
            time.sleep(0.1)
        assert problems == []
        assert speaker.status()["alarms"] == [], speaker.text()
        complaints = [line for line in speaker.text().splitlines() if is_complaint(line)]
        assert complaints == [], speaker.text()


def is_complaint(line: str) -> bool:
    # That a process had to wait for a processor is about the machine that the test runs on.
    return line.split()[1] not in ("info", "debug") and "did not run for a while" not in line


def answers_for(speaker: Speaker, addresses: set[str]) -> bool:
    return speaker.answering() == addresses


def restart(nodes: Lan, speaker: Speaker) -> None:
    speaker.signal(signal.SIGTERM)
    assert speaker.wait() == 0
    speaker.start()
    nodes.whole()


def test_restarting_each_node_raises_no_alarm(nodes: Lan) -> None:
    for speaker in nodes.speakers:
        restart(nodes, speaker)
        at_rest(nodes)
    nothing_to_complain_of(nodes)


def test_draining_and_undraining_each_node_raises_no_alarm(nodes: Lan) -> None:
    for speaker in nodes.speakers:
        led = speaker.answering()
        assert roost(speaker, "drain", speaker.name).returncode == 0
        assert speaker.answering() == set()
        assert roost(speaker, "drain", speaker.name, "--undo").returncode == 0
        until(partial(answers_for, speaker, led), "it leads again what it led")
        at_rest(nodes)
    nothing_to_complain_of(nodes)

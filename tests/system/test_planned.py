"""What an operator does on purpose is no alarm: restarts, drains and undrains, each node in turn."""

import signal
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.system.forwarding import Balanced, balanced
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


@pytest.fixture
def every_mode(tmp_path: Path) -> Iterator[Balanced]:
    """Three nodes between a client and backends, with a service of each mode, at rest."""
    with balanced(tmp_path, nodes=3, backends=2) as made:
        weight = tmp_path / "weight"
        weight.write_text("5")
        checks = [
            {"command": ["true"], "interval": 0.5},
            {"file": str(weight)},
            {"interface": "eth1", "weight": -20},
        ]
        vrrp = {"vrid": 51, "interval": 0.5, "interface": "eth0"}
        modes: list[dict[str, Any]] = [
            {"name": "leader", "addresses": VIPS[1:2]},
            {"name": "shared", "addresses": VIPS[2:3], "sharing": "per-client"},
            {"name": "stays", "addresses": VIPS[3:4], "failback": "never"},
            {"name": "waits", "addresses": VIPS[4:5], "failback": "1s"},
            {"name": "tracked", "addresses": VIPS[5:6], "track": checks},
            {"name": "routed", "addresses": ["192.0.2.206"], "election": {"vrrp": vrrp}},
        ]
        made.balance(health={"tcp": True, "interval": 0.2}, profile="default", more=modes)
        made.start()
        at_rest(made, [*VIPS, "192.0.2.206"])
        for speaker in made.speakers:
            speaker.log.write_text("")
        yield made


def at_rest(nodes: Lan, addresses: Sequence[str] = VIPS) -> None:
    nodes.answered_once(addresses)
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


def test_restarting_each_node_raises_no_alarm_whatever_the_services_are(every_mode: Balanced) -> None:
    assert every_mode.speakers[0].status()["problems"] == []
    for speaker in every_mode.speakers:
        others = [each for each in every_mode.speakers if each is not speaker]
        speaker.signal(signal.SIGTERM)
        assert speaker.process is not None
        while speaker.process.poll() is None:
            assert [each.status()["problems"] for each in others] == [[], []]
        assert speaker.wait() == 0
        speaker.start()
        every_mode.whole()
        at_rest(every_mode, [*VIPS, "192.0.2.206"])
        assert [each.status()["problems"] for each in every_mode.speakers] == [[], [], []]
    nothing_to_complain_of(every_mode)


def test_draining_and_undraining_each_node_raises_no_alarm(nodes: Lan) -> None:
    for speaker in nodes.speakers:
        led = speaker.answering()
        assert roost(speaker, "drain", speaker.name).returncode == 0
        assert speaker.answering() == set()
        assert roost(speaker, "drain", speaker.name, "--undo").returncode == 0
        until(partial(answers_for, speaker, led), "it leads again what it led")
        at_rest(nodes)
    nothing_to_complain_of(nodes)

"""What an operator reads: the start, one line for each thing that happens, and more with debug."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.netns import NETNS
from tests.system.speakers import Lan, Speaker, lan, services, until
from tests.system.test_planned import is_complaint

from roost import __version__

pytestmark = NETNS

VIPS = [f"192.0.2.{200 + number}" for number in range(12)]


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Lan]:
    with lan(tmp_path, 3) as made:
        made.configure(services(VIPS), profile="default")
        made.start()
        made.answered_once(VIPS)
        yield made


def complaints(speaker: Speaker) -> list[str]:
    return [line for line in speaker.text().splitlines() if is_complaint(line)]


def test_the_start_names_version_file_and_interfaces_and_complains_of_nothing(three: Lan) -> None:
    for speaker in three.speakers:
        first, *rest = speaker.text().splitlines()
        assert f"roost {__version__} starts node={speaker.name} source={speaker.path}" in first
        assert any("announcing interfaces=eth0" in line for line in rest)
        # A claim may be heard a moment before gossip says whose it is.
        told = [line for line in complaints(speaker) if "is claimed by" not in line]
        assert told == [], "the others start at the same time"


def test_a_dead_peer_is_one_line_and_one_for_where_its_services_went(three: Lan) -> None:
    dead = three.leader(VIPS[0])
    led = dead.answering()
    others = [each for each in three.speakers if each is not dead]
    before = {each.name: len(each.text().splitlines()) for each in others}
    dead.signal(signal.SIGKILL)
    dead.wait()
    until(lambda: set(VIPS) == others[0].answering() | others[1].answering(), "the others took over")
    time.sleep(24.0)  # twice as long as between two attempts to reach it
    for each in others:
        lines = each.text().splitlines()[before[each.name] :]
        assert [line for line in lines if is_complaint(line)] == []
        of_moves = ("lead moved", "passing connections on")
        about = [line for line in lines if dead.name in line and not any(text in line for text in of_moves)]
        assert len(about) == 1, about
        assert "dead" in about[0]
        moved = [line for line in lines if "lead moved" in line]
        assert 1 <= len(moved) <= 2 < len(led), "one for each node that took over"


@pytest.mark.parametrize("how", ["link set eth0 down", "link del eth0"])
def test_a_lost_interface_is_one_line(three: Lan, how: str) -> None:
    node = three.leader(VIPS[0])
    before = len(complaints(node))  # the nodes have started at the same time
    node.namespace.ip(how)
    until(lambda: len(complaints(node)) > before, "it says so")
    time.sleep(1.0)
    lost = [line for line in complaints(node)[before:] if "does not answer" not in line]
    assert len(lost) == 1, lost
    assert "nothing is announced on eth0 any more: it is " in lost[0]
    assert "interfaces=none" in lost[0]


def test_debug_says_more_than_info(tmp_path: Path) -> None:
    told = {}
    for level in ("info", "debug"):
        with lan(tmp_path, 1) as made:
            made.configure(services(VIPS))
            (one,) = made.speakers
            one.log.unlink(missing_ok=True)
            one.start("--log-level", level)
            until(lambda: one.answering() == set(VIPS), "it answers")  # noqa: B023
            one.signal(signal.SIGTERM)
            assert one.wait() == 0
            told[level] = one.text().splitlines()
    assert any(" debug " in line and "Answer(" in line for line in told["debug"])
    assert any(" debug " in line and "Announce(" in line for line in told["debug"])
    assert not any(" debug " in line for line in told["info"])
    assert len(told["debug"]) > len(told["info"]) + 5

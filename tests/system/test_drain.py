"""`roost drain`: a node gives away what it leads, loses nothing by it, and takes it back."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.netns import NETNS
from tests.system.pinging import client, echo
from tests.system.speakers import Lan, Speaker, lan, until

from roost.lab.records import outage

pytestmark = NETNS

VIPS = [f"192.0.2.{200 + number}" for number in range(6)]
SERVICES = [{"name": f"s{vip[-1]}", "addresses": [vip]} for vip in VIPS]


def roost(speaker: Speaker, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command against this node's speaker."""
    return subprocess.run(
        [sys.executable, "-m", "roost", *words, "--socket", str(speaker.socket)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Lan]:
    with lan(tmp_path) as made, echo(made):
        made.configure(SERVICES, profile="default")
        made.start()
        yield made


def other(nodes: Lan, speaker: Speaker) -> Speaker:
    return next(each for each in nodes.speakers if each is not speaker)


def test_a_node_drained_from_another_one_hands_over_without_a_loss_and_takes_back(
    nodes: Lan, tmp_path: Path
) -> None:
    leader = nodes.leader(VIPS[0])
    led = leader.answering()
    with client(nodes, tmp_path, VIPS[0]) as pinger:
        assert pinger.answered_by() == leader.name
        at = time.monotonic()
        done = roost(other(nodes, leader), "drain", leader.name, "--json")
        assert done.returncode == 0, done.stderr
        progress = json.loads(done.stdout)
        assert (progress["draining"], progress["leads"], progress["done"]) == (True, 0, True)
        assert leader.answering() == set()
        assert leader.verdicts()[leader.name] == "alive"
        until(lambda: pinger.answered_by() != leader.name, "a successor serves")
        undone = roost(leader, "drain", leader.name, "--undo")
        assert undone.returncode == 0, undone.stderr
        until(lambda: leader.answering() == led, "it leads again what it led")
        until(lambda: pinger.answered_by() == leader.name, "it serves again")
        assert outage(pinger.finish(), at, float("inf")).lost == 0


def test_explain_names_the_drain(nodes: Lan) -> None:
    leader = nodes.leader(VIPS[0])
    roost(leader, "drain", leader.name)
    told = roost(other(nodes, leader), "explain", VIPS[0], "--json")
    place = next(each for each in json.loads(told.stdout)["places"] if each["node"] == leader.name)
    assert place["verdict"] == "draining"
    assert "asked for by an operator" in place["why"]


def test_the_last_node_keeps_what_nobody_else_can_lead(nodes: Lan) -> None:
    names = [speaker.name for speaker in nodes.speakers]
    for name in names[:2]:
        assert roost(nodes.speakers[0], "drain", name).returncode == 0
    last = nodes.speakers[2]
    assert last.answering() == set(VIPS)
    kept = roost(last, "drain", last.name, "--deadline", "1")
    assert kept.returncode == 1
    assert re.fullmatch(
        f"roost: {last.name} still leads [1-6] address(es)? that no other node can lead; it goes on serving",
        kept.stderr.strip(),
    )
    until(lambda: {ip for each in nodes.speakers for ip in each.answering()} == set(VIPS), "all is answered")


def test_a_client_that_cannot_be_corrected_is_counted_and_served(nodes: Lan, tmp_path: Path) -> None:
    leader = nodes.leader(VIPS[0])
    mac = leader.namespace.mac("eth0").hex(":")
    nodes.client.ip(f"neigh replace {VIPS[0]} lladdr {mac} dev eth0 nud permanent")
    with client(nodes, tmp_path, VIPS[0]) as pinger:
        pinger.answered_by()
        done = roost(leader, "drain", leader.name, "--deadline", "2", "--json")
        assert done.returncode == 1
        progress = json.loads(done.stdout)
        assert progress["packets"] > 200, "the client sends 500 in a second"
        assert "packets still come there" in done.stderr
        assert pinger.answered_by() == leader.name


def test_a_name_that_does_not_exist_is_refused(nodes: Lan) -> None:
    refused = roost(nodes.speakers[0], "drain", "n9")
    assert refused.returncode == 1
    assert refused.stderr.strip() == "roost: no node has the name n9"


def test_a_node_that_is_lost_is_refused_at_once(nodes: Lan) -> None:
    asked, lost = nodes.speakers[:2]
    lost.signal(signal.SIGKILL)
    lost.wait()
    until(lambda: asked.verdicts()[lost.name] == "process gone", "it is lost")
    for words in (["drain", lost.name], ["drain", lost.name, "--undo"]):
        refused = roost(asked, *words)
        assert refused.returncode == 1
        why = f"{lost.name} is lost (process gone): it leads nothing to drain"
        assert refused.stderr.strip() == f"roost: {why}"

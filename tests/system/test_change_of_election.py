"""From `hash` to VRRP and back, node by node: who answers meanwhile, and what `status` says of it."""

import signal
from pathlib import Path
from typing import Any

from tests.system.netns import NETNS
from tests.system.speakers import Lan, Speaker, lan, services, until

pytestmark = NETNS

VIP = "192.0.2.200"


def by_vrrp(priority: int) -> list[dict[str, Any]]:
    router = {"vrid": 51, "priority": priority, "interval": "200ms", "interface": "eth0"}
    return [each | {"election": {"vrrp": router}} for each in services([VIP])]


def change(speaker: Speaker, wanted: list[dict[str, Any]]) -> None:
    speaker.write(services=wanted)
    speaker.signal(signal.SIGHUP)


def elections_of_others(speaker: Speaker) -> list[str]:
    found = speaker.status()["problems"]
    return sorted(each["text"] for each in found if each["kind"] == "other election")


def begin(nodes: Lan) -> tuple[Speaker, Speaker]:
    nodes.configure(services([VIP]))
    nodes.start()
    nodes.answered_once([VIP])
    leader = nodes.leader(VIP)
    return leader, next(each for each in nodes.speakers if each is not leader)


def is_master(nodes: Lan, speaker: Speaker) -> None:
    until(lambda: speaker.answering() == {VIP}, f"{speaker.name} is master")
    nodes.settle_on(VIP, {speaker.name})


def test_a_standby_that_goes_first_answers_too_and_all_say_why(tmp_path: Path) -> None:
    with lan(tmp_path, 2) as nodes:
        leader, standby = begin(nodes)
        change(standby, by_vrrp(100))
        nodes.settle_on(VIP, {leader.name, standby.name})
        there = [f"{standby.name} elects s200 by VRRP, this node by hash"]
        here = [f"{leader.name} elects s200 by hash, or lacks it; this node by VRRP"]
        until(lambda: elections_of_others(leader) == there, "the leader names it")
        until(lambda: elections_of_others(standby) == here, "the standby names it")
        change(leader, by_vrrp(200))
        is_master(nodes, leader)
        until(lambda: not elections_of_others(leader) + elections_of_others(standby), "it is over")


def test_the_documented_order_keeps_one_answer(tmp_path: Path) -> None:
    with lan(tmp_path, 2) as nodes:
        leader, standby = begin(nodes)
        change(leader, by_vrrp(200))
        is_master(nodes, leader)
        change(standby, by_vrrp(100))
        for _ in range(8):  # far longer than a backup waits before it takes over
            assert nodes.answerers(VIP) == {leader.name}
        change(standby, services([VIP]))
        for _ in range(8):
            assert nodes.answerers(VIP) == {leader.name}
        change(leader, services([VIP]))
        nodes.answered_once([VIP])
        until(lambda: not elections_of_others(leader) + elections_of_others(standby), "nobody differs")

"""The main job on real packets: from a configuration file to the wire."""

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.system.netns import NETNS
from tests.system.speakers import Lan, lan, until

pytestmark = NETNS

VIPS = [f"192.0.2.{200 + number}" for number in range(6)]
SERVICES: list[dict[str, Any]] = [
    {"name": f"s{number}", "addresses": [vip]} for number, vip in enumerate(VIPS)
]
DUAL: list[dict[str, Any]] = [{"name": "web", "addresses": ["192.0.2.200", "2001:db8::200"]}]


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Lan]:
    with lan(tmp_path, 3) as made:
        yield made


def test_each_address_is_answered_by_exactly_one_node(three: Lan) -> None:
    three.configure(SERVICES)
    three.start()
    leaders = {vip: three.leader(vip).name for vip in VIPS}
    for vip in VIPS:
        assert three.answerers(vip) == {leaders[vip]}


def test_both_families_of_a_service_are_answered_by_the_same_node(three: Lan) -> None:
    three.configure(DUAL)
    three.start()
    leader = three.leader("192.0.2.200")
    assert three.answerers("192.0.2.200") == {leader.name}
    assert three.answerers("2001:db8::200") == {leader.name}


def test_a_silent_death_moves_the_addresses_of_the_dead_and_no_others(three: Lan) -> None:
    three.configure(SERVICES)
    three.start()
    before = {vip: three.leader(vip) for vip in VIPS}
    dead = before[VIPS[0]]
    three.cut(dead)
    alive = [speaker for speaker in three.speakers if speaker is not dead]
    for vip in VIPS:
        if before[vip] is dead:
            three.settle_on(vip, {three.leader(vip, among=alive).name})
        else:
            assert three.answerers(vip) == {before[vip].name}
    three.heal(dead)
    three.whole()
    for vip in VIPS:
        assert three.leader(vip) is before[vip]
        three.settle_on(vip, {before[vip].name})


def test_a_killed_speaker_leaves_no_address_answered_for_ever(three: Lan) -> None:
    three.configure(DUAL)
    three.start()
    dead = three.leader("192.0.2.200")
    dead.signal(signal.SIGKILL)
    dead.wait()
    successor = three.leader("192.0.2.200")
    assert successor is not dead
    for address in ("192.0.2.200", "2001:db8::200"):
        three.settle_on(address, {successor.name})


def test_sigterm_hands_over_and_exits_zero(three: Lan) -> None:
    three.configure(DUAL)
    three.start()
    leader = three.leader("192.0.2.200")
    leader.signal(signal.SIGTERM)
    assert leader.wait() == 0, leader.text()
    assert "192.0.2.200" not in leader.namespace.ip("addr show dev lo")
    assert three.answerers("192.0.2.200") == {three.leader("192.0.2.200").name}
    survivor = three.running()[0]
    assert survivor.verdicts()[leader.name] == "leaving"


def test_an_end_has_no_traceback(three: Lan) -> None:
    """Peers hold lifelines to each other, and somebody may be asking for the status."""
    three.configure(DUAL)
    three.start()
    three.leader("192.0.2.200")
    asking = [socket.socket(socket.AF_UNIX) for _ in three.speakers]
    for speaker, connection in zip(three.speakers, asking, strict=True):
        connection.connect(str(speaker.socket))
    time.sleep(1)
    for speaker in three.speakers:
        speaker.signal(signal.SIGTERM)
    for speaker in three.speakers:
        assert speaker.wait() == 0
        assert "Traceback" not in speaker.text()
        assert "CancelledError" not in speaker.text()
    for connection in asking:
        connection.close()


def test_a_second_sigterm_ends_the_wait(three: Lan) -> None:
    three.configure(DUAL, terminationGrace=60)
    three.start()
    leader = three.leader("192.0.2.200")
    leader.signal(signal.SIGTERM)
    until(lambda: "handing over" in leader.text(), "the speaker says that it hands over")
    leader.signal(signal.SIGTERM)
    assert leader.wait(5) == 0


def test_a_restart_makes_no_address_flap_among_the_others(three: Lan) -> None:
    three.configure(SERVICES)
    three.start()
    before = {vip: three.leader(vip) for vip in VIPS}
    restarted = before[VIPS[0]]
    others = [vip for vip in VIPS if before[vip] is not restarted]
    since = {s["name"]: s["since"] for s in before[others[0]].status()["services"]} if others else {}
    restarted.signal(signal.SIGTERM)
    restarted.wait()
    restarted.start()
    three.whole()
    for vip in VIPS:
        assert three.leader(vip) is before[vip]
    if others:
        after = {s["name"]: s["since"] for s in before[others[0]].status()["services"]}
        assert {name: after[name] for name in after if f"192.0.2.{200 + int(name[1:])}" in others} == {
            name: since[name] for name in since if f"192.0.2.{200 + int(name[1:])}" in others
        }


def test_one_speaker_without_membership_needs_no_other_part(tmp_path: Path) -> None:
    """metallb#2425: membership off is a tested mode."""
    with lan(tmp_path, 1) as alone:
        alone.configure(DUAL)
        alone.speakers[0].write(membership=None)
        alone.start()
        until(lambda: alone.answerers("192.0.2.200") == {"n1"}, "the only node answers")


def test_sighup_applies_the_difference_only(three: Lan) -> None:
    three.configure(SERVICES[:3])
    three.start()
    before = {vip: three.leader(vip) for vip in VIPS[:3]}
    since = {service["name"]: service["since"] for service in three.speakers[0].status()["services"]}
    for speaker in three.speakers:
        speaker.write(services=SERVICES[1:4])
        speaker.signal(signal.SIGHUP)
    added = VIPS[3]
    assert three.answerers(added) == {three.leader(added).name}
    until(lambda: not three.answerers(VIPS[0]), "the removed address is answered by nobody")
    after = {service["name"]: service["since"] for service in three.speakers[0].status()["services"]}
    for number in (1, 2):
        assert three.leader(VIPS[number]) is before[VIPS[number]]
        assert after[f"s{number}"] == since[f"s{number}"]


def test_an_invalid_file_keeps_the_last_good_state_and_says_why(three: Lan) -> None:
    three.configure(DUAL)
    three.start()
    leader = three.leader("192.0.2.200")
    leader.write(services=[{"name": "web", "adresses": ["192.0.2.200"]}])
    leader.signal(signal.SIGHUP)
    until(lambda: leader.status()["config"]["error"], "status tells of the refused file")
    assert "adresses" in leader.text()
    assert three.answerers("192.0.2.200") == {leader.name}
    leader.write(services=DUAL)
    leader.signal(signal.SIGHUP)
    until(lambda: leader.status()["config"]["error"] is None, "the mended file is in force")


def test_explain_and_what_if_agree_with_the_wire(three: Lan) -> None:
    three.configure(SERVICES)
    three.start()
    for vip in VIPS:
        leader = three.leader(vip)
        explanation = three.speakers[0].ask(f"/v1/explain/{vip}")
        assert explanation["leader"] == leader.name
        assert explanation["places"][0]["node"] == leader.name
    vip = VIPS[0]
    dead = three.leader(vip)
    moves = three.speakers[0].ask(f"/v1/what-if?down={dead.name}&address={vip}")["moves"]
    successor = moves[0]["after"]
    dead.signal(signal.SIGKILL)
    dead.wait()
    until(lambda: three.leader(vip).name == successor, "the successor is the one foretold")

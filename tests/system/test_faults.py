"""Bad input and faults: what the user is told, and that the other addresses stay up."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.system.netns import NETNS
from tests.system.speakers import Lan, lan, until

pytestmark = NETNS

WEB = "192.0.2.200"
MAIL = "192.0.2.201"
SERVICES: list[dict[str, Any]] = [{"name": "web", "addresses": [WEB]}, {"name": "mail", "addresses": [MAIL]}]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Lan]:
    with lan(tmp_path, 2) as made:
        yield made


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Lan]:
    with lan(tmp_path, 1) as made:
        made.configure(SERVICES)
        made.speakers[0].write(membership=None)
        yield made


def _claim(pair: Lan, address: str) -> str:
    """Send one gratuitous ARP reply for `address` from the client, a stranger; returns its MAC as text."""
    mac, target = pair.client.mac("eth0"), socket.inet_aton(address)
    frame = (
        b"\xff" * 6 + mac + bytes.fromhex("0806 0001 0800 0604 0002") + mac + target + b"\xff" * 6 + target
    )
    with pair.client.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        raw.bind(("eth0", 0))
        raw.send(frame)
    return mac.hex(":")


def test_an_interface_that_does_not_exist_yet_is_a_warning_and_announces_when_it_comes(alone: Lan) -> None:
    speaker = alone.speakers[0]
    speaker.write(interfaces=["eth0", "lan7"])
    alone.start()
    alone.settle_on(WEB, {"n1"})
    assert "lan7" in speaker.text()
    alone.net.veth(alone.client, "far", speaker.namespace, "lan7")
    until(
        lambda: {"lan7"} <= {link["name"] for link in speaker.status()["interfaces"] if link["announcing"]},
        "the interface that came late announces",
    )
    assert "lan7" in speaker.status()["services"][0]["interfaces"]


def test_an_address_of_the_node_itself_is_refused_and_the_others_stay_up(alone: Lan) -> None:
    speaker = alone.speakers[0]
    speaker.write(services=[*SERVICES, {"name": "own", "addresses": [speaker.address]}])
    alone.start()
    alone.settle_on(WEB, {"n1"})
    own = next(service for service in speaker.status()["services"] if service["name"] == "own")
    assert not own["answering"]
    assert own["problems"]
    assert speaker.address in speaker.text()
    assert f"inet {speaker.address}/24" in speaker.namespace.ip("addr show dev eth0")


def test_an_address_outside_every_subnet_is_announced_with_a_warning(alone: Lan) -> None:
    """metallb#511: a VIP without an interface in its subnet is said, not silently broken."""
    speaker = alone.speakers[0]
    speaker.write(services=[{"name": "far", "addresses": ["198.51.100.7"]}])
    alone.start()
    alone.settle_on("198.51.100.7", {"n1"})
    assert "198.51.100.7" in speaker.text()
    assert "subnet" in speaker.text()


def test_a_taken_gossip_port_ends_the_start_with_one_line_and_exit_3(pair: Lan) -> None:
    pair.configure(SERVICES)
    speaker = pair.speakers[0]
    with speaker.namespace.entered():
        taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with taken:
        taken.bind((speaker.address, 7946))
        speaker.start()
        assert speaker.wait() == 3
    assert f"{speaker.address}:7946" in speaker.text()
    assert "Traceback" not in speaker.text()


@pytest.mark.parametrize("capability", ["net_raw", "net_admin"])
def test_a_missing_capability_is_named_and_exits_3(alone: Lan, capability: str) -> None:
    speaker = alone.speakers[0]
    inside = ["ip", "netns", "exec", speaker.namespace.name, "setpriv", f"--bounding-set=-{capability}"]
    done = subprocess.run(
        [*inside, sys.executable, "-m", "roost", "speaker", "--config", str(speaker.path)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert f"CAP_{capability.upper()}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_speaker_with_the_same_name_is_told(pair: Lan) -> None:
    pair.configure(SERVICES)
    first, second = pair.speakers
    second.write(node="n1")
    first.start()
    pair.leader(WEB, among=[first])
    second.start()
    until(
        lambda: "n1" in second.text() and "name" in second.text(),
        "the second speaker says that its name is taken",
    )
    until(lambda: "another" in first.text() or "conflict" in first.text(), "the first one says it too")


def test_a_stranger_that_claims_an_address_is_an_alarm_with_its_mac(pair: Lan) -> None:
    pair.configure(SERVICES)
    pair.start()
    mac = _claim(pair, WEB)
    leader = pair.leader(WEB)
    alarm = until(lambda: leader.status()["alarms"], "an alarm")[0]
    assert (alarm["address"], alarm["mac"], alarm["interface"]) == (WEB, mac, "eth0")
    assert mac in leader.text()
    pair.settle_on(WEB, {leader.name})


def test_answers_that_flip_flop_are_counted_with_both_macs(pair: Lan) -> None:
    """metallb#598."""
    pair.configure(SERVICES)
    pair.start()
    leader = pair.leader(WEB)
    for _ in range(5):
        _claim(pair, WEB)
    alarm = until(
        lambda: [a for a in leader.status()["alarms"] if a["count"] >= 5], "the claims are counted"
    )[0]
    assert alarm["address"] == WEB
    pair.settle_on(WEB, {leader.name})


def test_a_network_restart_heals_by_itself(pair: Lan) -> None:
    """metallb#534, kube-vip#173: the interface goes down and comes up, addresses flushed meanwhile."""
    pair.configure(SERVICES)
    pair.start()
    leader = pair.leader(WEB)
    leader.namespace.ip("link set eth0 down")
    leader.namespace.ip("addr flush dev eth0")
    other = next(speaker for speaker in pair.speakers if speaker is not leader)
    pair.settle_on(WEB, {other.name})
    leader.namespace.ip(f"addr add {leader.address}/24 dev eth0")
    leader.namespace.ip("link set eth0 up")
    pair.whole()
    pair.settle_on(WEB, {leader.name})


def test_an_interface_without_an_address_announces(alone: Lan) -> None:
    """cilium#26586."""
    speaker = alone.speakers[0]
    speaker.namespace.ip("addr flush dev eth0 scope global")
    alone.start()
    alone.settle_on(WEB, {"n1"})


def test_a_new_mac_address_is_announced_and_answered_with(alone: Lan) -> None:
    speaker = alone.speakers[0]
    alone.start()
    alone.settle_on(WEB, {"n1"})
    speaker.namespace.ip("link set eth0 down")
    speaker.namespace.ip("link set eth0 address 02:00:00:00:00:77")
    speaker.namespace.ip("link set eth0 up")
    alone.forget_macs()
    alone.settle_on(WEB, {"n1"})


def test_a_blocked_gossip_port_does_not_leave_two_answerers(pair: Lan) -> None:
    """metallb#589, kube-vip#1418: the LAN is whole, only UDP and TCP 7946 are dropped."""
    pair.drop_frames_of_gossip()
    pair.configure(SERVICES)
    pair.start()
    leaders = {vip: pair.leader(vip).name for vip in (WEB, MAIL)}
    victim = pair.speakers[0].namespace
    victim.run("nft", "add table inet block")
    victim.run("nft", "add chain inet block i { type filter hook input priority 0; }")
    victim.run("nft", "add chain inet block o { type filter hook output priority 0; }")
    for chain, side in (("i", "sport"), ("i", "dport"), ("o", "sport"), ("o", "dport")):
        victim.run("nft", f"add rule inet block {chain} meta l4proto {{ tcp, udp }} th {side} 7946 drop")
    until(
        lambda: all({"alive"} != set(speaker.verdicts().values()) for speaker in pair.speakers),
        "each misses the other in gossip",
    )
    for vip, leader in leaders.items():
        pair.settle_on(vip, {leader})


def test_a_stopped_process_is_found_and_comes_back(pair: Lan) -> None:
    pair.configure(SERVICES)
    pair.start()
    leader = pair.leader(WEB)
    other = next(speaker for speaker in pair.speakers if speaker is not leader)
    leader.signal(signal.SIGSTOP)
    pair.leader(WEB, among=[other])
    pair.settle_on(WEB, {other.name})
    leader.signal(signal.SIGCONT)
    pair.whole()
    pair.settle_on(WEB, {leader.name})


def test_a_changed_hardware_address_is_no_death(tmp_path: Path) -> None:
    """Bond failover, a moved virtual machine. `fast` may err here on a busy host, and repairs it."""
    with lan(tmp_path) as nodes:
        nodes.configure([{"name": "web", "addresses": [WEB]}], profile="default")
        nodes.start()
        time.sleep(1.0)  # silence means something only after a few answers
        leader = nodes.leader(WEB)
        for number in range(4):
            leader.namespace.ip(f"link set eth0 address 02:00:00:00:10:0{number}")
            time.sleep(0.4)
        nodes.forget_macs()
        nodes.settle_on(WEB, {leader.name})
        assert not [line for node in nodes.speakers for line in node.text().splitlines() if ": dead" in line]

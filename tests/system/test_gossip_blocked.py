"""A node that gossip does not reach does not fight for addresses, whatever the reason; frames reach most."""

import base64
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.connections import Connections, serve
from tests.system.netns import NETNS
from tests.system.speakers import Lan, Speaker, lan, services, until
from tests.system.test_drain import roost

pytestmark = NETNS

VIPS = [f"192.0.2.{200 + number}" for number in range(8)]
SERVICES = services(VIPS)
KEYS = [base64.b64encode(bytes([number]) * 16).decode() for number in (1, 2)]


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Lan]:
    with lan(tmp_path) as made:
        made.configure(SERVICES, profile="default")
        for speaker in made.speakers:
            serve(speaker.namespace)
        yield made


def start(nodes: Lan, speakers: list[Speaker]) -> None:
    for speaker in speakers:
        speaker.start()
    nodes.whole()
    until(lambda: all(len(nodes.answerers(vip)) == 1 for vip in VIPS), "each address has one answerer")


def one_answerer_each(nodes: Lan, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for vip in VIPS:
            assert len(nodes.answerers(vip, 0.05)) <= 1, vip


def block_gossip(speaker: Speaker) -> None:
    for rule in (
        "add table inet block",
        "add chain inet block in { type filter hook input priority 0; }",
        "add chain inet block out { type filter hook output priority 0; }",
        "add rule inet block in meta l4proto { tcp, udp } th dport 7946 drop",
        "add rule inet block out meta l4proto { tcp, udp } th dport 7946 drop",
    ):
        speaker.namespace.run("nft", rule)


@pytest.mark.parametrize("reason", ["blocked", "wrong key"])
def test_a_node_that_gossip_never_reached_leaves_the_others_addresses_to_them(
    nodes: Lan, reason: str
) -> None:
    *others, odd = nodes.speakers
    if reason == "wrong key":
        for speaker in nodes.speakers:
            key = KEYS[1] if speaker is odd else KEYS[0]
            speaker.write(membership=speaker.config["membership"] | {"key": key})
    else:
        block_gossip(odd)
        nodes.drop_frames_of_gossip()
    start(nodes, others)
    connections = Connections(nodes.client, VIPS)
    odd.start()
    until(lambda: odd.status()["settled"], "it has waited for the others")
    one_answerer_each(nodes, 4.0)
    assert connections.broken() == []
    assert odd.answering() == set()
    cause = next(each["cure"] for each in odd.status()["problems"] if each["kind"] == "no gossip")
    assert ("key" if reason == "wrong key" else "firewall") in cause


def test_who_is_alone_with_its_key_answers_when_the_others_are_gone(nodes: Lan) -> None:
    *others, odd = nodes.speakers
    block_gossip(odd)
    nodes.drop_frames_of_gossip()
    start(nodes, others)
    odd.start()
    until(lambda: odd.status()["settled"], "it has waited for the others")
    for other in others:
        nodes.cut(other)
    until(lambda: all(nodes.answerers(vip) == {odd.name} for vip in VIPS), "it answers for all")


@pytest.mark.parametrize("frames", [True, False], ids=["frames pass", "nor do frames"])
def test_blocking_gossip_later_moves_nothing(nodes: Lan, frames: bool) -> None:
    if not frames:
        nodes.drop_frames_of_gossip()
    start(nodes, nodes.speakers)
    time.sleep(1.0)
    before = {vip: nodes.answerers(vip) for vip in VIPS}
    connections = Connections(nodes.client, VIPS)
    victim = next(speaker for speaker in nodes.speakers if {speaker.name} in before.values())
    block_gossip(victim)
    one_answerer_each(nodes, 5.0)
    assert {vip: nodes.answerers(vip) for vip in VIPS} == before
    assert connections.broken() == []
    other = next(speaker for speaker in nodes.speakers if speaker is not victim)
    evidence = next(m["evidence"] for m in other.status()["members"] if m["name"] == victim.name)
    if frames:
        assert other.verdicts()[victim.name] == "alive"
        until(lambda: "gossip blocked" in kinds(other), "it is told")
    else:
        assert "answers on the LAN" in evidence


def test_whose_port_was_always_blocked_takes_part_by_frames(nodes: Lan) -> None:
    *others, odd = nodes.speakers
    block_gossip(odd)
    start(nodes, others)
    connections = Connections(nodes.client, VIPS)
    odd.start()
    nodes.whole()
    until(odd.answering, "it leads its share")
    nodes.answered_once(VIPS)
    one_answerer_each(nodes, 3.0)
    until(lambda: "no gossip" in kinds(odd), "it is told")
    assert "firewall" in next(
        each["cure"] for each in odd.status()["problems"] if each["kind"] == "no gossip"
    )
    roost(odd, "drain", odd.name)
    until(lambda: not odd.answering(), "it has handed over")
    assert {name for vip in VIPS for name in nodes.answerers(vip)} == {each.name for each in others}
    assert connections.broken() == []


def kinds(speaker: Speaker) -> set[str]:
    return {each["kind"] for each in speaker.status()["problems"]}

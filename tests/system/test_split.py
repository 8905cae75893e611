"""A node that hears nobody takes over nothing; who is alone for good, or one of two, does."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.netns import NETNS
from tests.system.speakers import Lan, Speaker, lan, until

pytestmark = NETNS

VIPS = [f"192.0.2.{200 + number}" for number in range(8)]
SERVICES = [{"name": f"s{vip[-1]}", "addresses": [vip]} for vip in VIPS]


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Lan]:
    with lan(tmp_path) as made:
        made.configure(SERVICES, profile="default")
        made.start()
        until(lambda: len(everything(made)) == len(VIPS), "every address is answered once")
        time.sleep(1.0)  # silence means something only after a few answers
        yield made


def everything(nodes: Lan) -> list[str]:
    """All that the speakers say they answer for, an address as often as it has answerers."""
    return [address for speaker in nodes.speakers for address in speaker.answering()]


def gone(nodes: Lan, name: str) -> bool:
    others = (speaker for speaker in nodes.speakers if speaker.name != name)
    return all(speaker.verdicts()[name] == "unreachable" for speaker in others)


def lost(speaker: Speaker) -> int:
    """How many members this speaker holds for gone."""
    return sum(verdict not in ("alive", "suspect") for verdict in speaker.verdicts().values())


def test_a_node_that_is_cut_off_keeps_what_it_led_and_takes_nothing(nodes: Lan) -> None:
    alone = nodes.leader(VIPS[0])
    led = alone.answering()
    nodes.cut(alone)
    until(lambda: gone(nodes, alone.name), "the others have noticed")
    until(lambda: lost(alone) == 2, "it has given all others up", 5.0)
    assert alone.status()["cut_off"] is True
    until(lambda: alone.answering() == led, "it answers for what it led, and for nothing else")
    nodes.heal(alone)
    until(lambda: sorted(everything(nodes)) == sorted(VIPS), "each is answered by one again", 5.0)
    until(lambda: alone.answering() == led, "it leads what it led", 5.0)
    assert alone.status()["cut_off"] is False


def test_the_only_one_left_takes_over_when_a_client_asks(nodes: Lan) -> None:
    survivor = nodes.speakers[0]
    for other in nodes.speakers[1:]:
        nodes.cut(other)
    until(lambda: lost(survivor) == 2, "it has lost both", 10.0)
    until(
        lambda: all(nodes.answerers(vip) == {survivor.name} for vip in VIPS),
        "it answers for everything once somebody else is heard",
    )


def test_one_of_two_takes_over_even_if_it_hears_nobody(tmp_path: Path) -> None:
    """Two nodes cannot tell whose link it is; answering for nobody is worse than answering twice."""
    with lan(tmp_path, 2) as pair:
        pair.configure(SERVICES, profile="default")
        pair.start()
        first, second = pair.speakers
        until(lambda: len(everything(pair)) == len(VIPS), "every address is answered once")
        pair.cut(first)
        until(lambda: second.answering() == set(VIPS) and first.answering() == set(VIPS), "both answer", 10.0)
        pair.heal(first)
        until(lambda: sorted(everything(pair)) == sorted(VIPS), "each is answered by one again", 5.0)


def test_every_node_says_what_became_of_a_peer_and_what_shows_it(nodes: Lan) -> None:
    """Its process alone was killed, so its host still answers: that is told apart from a dead host."""
    victim, *others = nodes.speakers
    victim.signal(signal.SIGKILL)

    def all_say_so() -> bool:
        members = [member for each in others for member in each.status()["members"]]
        about = [member for member in members if member["name"] == victim.name]
        return all(
            member["verdict"] == "process gone" and "lifeline was closed" in member["evidence"]
            for member in about
        )

    until(all_say_so, "both others say that its process is gone")
    place = next(
        each for each in others[0].ask(f"/v1/explain/{VIPS[0]}")["places"] if each["node"] == victim.name
    )
    assert "process gone" in place["why"]


def test_a_node_whose_kernel_answers_no_probes_is_judged_by_swim_alone_and_explain_says_so(
    tmp_path: Path,
) -> None:
    """With arp_ignore 8 and without echo its kernel is silent for ever: that must not be taken for death."""
    with lan(tmp_path) as nodes:
        nodes.configure(SERVICES, profile="default")
        mute, *others = nodes.speakers
        mute.namespace.sysctl("net/ipv4/conf/eth0/arp_ignore", 8)
        mute.namespace.sysctl("net/ipv4/icmp_echo_ignore_all", 1)
        mac = mute.namespace.mac("eth0").hex(":")
        for other in others:
            other.namespace.ip(f"neigh replace {mute.address} lladdr {mac} dev eth0 nud permanent")
        nodes.start()
        time.sleep(2.0)
        for other in others:
            assert other.verdicts()[mute.name] == "alive"
            assert other.ask(f"/v1/explain/{VIPS[0]}")["judged_by_swim_alone"] == [mute.name]
        nodes.cut(mute)
        until(lambda: all(each.verdicts()[mute.name] == "dead" for each in others), "SWIM finds it", 10.0)

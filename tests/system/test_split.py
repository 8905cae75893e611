"""A node that hears nobody takes over nothing; who is alone for good, or one of two, does."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.netns import NETNS
from tests.system.speakers import Lan, lan, until

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
    return all(speaker.verdicts()[name] == "dead" for speaker in nodes.speakers if speaker.name != name)


def test_a_node_that_is_cut_off_keeps_what_it_led_and_takes_nothing(nodes: Lan) -> None:
    alone = nodes.leader(VIPS[0])
    led = alone.answering()
    nodes.cut(alone)
    until(lambda: gone(nodes, alone.name), "the others have noticed")
    until(lambda: list(alone.verdicts().values()).count("dead") == 2, "it has given all others up", 5.0)
    assert alone.status()["cut_off"] is True
    assert alone.answering() == led
    nodes.heal(alone)
    until(lambda: sorted(everything(nodes)) == sorted(VIPS), "each is answered by one again", 5.0)
    until(lambda: alone.answering() == led, "it leads what it led", 5.0)
    assert alone.status()["cut_off"] is False


def test_the_only_one_left_takes_over_when_a_client_asks(nodes: Lan) -> None:
    survivor = nodes.speakers[0]
    for other in nodes.speakers[1:]:
        nodes.cut(other)
    until(lambda: list(survivor.verdicts().values()).count("dead") == 2, "it has lost both", 10.0)
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

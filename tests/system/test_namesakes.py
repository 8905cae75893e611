"""Two hosts with one node name: one answers, the other does not, and every node names the cure."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.system.netns import NETNS
from tests.system.speakers import Lan, Speaker, lan, services, until

pytestmark = NETNS

VIPS = [f"192.0.2.{200 + number}" for number in range(6)]
SERVICES = services(VIPS)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Lan]:
    """Hosts n1 and n2 both have the name n1; n3 is joined to both, and they to each other."""
    with lan(tmp_path) as made:
        made.configure(SERVICES, profile="default")
        made.speakers[1].write(node="n1")
        yield made


def answerers(nodes: Lan) -> dict[str, set[str]]:
    return {vip: nodes.answerers(vip, 0.1) for vip in VIPS}


def one_answers_each(nodes: Lan, seconds: float) -> dict[str, set[str]]:
    """Look on for some time, and return who answers in the end."""
    nodes.answered_once(VIPS)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        now = answerers(nodes)
        assert all(len(each) == 1 for each in now.values()), now
    return now


def told(speaker: Speaker) -> Callable[[], bool]:
    return lambda: any(
        each["kind"] == "same name" and "another (`node:`" in each["cure"]
        for each in speaker.status()["problems"]
    )


def test_who_was_there_first_keeps_its_addresses_and_all_name_the_cure(nodes: Lan) -> None:
    first, second, third = nodes.speakers
    first.start()
    third.start()
    until(lambda: "alive" in third.verdicts().get("n1", ""), "they have met")
    before = one_answers_each(nodes, 1.0)
    second.start()
    until(lambda: second.status()["settled"], "the second one has settled")
    assert one_answers_each(nodes, 4.0) == before
    assert second.answering() == set()
    for speaker in nodes.speakers:
        until(told(speaker), f"{speaker.log.name} names cause and cure")
    assert "another host has this node's name" in second.text()


def test_of_two_that_start_at_once_one_answers(nodes: Lan) -> None:
    first, second, _ = nodes.speakers
    for speaker in nodes.speakers:
        speaker.start()
    until(lambda: all(each.status()["settled"] for each in nodes.speakers), "they have settled")
    now = one_answers_each(nodes, 4.0)
    twins = set().union(*now.values()) - {"n3"}
    assert len(twins) == 1, now
    assert not (first.answering() and second.answering())


def test_when_the_first_is_gone_there_is_still_one_answer(nodes: Lan) -> None:
    first, second, third = nodes.speakers
    first.start()
    third.start()
    until(lambda: "alive" in third.verdicts().get("n1", ""), "they have met")
    one_answers_each(nodes, 0.5)
    second.start()
    until(lambda: second.status()["settled"], "the second one has settled")
    time.sleep(1.0)
    nodes.cut(first)
    until(lambda: all(not each & {"n1"} for each in answerers(nodes).values()), "the first one is gone")
    time.sleep(10.0)  # the name is called dead, refuted by its other bearer and taken for a peer again
    one_answers_each(nodes, 4.0)
    third.signal(signal.SIGKILL)
    until(lambda: set(VIPS) == second.answering(), "the last one answers for all")

"""`failback`: real speakers that come and go, and who claims the address on the wire meanwhile."""

import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.system.claims import Claims
from tests.system.netns import NETNS
from tests.system.speakers import Lan, Speaker, lan, until
from tests.system.test_drain import roost

from roost.model.ranking import digest

pytestmark = NETNS

NAMES = ("n1", "n2", "n3")


def order(address: str) -> list[str]:
    return sorted(NAMES, key=lambda name: digest(name, address))


KEPT = "192.0.2.200"
BEST, SECOND, THIRD = order(KEPT)
# Two more that the same node would lead.
SOON, ALWAYS = [each for each in map("192.0.2.{}".format, range(201, 255)) if order(each)[0] == BEST][:2]
SERVICES = [
    {"name": "kept", "addresses": [KEPT], "failback": "never"},
    {"name": "soon", "addresses": [SOON], "failback": "1s"},
    {"name": "always", "addresses": [ALWAYS]},
]


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Lan]:
    with lan(tmp_path) as made:
        made.configure(SERVICES, profile="default")
        made.start()
        for address in (KEPT, SOON, ALWAYS):
            made.settle_on(address, {BEST})  # at a cold start rank decides
        yield made


@pytest.fixture
def claims(nodes: Lan) -> Iterator[Claims]:
    made = Claims(nodes)
    yield made
    made.close()


def node(nodes: Lan, name: str) -> Speaker:
    return next(speaker for speaker in nodes.speakers if speaker.name == name)


def end(speaker: Speaker, how: signal.Signals) -> None:
    speaker.signal(how)
    speaker.wait()


def test_a_node_that_is_sick_returns_again_and_again_and_moves_nothing(nodes: Lan, claims: Claims) -> None:
    sick = node(nodes, BEST)
    end(sick, signal.SIGKILL)
    nodes.settle_on(KEPT, {SECOND})
    for how in (signal.SIGKILL, signal.SIGTERM, None):
        sick.start()
        nodes.whole()
        nodes.settle_on(ALWAYS, {BEST})  # so it leads again what it may
        nodes.settle_on(SOON, {BEST})
        if how is not None:
            end(sick, how)
            nodes.settle_on(ALWAYS, {order(ALWAYS)[1]})
    holder = nodes.leader(KEPT)  # on a busy machine the third may have stood in for the second
    assert BEST not in claims.by[KEPT], "it has not led it for a moment"
    assert claims.by[ALWAYS].count(BEST) >= 3, "of the other one it has come and gone"

    told = roost(sick, "explain", KEPT)
    assert f"{holder.name} leads because failback is never; {BEST} stands first by rank" in told.stdout
    assert "failback is never" in roost(node(nodes, THIRD), "status").stdout
    assert BEST in roost(sick, "what-if", "--down", holder.name, KEPT).stdout

    assert roost(holder, "drain", holder.name).returncode == 0
    nodes.settle_on(KEPT, {BEST})
    assert roost(holder, "drain", holder.name, "--undo").returncode == 0
    until(lambda: "draining" not in roost(sick, "status").stdout, "it drains no more")
    nodes.settle_on(KEPT, {BEST})


def test_the_holder_dies_while_the_better_one_restarts_and_the_setting_changes(
    nodes: Lan, claims: Claims
) -> None:
    end(node(nodes, BEST), signal.SIGKILL)
    nodes.settle_on(KEPT, {SECOND})
    node(nodes, BEST).start()
    end(node(nodes, SECOND), signal.SIGKILL)
    nodes.settle_on(KEPT, {THIRD})
    nodes.whole()
    nodes.settle_on(ALWAYS, {BEST})
    node(nodes, SECOND).start()
    nodes.whole()
    nodes.settle_on(KEPT, {THIRD})
    assert BEST not in claims.by[KEPT], "the last one could lead when nobody else could, and keeps it"

    # The setting changes by reload, one node after the other.
    give(nodes, [each | {"failback": "always"} if each["name"] == "kept" else each for each in SERVICES])
    nodes.settle_on(KEPT, {BEST})
    give(nodes, SERVICES)
    time.sleep(0.5)
    nodes.settle_on(KEPT, {BEST})  # who leads now keeps it, not who had it at first


def give(nodes: Lan, services: list[dict[str, Any]]) -> None:
    """Let one node after the other read other services."""
    for speaker in nodes.speakers:
        speaker.write(services=services)
        speaker.signal(signal.SIGHUP)
        until(partial(has_read, speaker, services), f"{speaker.name} has read it")


def has_read(speaker: Speaker, services: list[dict[str, Any]]) -> bool:
    found = {each["name"]: each["failback"] for each in speaker.status()["services"]}
    return found == {each["name"]: each.get("failback", "always") for each in services}

"""`sharing: {by: connection}`: one leader answers a router, and all nodes take its connections."""

import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.system.flows import VIPS, Flows, ask, routed
from tests.system.netns import NETNS
from tests.system.speakers import until
from tests.system.test_drain import roost

pytestmark = NETNS

NAMES = {"n1", "n2", "n3"}


def test_flows_of_one_router_go_to_all_nodes(tmp_path: Path) -> None:
    with routed(tmp_path) as nodes:
        nodes.spread()
        leader = nodes.leader(VIPS[0])
        assert nodes.answerers(VIPS[0]) == {leader.name}, "one node answers"
        for address in VIPS:
            for size in (0, 100, 4000):  # TCP, UDP, UDP in parts
                found = ask(nodes.far, address, 60, size)
                assert set(found) == NAMES, (address, size, found)
        status = leader.status()
        assert sum(status["services"][0]["shares"].values()) == pytest.approx(1)

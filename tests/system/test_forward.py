"""`deliver: forward` with real speakers: balanced, checked, drained, and connections outlive the node."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.forwarding import GATEWAY, VIP, VIP6, Balanced, Kinds, balanced, who
from tests.system.netns import NETNS
from tests.system.speakers import Speaker, until

pytestmark = NETNS

HEALTH = {"tcp": True, "interval": "100ms", "timeout": "300ms", "rise": 2, "fall": 2}


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Balanced]:
    with balanced(tmp_path) as made:
        yield made


def leads(net: Balanced, but: Speaker | None = None, address: str = VIP) -> Speaker:
    """Wait until one node leads, another than `but`."""
    leader = net.leader(address, among=[each for each in net.running() if each is not but])
    net.settle_on(address, {leader.name})
    return leader


def test_connections_of_all_kinds_outlive_the_node_that_forwards_them(net: Balanced) -> None:
    net.balance(health=HEALTH)
    net.start()
    leader = leads(net)
    held = Kinds(net.client, VIP, 10, push=4.0)
    time.sleep(0.5)
    net.die(leader)
    leads(net, but=leader)
    time.sleep(4)
    assert held.broken() == []
    print("gap", held.longest_gap)
    assert held.peers == {"192.0.2.101"}, "backends see the client itself"
    assert len({each["server"] for each in held.results}) == 3

"""A cable that is pulled and put back costs the addresses of its own node, and nobody else's."""

import time
from pathlib import Path

from tests.system.connections import Connections, serve
from tests.system.netns import NETNS
from tests.system.speakers import lan, services, until

pytestmark = NETNS

VIPS = [f"192.0.2.{200 + number}" for number in range(8)]
SERVICES = services(VIPS)


def test_replugging_one_node_three_times_breaks_nothing_of_the_others(tmp_path: Path) -> None:
    with lan(tmp_path) as nodes:
        nodes.configure(SERVICES, profile="default")
        for speaker in nodes.speakers:
            serve(speaker.namespace)
        nodes.start()
        until(lambda: all(len(nodes.answerers(vip)) == 1 for vip in VIPS), "each address has one answerer")
        time.sleep(1.0)
        *_, loose = nodes.speakers
        led = {vip: nodes.answerers(vip) for vip in VIPS}
        others = [vip for vip in VIPS if led[vip] != {loose.name}]
        connections = Connections(nodes.client, others)
        for _ in range(3):
            nodes.switch.ip(f"link set p{nodes.speakers.index(loose)} down")
            until(lambda: not loose.answering(), "it answers for nothing without a cable")
            time.sleep(3.0)
            nodes.switch.ip(f"link set p{nodes.speakers.index(loose)} up")
            end = time.monotonic() + 2.0
            while time.monotonic() < end:
                for vip in others:
                    assert nodes.answerers(vip, 0.05) == led[vip], vip
        assert connections.broken() == []
        for speaker in nodes.speakers:
            assert ("waiting before leading" in speaker.text()) == (speaker is loose)

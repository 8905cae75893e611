"""A cable that is pulled and put back costs the addresses of its own node, and nobody else's."""

import time
from contextlib import closing
from pathlib import Path

from tests.system.claims import Claims
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


def test_who_hears_nothing_when_its_cable_is_back_claims_nothing(tmp_path: Path) -> None:
    """What others have taken over is not free because they are not heard."""
    with lan(tmp_path) as nodes:
        nodes.configure(SERVICES, profile="default")
        nodes.start()
        until(lambda: all(len(nodes.answerers(vip)) == 1 for vip in VIPS), "each address has one answerer")
        led = {vip: nodes.answerers(vip) for vip in VIPS}
        *_, deaf = nodes.speakers
        port = f"p{nodes.speakers.index(deaf)}"
        nodes.switch.ip(f"link set {port} down")
        until(
            lambda: all(nodes.answerers(vip, 0.1) - {deaf.name} for vip in VIPS), "the others have taken over"
        )
        chain = f"chain to {{ type filter hook egress device {port} priority 0; drop; }};"
        nodes.switch.run("nft", f"table netdev deaf {{ {chain} }}")
        with closing(Claims(nodes)) as claims:
            nodes.switch.ip(f"link set {port} up")
            time.sleep(2.5)
            assert deaf.name not in {name for names in claims.by.values() for name in names}
            nodes.switch.run("nft", "delete table netdev deaf")
            until(lambda: all(nodes.answerers(vip, 0.1) == led[vip] for vip in VIPS), "it leads again")

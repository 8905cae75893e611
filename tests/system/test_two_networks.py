"""Gossip on one network, addresses on another: a node whose announcing link is dead must not keep them.

Users' report: cilium#35507, where the lease was renewed over the control network while the address was dead.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.netns import NETNS
from tests.system.speakers import Lan, lan, until

pytestmark = NETNS

VIPS = [f"192.0.2.{200 + number}" for number in range(6)]
SERVICES = [{"name": f"s{vip[-1]}", "addresses": [vip]} for vip in VIPS]


@pytest.fixture(params=[3, 2], ids=["three nodes", "two nodes"])
def nodes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lan]:
    """Speakers that announce on eth0 and gossip on eth1."""
    with lan(tmp_path, request.param) as made:
        made.net.lan(*(speaker.namespace for speaker in made.speakers), interface="eth1")
        made.configure(SERVICES, profile="default")
        for number, speaker in enumerate(made.speakers, 1):
            speaker.namespace.ip(f"addr add 198.51.100.{number}/24 dev eth1")
            join = [f"198.51.100.{other}:7946" for other in range(1, request.param + 1) if other != number]
            bind = f"198.51.100.{number}:7946"
            speaker.write(membership={"bind": bind, "join": join, "profile": "default"})
        made.start()
        until(lambda: len(everything(made)) == len(VIPS), "every address is answered once")
        made.answerers(VIPS[0])  # all hear of the client, who can prove that a link works
        time.sleep(1.0)  # silence means something only after a few answers
        yield made


def everything(nodes: Lan) -> list[str]:
    return [address for speaker in nodes.speakers for address in speaker.answering()]


@pytest.mark.parametrize("how", ["port blocked", "link down"])
def test_a_dead_announcing_link_moves_the_addresses_though_gossip_works(nodes: Lan, how: str) -> None:
    victim = nodes.leader(VIPS[0])
    others = [speaker for speaker in nodes.speakers if speaker is not victim]
    led = victim.answering()
    if how == "port blocked":
        nodes.cut(victim)
    else:
        victim.namespace.ip("link set eth0 down")
    rest = {speaker.name for speaker in others}
    until(
        lambda: all(nodes.answerers(vip) and nodes.answerers(vip) <= rest for vip in VIPS),
        "the others answer for everything",
        10.0,
    )
    until(
        lambda: {ip for speaker in others for ip in speaker.answering()} == set(VIPS),
        "and say so",
        5.0,
    )
    if how == "port blocked":
        nodes.heal(victim)
    else:
        victim.namespace.ip("link set eth0 up")
        victim.namespace.ip(f"addr replace {victim.address}/24 dev eth0")
    until(lambda: victim.answering() == led, "it leads again what it led", 15.0)
    until(lambda: sorted(everything(nodes)) == sorted(VIPS), "each is answered by one", 5.0)

"""A firewall of the host that drops what is passed on: said before it hurts, and the cure is one."""

import sys
import time
from pathlib import Path

from tests.system.connections import Connections, serve
from tests.system.netns import NETNS
from tests.system.speakers import Lan, Speaker, lan
from tests.system.test_doctor import doctor
from tests.system.test_drain import roost

pytestmark = NETNS

VIP, VIP6 = "192.0.2.200", "2001:db8::200"
STRICT = (  # what a host may send: answers, and what begins here
    "add table inet wall",
    "add chain inet wall out { type filter hook output priority 0; policy drop; }",
    "add rule inet wall out oifname lo accept",
    "add rule inet wall out ct state established,related accept",
    "add rule inet wall out meta l4proto { icmp, ipv6-icmp } accept",
    "add rule inet wall out meta l4proto { tcp, udp } th dport 7946 ct state new accept",
)
CURE = (
    f"insert rule inet wall out ct state untracked ip daddr {VIP} accept",
    f"insert rule inet wall out ct state untracked ip6 daddr {VIP6} accept",
)
OF_ANSWERS = (  # what comes in is looked at as most do it: that is no obstacle
    "add chain inet wall in { type filter hook input priority 0; policy drop; }",
    "add rule inet wall in ct state vmap { established : accept, related : accept, invalid : drop }",
    "add rule inet wall in iifname lo accept",
    "add rule inet wall in meta l4proto { icmp, ipv6-icmp } accept",
    "add rule inet wall in tcp dport 8080 tcp flags & (fin|syn|rst|ack) == syn accept",
    "add rule inet wall in meta l4proto { tcp, udp } th dport 7946 accept",
)


def broken_by_a_drain(nodes: Lan) -> list[str]:
    holder = nodes.leader(VIP)
    connections = Connections(nodes.client, [VIP, VIP6] * 5)
    roost(holder, "drain", holder.name, "--deadline", "0.5")
    nodes.leader(VIP, among=[each for each in nodes.speakers if each is not holder])
    time.sleep(6)  # an echo may take 5 s
    broken = connections.broken()
    roost(holder, "drain", holder.name, "--undo")
    nodes.settle_on(VIP, {holder.name})
    return broken


def told(speaker: Speaker) -> list[str]:
    """What `check` and `doctor` say of it on this host."""
    checked = speaker.namespace.run(sys.executable, "-m", "roost", "check", str(speaker.path))
    warned = [line for line in checked.splitlines() if "firewall" in line]
    found = doctor(speaker.namespace, "--socket", str(speaker.socket))["findings"]
    return [*warned, *(each["evidence"] for each in found if each["kind"] == "firewall drops connections")]


def test_a_host_that_sends_only_what_it_tracks_is_told_so_and_the_cure_is_one(tmp_path: Path) -> None:
    with lan(tmp_path, 2) as nodes:
        nodes.configure([{"name": "web", "addresses": [VIP, VIP6]}], profile="default")
        for speaker in nodes.speakers:
            serve(speaker.namespace)
            for rule in (*STRICT, *OF_ANSWERS):
                speaker.namespace.run("nft", rule)
        nodes.start()
        nodes.answered_once([VIP])
        first = nodes.speakers[0]
        checked, found = told(first)
        assert "policy drop of chain inet wall out" in checked
        assert "services[0].addresses" in checked
        assert "ct state untracked" in checked
        assert found == "nft: policy drop of chain inet wall out"
        assert broken_by_a_drain(nodes)
        for speaker in nodes.speakers:
            for rule in CURE:
                speaker.namespace.run("nft", rule)
        assert told(first) == []
        assert broken_by_a_drain(nodes) == []

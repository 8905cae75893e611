"""What `roost check` says of a host whose settings or firewall break connections that move."""

import sys
from pathlib import Path

import pytest
import yaml
from tests.system.netns import NETNS, network

pytestmark = NETNS

MID_STREAM = "ct state new tcp flags & (fin | syn | rst | ack) != syn drop"


@pytest.mark.parametrize(
    ("rules", "loose", "told"),
    [
        ([], 1, ""),
        (["add chain inet wall f { type filter hook forward priority 0; policy drop; }"], 1, "unless a rule"),
        (
            [
                "add chain inet wall f { type filter hook forward priority 0; policy accept; }",
                f"add rule inet wall f {MID_STREAM}",
            ],
            1,
            "in mid-stream",
        ),
        (["add chain inet wall i { type filter hook input priority 0; policy drop; }"], 1, ""),
        ([], 0, "nf_conntrack_tcp_loose is 0"),
    ],
)
def test_each_is_a_warning(tmp_path: Path, rules: list[str], loose: int, told: str) -> None:
    service = {
        "name": "web",
        "addresses": ["192.0.2.200"],
        "deliver": "forward",
        "ports": [{"port": 80}],
        "backends": [{"address": "198.51.100.6"}],
        "forward": {"gateway": "198.51.100.254"},
    }
    path = tmp_path / "roost.yaml"
    path.write_text(yaml.safe_dump({"membership": {"bind": "192.0.2.11:7946"}, "services": [service]}))
    with network() as net:
        node, other = net.add("n1"), net.add("other")
        for interface, address in (("eth0", "192.0.2.11/24"), ("eth1", "198.51.100.11/24")):
            net.veth(node, interface, other, interface)
            node.ip(f"addr add {address} dev {interface}")
        node.run("nft", "add table inet wall")
        node.run("nft", "add chain inet wall track { type filter hook prerouting priority 0; }")
        node.run("nft", "add rule inet wall track ct state invalid counter")
        node.sysctl("net/netfilter/nf_conntrack_tcp_loose", loose)
        for rule in rules:
            node.run("nft", rule)
        said = node.run(sys.executable, "-m", "roost", "check", str(path))
    assert (": warning:" in said) is bool(told), said
    assert told in said

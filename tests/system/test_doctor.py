"""`roost doctor` on real hosts: what is broken on purpose is named, and healthy hosts have nothing."""

import base64
import json
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.system.netns import NETNS, Namespace, network
from tests.system.speakers import Lan, lan, services, until

pytestmark = NETNS

VIPS = ["192.0.2.200", "192.0.2.201"]
KEYS = [base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2)]


def doctor(node: Namespace, *options: str) -> dict[str, Any]:
    """Run it in a node's namespace; its exit code has to fit what it found."""
    done = subprocess.run(
        ["ip", "netns", "exec", node.name, sys.executable, "-m", "roost", "doctor", "--json", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == bool(told["findings"]), told
    assert all(each["evidence"] and each["cure"] for each in told["findings"]), told
    return told


def kinds(told: dict[str, Any]) -> set[str]:
    return {each["kind"] for each in told["findings"]}


def evidence(told: dict[str, Any], kind: str) -> str:
    return " ".join(
        each["text"] + " " + each["evidence"] for each in told["findings"] if each["kind"] == kind
    )


def nft(node: Namespace, *rules: str) -> None:
    node.run("nft", "; ".join(rules))


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Lan]:
    with lan(tmp_path) as made:
        made.configure(services([*VIPS, "2001:db8::203"]))
        for speaker in made.speakers:
            speaker.write(membership=speaker.config["membership"] | {"key": KEYS[0]})
            speaker.path.chmod(0o600)
        yield made


# -- healthy ---------------------------------------------------------------------------------------


def test_healthy_nodes_have_nothing_with_and_without_a_firewall_and_a_running_speaker(nodes: Lan) -> None:
    first, second, _ = nodes.speakers
    assert doctor(first.namespace, "--config", str(first.path))["findings"] == []  # nothing runs yet
    nft(
        second.namespace,
        "add table inet filter",
        "add chain inet filter in { type filter hook input priority 0; policy drop; }",
        "add rule inet filter in ct state vmap { established : accept, related : accept, invalid : drop }",
        "add rule inet filter in iifname lo accept",
        "add rule inet filter in meta l4proto { icmp, ipv6-icmp } accept",
        "add set inet filter peers { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 } }",
        "add rule inet filter in ip saddr @peers meta l4proto { tcp, udp } th dport 7946 accept",
        "add rule inet filter in tcp dport { 22, 80 } accept",
    )
    nodes.start()
    for speaker in (first, second):
        told = doctor(speaker.namespace, "--socket", str(speaker.socket), "--burst")
        assert told["findings"] == [], speaker.name
        assert told["not_looked_at"] == []


def test_a_host_with_two_homes_and_its_address_on_a_bridge_has_nothing(tmp_path: Path) -> None:
    with network() as net:
        node, peer = net.add("node"), net.add("peer")
        net.lan(node, peer)
        net.lan(node, peer, interface="mgmt0")
        node.ip("link add br0 type bridge forward_delay 0")
        node.ip("link set eth0 master br0")
        node.ip("link set br0 up")
        node.ip("addr add 192.0.2.11/24 dev br0")
        node.ip("addr add 198.51.100.11/24 dev mgmt0")
        node.ip("route add default via 198.51.100.1")
        for name in ("all", "br0", "mgmt0"):
            node.sysctl(f"net/ipv4/conf/{name}/rp_filter", 2)
        peer.ip("addr add 192.0.2.12/24 dev eth0")
        file = tmp_path / "roost.yaml"
        file.write_text(
            "node: n1\ninterfaces: [br0]\n"
            'membership: {bind: "192.0.2.11:7946", join: ["192.0.2.12:7946"]}\n'
            "services: [{name: web, addresses: [192.0.2.200]}]\n"
            f"status: {{socket: {tmp_path}/n1.sock}}\n"
        )
        assert doctor(node, "--config", str(file))["findings"] == []


# -- broken ----------------------------------------------------------------------------------------


def test_what_is_wrong_with_the_host_itself_is_named(nodes: Lan, tmp_path: Path) -> None:
    first = nodes.speakers[0]
    node = first.namespace
    nodes.net.lan(node, nodes.client, interface="eth1")
    node.ip("addr add 198.51.100.11/24 dev eth1")
    node.ip("route add default via 198.51.100.1")
    node.ip("link add kube-ipvs0 type bridge")  # stands for IPVS' dummy, which the test's kernel may lack
    for key, value in {
        "ipv4/conf/eth0/rp_filter": 1,
        "ipv4/conf/eth0/proxy_arp_pvlan": 1,
        "ipv4/conf/eth0/drop_gratuitous_arp": 1,
        "ipv4/conf/all/route_localnet": 1,
        "ipv4/neigh/eth0/base_reachable_time_ms": 3_600_000,
        "ipv6/conf/eth0/disable_ipv6": 1,
        "netfilter/nf_conntrack_tcp_loose": 0,
    }.items():
        node.sysctl(f"net/{key}", value)
    nft(
        node,
        "add table inet filter",
        "add chain inet filter in { type filter hook input priority 0; }",
        "add rule inet filter in udp dport 7000-8000 drop",
        "add chain inet filter out { type filter hook output priority 0; }",
        "add rule inet filter out tcp dport 7946 reject",
        "add rule inet filter in icmp type echo-request drop",
        "add table arp filter",
        "add chain arp filter in { type filter hook input priority 0; policy drop; }",
    )
    told = doctor(node, "--config", str(first.path), "--quiet")
    assert kinds(told) == {
        "reverse path filter",
        "strict ARP off",
        "proxy ARP",
        "learning off",
        "route_localnet",
        "neighbours kept long",
        "IPv6 off",
        "conntrack strict",
        "firewall drops gossip",
        "firewall drops echo",
        "firewall drops ARP",
    }
    gossip = evidence(told, "firewall drops gossip")
    assert "UDP in" in gossip
    assert "TCP out" in gossip
    assert "TCP in" not in gossip


def test_a_process_without_rights_says_so(nodes: Lan) -> None:
    first = nodes.speakers[0]
    done = first.namespace.run(
        "sh",
        "-c",
        f"setpriv --bounding-set -all --inh-caps -all {sys.executable} -m roost doctor --json --quiet"
        f" --config {first.path} || true",
    )
    (finding,) = json.loads(done)["findings"]
    assert finding["kind"] == "rights"
    assert "CAP_NET_RAW" in finding["text"]


def test_what_is_wrong_between_hosts_is_named(nodes: Lan) -> None:
    first, second, third = nodes.speakers
    third.write(membership=third.config["membership"] | {"key": KEYS[1]})
    for speaker in nodes.speakers:
        speaker.start()
    until(lambda: first.verdicts().get("n2") == "alive", "n1 and n2 are members")
    second.namespace.ip("link set eth0 mtu 1400")
    nft(
        first.namespace,
        "add table inet block",
        "add chain inet block in { type filter hook input priority 0; }",
        "add rule inet block in udp dport 7946 drop",
    )
    nodes.client.ip(f"addr add {VIPS[0]}/24 dev eth0")
    nft(
        nodes.switch,
        "add table bridge suppress",
        "add chain bridge suppress fw { type filter hook forward priority 0; }",
        "add rule bridge suppress fw oifname p1 ether daddr ff:ff:ff:ff:ff:ff ether type arp drop",
    )
    told = doctor(first.namespace, "--config", str(first.path), "--socket", str(first.socket))
    assert {
        "firewall drops gossip",
        "gossip blocked",
        "wrong key",
        "MTU",
        "duplicate address",
        "broadcast suppressed",
    } <= kinds(told)
    assert "UDP from it" in evidence(told, "gossip blocked")
    assert "192.0.2.13" in evidence(told, "wrong key")
    assert "n2" in evidence(told, "MTU")
    assert nodes.client.mac("eth0").hex(":") in evidence(told, "duplicate address")
    assert "n2" in evidence(told, "broadcast suppressed")


def test_a_port_that_limits_arp_is_found_by_a_burst(nodes: Lan) -> None:
    first = nodes.speakers[0]
    nft(
        nodes.switch,
        "add table bridge inspect",
        "add chain bridge inspect pre { type filter hook prerouting priority 0; }",
        "add rule bridge inspect pre iifname p0 ether type arp limit rate over 12/second drop",
    )
    assert doctor(first.namespace, "--config", str(first.path))["findings"] == []
    time.sleep(1.0)  # the limit has room again
    assert kinds(doctor(first.namespace, "--config", str(first.path), "--burst")) == {"ARP limited"}


def test_no_secret_is_in_a_bundle(nodes: Lan, tmp_path: Path) -> None:
    first = nodes.speakers[0]
    planted = "sw0rdfish-of-the-key-file"
    keys = tmp_path / "gossip.key"
    keys.write_text("\n".join(KEYS) + "\n")
    membership = dict(first.config["membership"])
    del membership["key"]
    first.write(membership=membership | {"keyFile": str(keys)})
    first.path.write_text(
        first.path.read_text() + f"# password: {planted}\n# https://me:{planted}@192.0.2.9/\n"
    )
    first.start()
    until(lambda: first.status()["node"], "it runs")
    archive = tmp_path / "bundle.tar.gz"
    doctor(first.namespace, "--socket", str(first.socket), "--bundle", str(archive))
    assert archive.stat().st_mode & 0o077 == 0
    with tarfile.open(archive) as opened:
        texts = {each.name: opened.extractfile(each).read().decode() for each in opened if each.isfile()}  # type: ignore[union-attr]
    raw = [base64.b64decode(each) for each in KEYS]
    for name, text in texts.items():
        for secret in (planted, *KEYS, *(each.hex() for each in raw), *(each.rstrip("=") for each in KEYS)):
            assert secret not in text, name
    assert {
        f"roost-bundle/{each}" for each in ("status.json", "configuration.yaml", "kernel-settings.txt")
    } < set(texts)
    assert "192.0.2.200" in texts["roost-bundle/configuration.yaml"]
    assert "arp_ignore" in texts["roost-bundle/kernel-settings.txt"]


def test_a_speaker_that_was_asked_for_has_to_answer(nodes: Lan, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "roost", "doctor", "--socket", str(tmp_path / "none.sock")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert "no speaker answers" in done.stderr

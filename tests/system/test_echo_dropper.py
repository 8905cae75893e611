"""A host that forwards leaves pings of VIPs to the speaker, by netlink alone, and nothing else."""

import shutil
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address

import pytest
from tests.system.netns import NETNS, Namespace, network
from tests.system.speakers import until

from roost.runtime.echo_dropper import EchoDropper

pytestmark = NETNS

VIPS = [ip_address(text) for text in ("192.0.2.200", "192.0.2.201", "2001:db8::200", "2001:db8::201")]


@pytest.fixture
def hosts() -> Iterator[tuple[Namespace, Namespace]]:
    """A node that forwards, and a client that has all VIPs at the node's hardware address."""
    with network() as net:
        node, client = net.add("node"), net.add("client")
        net.veth(node, "eth0", client, "eth0")
        node.sysctl("net/ipv4/ip_forward", 1)
        node.sysctl("net/ipv6/conf/all/forwarding", 1)
        for number, each in enumerate((node, client), 1):
            each.ip(f"addr add 192.0.2.{number}/24 dev eth0")
            each.ip(f"addr add 2001:db8::{number}/64 dev eth0")
        for vip in VIPS:
            client.ip(f"neigh replace {vip} lladdr {node.mac('eth0').hex(':')} dev eth0")
        yield node, client


def forwards(hosts: tuple[Namespace, Namespace], vip: object) -> bool:
    """Tell whether the node looks for `vip` on the LAN when the client pings it."""
    node, client = hosts
    node.ip("neigh flush dev eth0")
    ping(client, str(vip), 0.05)
    return str(vip) in node.ip("neigh show dev eth0 nud all").split()


def ping(client: Namespace, address: str, wait: float) -> bool:
    """Send one echo request, and tell whether `address` answers within `wait` seconds."""
    new = ":" in address
    request = struct.pack("!BBHHH", *((128, 0, 0) if new else (8, 0, 0xF7FE)), 1, 0)
    with client.entered():
        family, kind = (
            (socket.AF_INET6, socket.IPPROTO_ICMPV6) if new else (socket.AF_INET, socket.IPPROTO_ICMP)
        )
        raw = socket.socket(family, socket.SOCK_RAW, kind)
    with raw:
        raw.sendto(request, (address, 0))
        end = time.monotonic() + wait
        while (left := end - time.monotonic()) > 0:
            raw.settimeout(left)
            with suppress(TimeoutError):
                data, (source, *_) = raw.recvfrom(2048)
                if source == address and data[0 if new else 20] in (0, 129):
                    return True
    return False


def dropping(dropper: EchoDropper, node: Namespace, *vips: object, link: str = "eth0") -> None:
    index = int(node.ip(f"-o link show dev {link}").partition(":")[0])
    with node.entered():
        dropper.want([index], [vip for vip in VIPS if vip in vips])


def test_pings_of_exactly_these_addresses_are_left_alone(hosts: tuple[Namespace, Namespace]) -> None:
    node, client = hosts
    dropper = EchoDropper()
    assert all(forwards(hosts, vip) for vip in VIPS), "the kernel forwards what it does not hold"
    dropping(dropper, node, VIPS[0], VIPS[2])
    assert [forwards(hosts, vip) for vip in VIPS] == [False, True, False, True]
    dropping(dropper, node, *VIPS)
    assert not any(forwards(hosts, vip) for vip in VIPS)
    assert ping(client, "192.0.2.1", 5.0)
    assert ping(client, "2001:db8::1", 5.0)
    dropping(dropper, node, *VIPS, link="lo")
    assert all(forwards(hosts, vip) for vip in VIPS), "on that link nobody else answers"
    dropping(dropper, node, *VIPS)
    dropping(dropper, node, VIPS[1], VIPS[3])
    assert [forwards(hosts, vip) for vip in VIPS] == [True, False, True, False]
    with node.entered():
        dropper.close()
    assert all(forwards(hosts, vip) for vip in VIPS)


@pytest.mark.skipif(shutil.which("nft") is None, reason="nft is not installed")
def test_people_can_read_the_tables_and_nothing_stays(hosts: tuple[Namespace, Namespace]) -> None:
    node, _ = hosts
    dropper = EchoDropper()
    dropping(dropper, node, *VIPS)
    listed = until(lambda: node.run("nft", "list", "ruleset"), "there are tables")
    assert all(str(vip) in listed for vip in VIPS)
    assert "icmp type echo-request" in listed
    assert '"eth0"' in listed
    with node.entered():
        dropper.close()
    assert "roost" not in node.run("nft", "list", "ruleset")


def test_without_the_right_it_is_said_once(
    hosts: tuple[Namespace, Namespace], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("roost.runtime.nftables.NfTables.replace", refuse)
    dropper = EchoDropper()
    for vip in VIPS:
        dropping(dropper, hosts[0], vip)
    (said,) = caplog.records
    assert "CAP_NET_ADMIN" in said.getMessage()

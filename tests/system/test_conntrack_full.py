"""The kernel's table of connections is full: told with a count, and what is passed on goes past it."""

import contextlib
import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.system.connections import Connections, serve
from tests.system.netns import NETNS, Namespace
from tests.system.speakers import Lan, lan
from tests.system.test_doctor import doctor
from tests.system.test_drain import roost
from tests.system.test_problems import named

from roost.runtime.netlink import REQUEST, NetlinkSocket, attribute, message, nested
from roost.runtime.tracked import room

pytestmark = NETNS

VIP, VIP6 = "192.0.2.200", "2001:db8::200"
NEW = 1 << 8  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW
CREATE = 0x400  # NLM_F_CREATE
STATUS = 1 << 1 | 1 << 2 | 1 << 3  # IPS_SEEN_REPLY, IPS_ASSURED (nothing pushes it out), IPS_CONFIRMED
BATCH = 256


def fill(node: Namespace) -> None:
    """Let the kernel track as many flows there as it can: the limit is the machine's, the table is not."""
    with node.entered(), closing(NetlinkSocket(12)) as asking:
        table = room()
        assert table is not None
        if table.most > 300_000:
            pytest.skip(f"filling a table of {table.most} takes too long")
        for begin in range(0, table.most, BATCH):
            with contextlib.suppress(OSError):  # the last ones find no room
                asking.transact(flow(number) for number in range(begin, begin + BATCH))


def flow(number: int) -> bytes:
    """A message that makes a flow of UDP between documentation addresses."""
    one, other = socket.inet_aton("198.51.100.1"), struct.pack("!I", 0xCB007100 | number >> 16)
    port = struct.pack("!H", number & 0xFFFF)
    body = struct.pack("!BBH", socket.AF_INET, 0, 0)
    for kind, (source, target) in ((1, (one, other)), (2, (other, one))):
        ports = (attribute(2, port), attribute(3, port))
        body += nested(
            kind,
            nested(1, attribute(1, source), attribute(2, target)),
            nested(2, attribute(1, b"\x11"), *ports),
        )
    body += attribute(7, struct.pack("!I", 600)) + attribute(3, struct.pack("!I", STATUS))
    return message(NEW, REQUEST | CREATE, body)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Lan]:
    with lan(tmp_path, 2) as made:
        made.configure([{"name": "web", "addresses": [VIP, VIP6]}], profile="default")
        for speaker in made.speakers:
            serve(speaker.namespace)
            speaker.namespace.run("nft", "add table inet wall")
            speaker.namespace.run("nft", "add chain inet wall in { type filter hook input priority 0; }")
            speaker.namespace.run("nft", "add rule inet wall in ct state invalid counter")  # so it tracks
        made.start()
        made.answered_once([VIP])
        yield made


def test_it_is_told_with_what_was_dropped_and_passing_on_goes_past_it(nodes: Lan) -> None:
    holder = nodes.leader(VIP)
    (successor,) = (each for each in nodes.speakers if each is not holder)
    connections = Connections(nodes.client, [VIP, VIP6] * 10)
    fill(successor.namespace)
    with nodes.client.entered(), socket.socket(socket.AF_INET, socket.SOCK_STREAM) as lost:
        lost.settimeout(0.5)
        with pytest.raises(TimeoutError):
            lost.connect((successor.address, 8080))
    roost(holder, "drain", holder.name, "--deadline", "0.5")
    nodes.leader(VIP, among=[successor])
    named(successor, "conntrack full", "packets were dropped for want of room")
    (finding,) = (
        each
        for each in doctor(successor.namespace, "--socket", str(successor.socket))["findings"]
        if each["kind"] == "conntrack full" and "nf_conntrack_max = " in each["evidence"]
    )
    assert int(finding["evidence"].rpartition(" ")[2]) > 0
    assert nodes.answerers(VIP) == nodes.answerers(VIP6) == {successor.name}
    assert connections.broken() == []
    assert not [each for each in holder.status()["problems"] if each["kind"] == "conntrack full"]

"""Questions to hosts, on real packet sockets."""

import asyncio
import socket
import time
from ipaddress import ip_interface

import pytest
from tests.system.netns import NETNS, network

from roost.membership.probes import Probes
from roost.model.address import IPAddress
from roost.model.link import Link
from roost.protocols.witness.voice import ProbeKind

pytestmark = NETNS

OWN, OTHER = ip_interface("192.0.2.11/24"), ip_interface("192.0.2.12/24")


@pytest.mark.parametrize("kind", [ProbeKind.ECHO, ProbeKind.ARP])
async def test_hosts_are_asked_where_there_is_no_peer_to_ask(kind: ProbeKind) -> None:
    answers: list[tuple[IPAddress, bytes, ProbeKind]] = []
    with network() as net:
        one, other = net.add("n1"), net.add("n2")
        net.lan(one, other)
        for node, address in ((one, OWN), (other, OTHER)):
            node.ip(f"addr add {address} dev eth0")
        with one.entered():
            index, mac = socket.if_nametoindex("eth0"), one.mac("eth0")
            link = Link(
                index,
                "eth0",
                mac,
                up=True,
                carrier=True,
                broadcast=True,
                no_arp=False,
                loopback=False,
                addresses=(OWN,),
            )
            probes = Probes(lambda _, address, mac, how, __: answers.append((address, mac, how)))
            probes.use([link])
            probes.listen(())
            until = time.monotonic() + 5
            while not answers and time.monotonic() < until:
                probes.ask_hosts([(OTHER.ip, other.mac("eth0"))], kind, 1)
                await asyncio.sleep(0.02)
                probes.drain()
            probes.close()
        assert answers[0] == (OTHER.ip, other.mac("eth0"), kind)

"""`virtualMac`: the hardware address stays the same whoever leads, and traffic to it arrives."""

import signal
import socket
import sys
from pathlib import Path

import pytest
from tests.interop.vrrp.lan import service, vrrp_lan
from tests.system.netns import NETNS, Namespace
from tests.system.speakers import until

pytestmark = NETNS

VIPS = ["192.0.2.151", "2001:db8::151"]
MACS = ["00:00:5e:00:01:33", "00:00:5e:00:02:33"]

SERVER = """
import socket, sys
listener = socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    connection.sendall(sys.argv[1].encode())
    connection.close()
"""


def serve(namespace: Namespace, name: str) -> None:
    child = namespace.spawn(sys.executable, "-c", SERVER, name)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"


def served_by(client: Namespace, address: str) -> str:
    with client.entered():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
    with connection:
        connection.settimeout(1)
        connection.connect((address, 80))
        return connection.recv(16).decode()


def served(client: Namespace, address: str, name: str) -> None:
    until(lambda: served_by(client, address) == name, f"{name} serves {address}", 5)


def neighbour(client: Namespace, address: str) -> str:
    words = client.ip(f"neigh show {address} dev eth0").split()
    return words[words.index("lladdr") + 1] if "lladdr" in words else ""


@pytest.mark.parametrize("responder", ["auto", "packet"])
def test_traffic_follows_the_virtual_hardware_address(tmp_path: Path, responder: str) -> None:
    with vrrp_lan(tmp_path) as lan:
        client = lan.lan.client
        for number in (1, 2):
            serve(lan.lan.speakers[number - 1].namespace, f"n{number}")
        announce = {"responder": responder}
        second = lan.roost(2, service(51, VIPS, 100, virtualMac=True), announce=announce)
        until(lambda: second.answering() == set(VIPS), "n2 leads, alone")
        for address in VIPS:
            served(client, address, "n2")
        assert [neighbour(client, each) for each in VIPS] == MACS
        first = lan.roost(1, service(51, VIPS, 150, virtualMac=True), announce=announce)
        until(lambda: first.answering() == set(VIPS) and not second.answering(), "n1 takes over")
        for address in VIPS:
            served(client, address, "n1")
        assert [neighbour(client, each) for each in VIPS] == MACS
        if responder == "packet":
            return  # whose answers, not what becomes of the macvlan, are another's
        first.signal(signal.SIGTERM)
        until(lambda: second.answering() == set(VIPS), "n2 leads again")
        assert first.wait() == 0
        for address in VIPS:
            served(client, address, "n2")
        assert "roost" not in first.namespace.ip("-br link show"), "nothing is left behind"
        assert [neighbour(client, each) for each in VIPS] == MACS

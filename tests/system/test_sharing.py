"""One address on many nodes: each client has one of them, and a node that goes moves its own clients."""

import signal
import socket
import time
from pathlib import Path

import pytest
from tests.system.connections import Connections, serve
from tests.system.crowd import Crowd, crowd
from tests.system.netns import NETNS, Namespace
from tests.system.pinging import echo
from tests.system.speakers import Lan, Speaker, heard_by, lan, until
from tests.system.test_drain import roost

pytestmark = NETNS

VIPS = ["192.0.2.200", "2001:db8::200"]
SHARED = {"name": "echo", "addresses": VIPS, "sharing": "per-client"}
COUNT = 12


def start(nodes: Lan, **more: object) -> None:
    nodes.configure([SHARED], profile="default", **more)
    nodes.start()
    until(lambda: all(speaker.answering() == set(VIPS) for speaker in nodes.running()), "all nodes answer")
    time.sleep(0.5)  # until each has heard the others


def settled(clients: Crowd) -> dict[int, str]:
    """Who answers each client, once each has one."""
    clients.ping(0.3)
    seen = clients.ping(0.5)
    assert all(len(each.who) == 1 for each in seen), [each.who for each in seen]
    return {number: each.who[0] for number, each in enumerate(seen)}


@pytest.mark.parametrize("responder", ["auto", "packet"])
@pytest.mark.parametrize("address", VIPS)
def test_each_client_is_answered_once_and_keeps_its_node(
    tmp_path: Path, address: str, responder: str
) -> None:
    with lan(tmp_path) as nodes, echo(nodes):
        start(nodes, announce={"responder": responder})
        clients = crowd(nodes.net, nodes, COUNT, address)
        macs = {speaker.namespace.mac("eth0"): speaker.name for speaker in nodes.speakers}

        def agrees() -> bool:
            """A node of a busy machine may be stood in for at times."""
            clients.forget()
            answered = [answers(client, address, macs) for client in clients.clients]
            seen = clients.ping(0.5)
            return [each.who for each in seen] == answered and all(len(names) == 1 for names in answered)

        until(agrees, "each client is answered by one node, and uses that", 30.0)
        assert len(set(settled(clients).values())) > 1


def test_a_node_that_is_cut_moves_its_clients_and_nobody_else(tmp_path: Path) -> None:
    with lan(tmp_path) as nodes, echo(nodes):
        start(nodes)
        clients = crowd(nodes.net, nodes, COUNT, VIPS[0])
        before = settled(clients)
        victim = nodes.speakers[0]
        seen = clients.ping(4.5, then=lambda: nodes.cut(victim))
        for number, each in enumerate(seen):
            if before[number] == victim.name:
                assert each.who[-1] != victim.name
                assert each.longest < 4.0, "it was told: to find out by itself takes a kernel 5 s and more"
            else:
                assert (each.who, each.lost) == ([before[number]], 0)
        nodes.heal(victim)
        nodes.whole()
        after = clients.ping(1.5)
        assert all(each.lost == 0 and len(each.who) == 1 for each in after), "who comes back moves nobody"
        assert victim.name not in clients.by_node(after)


def test_planned_moves_break_no_connection_and_lose_no_packet(tmp_path: Path) -> None:
    with lan(tmp_path) as nodes, echo(nodes):
        for speaker in nodes.speakers:
            serve(speaker.namespace)
        start(nodes)
        clients = crowd(nodes.net, nodes, COUNT, VIPS[0])
        before = settled(clients)
        held = [Connections(client, VIPS) for client in clients.clients[:6]]
        victim = next(each for each in nodes.speakers if each.name == before[0])
        moved = clients.ping(2.5, then=lambda: drain(victim))
        assert sum(each.lost for each in moved) == 0
        assert victim.name not in clients.by_node(moved)
        roost(victim, "drain", victim.name, "--undo")
        until(lambda: victim.answering() == set(VIPS), "it shares again")

        def found_again() -> bool:
            """Whom the table gives to the node that is back finds it, connections and all."""
            clients.forget()
            return clients.by_node(clients.ping(0.5))[victim.name] > 0

        until(found_again, "a client uses the node that is back")
        clients.ping(1.5)
        leaver = next(each for each in nodes.speakers if each is not victim)
        left = clients.ping(2.5, then=lambda: leaver.signal(signal.SIGTERM))
        assert leaver.wait() == 0
        assert sum(each.lost for each in left) == 0
        assert [connection.broken() for connection in held] == [[]] * len(held)


def test_a_node_that_hangs_is_stood_in_for(tmp_path: Path) -> None:
    """New clients find another one; those that it has keep it, whose kernel serves them."""
    with lan(tmp_path) as nodes, echo(nodes):
        start(nodes)
        clients = crowd(nodes.net, nodes, COUNT, VIPS[0])
        before = settled(clients)
        victim = nodes.speakers[1]
        macs = {speaker.namespace.mac("eth0"): speaker.name for speaker in nodes.speakers}
        its = next(number for number, name in before.items() if name == victim.name)
        victim.signal(signal.SIGSTOP)
        try:
            until(
                lambda: set(answers(clients.clients[its], VIPS[0], macs)) - {victim.name},
                "another node answers its asker",
                3.0,
            )
        finally:
            victim.signal(signal.SIGCONT)
        until(lambda: answers(clients.clients[its], VIPS[0], macs) == [victim.name], "it answers again")


def test_nobody_is_told_by_broadcast(tmp_path: Path) -> None:
    with lan(tmp_path, 2) as nodes:
        with nodes.client.entered():
            heard = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        heard.bind(("eth0", 0))
        start(nodes)
        nodes.speakers[0].signal(signal.SIGTERM)
        nodes.speakers[0].wait()
        time.sleep(0.5)
        heard.setblocking(False)
        claims = []
        with heard:
            while True:
                try:
                    frame = heard.recv(200)
                except BlockingIOError:
                    break
                if claimed := _claims(frame):
                    claims.append(claimed)
    assert claims == []


def _claims(frame: bytes) -> str:
    """Return the shared address that a frame to a group says is at its sender, or ""."""
    if not frame[0] & 1:
        return ""
    if frame[12:14] == b"\x08\x06" and frame[28:32] == socket.inet_aton(VIPS[0]):
        return VIPS[0]
    address = socket.inet_pton(socket.AF_INET6, VIPS[1])
    return (
        VIPS[1] if frame[12:14] == b"\x86\xdd" and frame[54:55] == b"\x88" and frame[62:78] == address else ""
    )


def drain(node: Speaker) -> None:
    roost(node, "drain", node.name, "--deadline", "1")


def answers(client: Namespace, address: str, macs: dict[bytes, str]) -> list[str]:
    """Ask everybody from a client's own hardware address; return the names of all that answer."""
    heard = heard_by(client, address, 0.15)
    return sorted(macs[mac] for mac in heard if mac in macs)

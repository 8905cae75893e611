"""Open TCP connections through real kube-proxies outlive the restart of the leading speaker."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.cluster.api import until
from tests.cluster.nodes import KubeLan, kube_lan
from tests.system.connections import PORT, Connections, serve
from tests.system.netns import NETNS
from tests.system.pinging import client
from tests.system.speakers import Speaker

pytestmark = [*NETNS, pytest.mark.timeout(300)]

COUNT = 100


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[KubeLan]:
    with kube_lan(tmp_path) as made:
        made.start_controller()
        made.start_proxies()
        made.gossip()
        made.start()
        made.api.pool("pool", "192.0.2.200-192.0.2.220")
        made.api.advertisement("everywhere")
        for pod in made.pods.values():
            serve(pod)
        yield made


def service(lan: KubeLan) -> str:
    """Make a Service of the TCP echo on all nodes; return its address once every proxy knows it."""
    port = {"name": "echo", "port": PORT, "protocol": "TCP", "targetPort": PORT}
    lan.api.service("web", ports=[port])
    lan.endpoints("web", *range(1, len(lan.speakers) + 1))
    path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/web-1"
    lan.api.patch(path, {"ports": [{"name": "echo", "port": PORT, "protocol": "TCP"}]})
    address = str(until(lambda: lan.api.ingress("web"), "it has an address")[0])

    def proxied(speaker: Speaker) -> bool:
        rules = speaker.namespace.run("nft", "list", "table", "ip", "kube-proxy")
        return address in rules and f"198.51.100.1:{PORT}" in rules.replace(" . ", ":")

    until(lambda: all(proxied(each) for each in lan.speakers), "the proxies know it")
    return address


def test_connections_survive_the_restart_of_the_leading_speaker(lan: KubeLan) -> None:
    vip = service(lan)
    leader = lan.leader(vip)
    lan.settle_on(vip, {leader.name})
    before = Connections(lan.client, [vip] * COUNT, 0.2)
    leader.signal(signal.SIGTERM)
    assert leader.wait() == 0
    successor = lan.leader(vip)
    lan.settle_on(vip, {successor.name})
    between = Connections(lan.client, [vip] * COUNT, 0.2)
    leader.start()
    lan.settle_on(vip, {leader.name})
    after = Connections(lan.client, [vip] * COUNT, 0.2)
    assert (before.broken(), between.broken(), after.broken()) == ([], [], []), successor.text()


def test_flows_of_udp_stay_with_their_pods(lan: KubeLan, tmp_path: Path) -> None:
    vip = lan.echo_service("udp")
    leader = lan.leader(vip)
    lan.settle_on(vip, {leader.name})
    with ExitStack() as stack:
        clients = []
        for number in range(5):
            folder = tmp_path / str(number)
            folder.mkdir()
            clients.append(stack.enter_context(client(lan, folder, vip, 0.05)))
        time.sleep(4)  # after 2 s both ways conntrack takes them for flows that last
        before = [each.answered_by() for each in clients]
        leader.signal(signal.SIGTERM)
        assert leader.wait() == 0
        lan.settle_on(vip, {lan.leader(vip).name})
        time.sleep(1)
        assert [each.answered_by() for each in clients] == before
        for each in clients:
            each.finish()

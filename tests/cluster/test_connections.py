"""Open TCP connections through real kube-proxies outlive the restart of the leading speaker."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.api import until
from tests.cluster.nodes import KubeLan, kube_lan
from tests.system.connections import PORT, Connections, serve
from tests.system.netns import NETNS
from tests.system.pinging import client
from tests.system.routed import behind_a_router
from tests.system.speakers import Speaker
from tests.system.test_drain import roost

pytestmark = [*NETNS, pytest.mark.timeout(300)]

COUNT = 100


@pytest.fixture(params=["nftables", "iptables"])
def lan(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[KubeLan]:
    """Three nodes whose kube-proxies run in one mode, then in the other."""
    with kube_lan(tmp_path) as made:
        made.start_controller()
        made.start_proxies(request.param)
        made.gossip()
        made.start()
        made.api.pool("pool", "192.0.2.200-192.0.2.220", "2001:db8::200/124")
        made.api.advertisement("everywhere")
        for pod in made.pods.values():
            serve(pod)
        yield made


def service(lan: KubeLan) -> list[str]:
    """Make a Service of the TCP echo on all nodes; return its addresses once every proxy knows them."""
    port = {"name": "echo", "port": PORT, "protocol": "TCP", "targetPort": PORT}
    dual: dict[str, Any] = {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"]}
    lan.api.service("web", ports=[port], **dual)
    lan.endpoints_of_both("web", *range(1, len(lan.speakers) + 1))
    path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    for name in ("web-1", "web-6"):
        lan.api.patch(f"{path}/{name}", {"ports": [{"name": "echo", "port": PORT, "protocol": "TCP"}]})
    found: list[str] = until(lambda: len(ips := lan.api.ingress("web")) == 2 and ips, "it has addresses")
    until(lambda: all(proxied(each, found) for each in lan.speakers), "the proxies know them")
    return found


def proxied(speaker: Speaker, addresses: list[str]) -> bool:
    """Whether each address is sent to some pod by rules of either kind."""
    rules = speaker.namespace.run("nft", "list", "ruleset").replace(" . ", ":")
    rules += "".join(speaker.namespace.run(f"{each}-save", "-t", "nat") for each in ("iptables", "ip6tables"))
    pods = (f"198.51.100.1:{PORT}", f"2001:db8:51::1]:{PORT}", f"2001:db8:51::1:{PORT}")
    return (
        all(each in rules for each in addresses)
        and pods[0] in rules
        and any(each in rules for each in pods[1:])
    )


def test_connections_survive_the_restart_of_the_leading_speaker_and_its_drain(lan: KubeLan) -> None:
    """Of clients on the LAN and of such behind a router, which all have its hardware address."""
    vips = service(lan)
    clients = (lan.client, behind_a_router(lan))
    leader = lan.leader(vips[0])
    lan.settle_on(vips[0], {leader.name})

    def held() -> list[Connections]:
        return [Connections(each, vips * (COUNT // 2), 0.2) for each in clients]

    before = held()
    leader.signal(signal.SIGTERM)
    assert leader.wait() == 0
    successor = lan.leader(vips[0])
    lan.settle_on(vips[0], {successor.name})
    between = held()
    leader.start()
    until(lambda: vips[0] in leader.answering(), "it leads again", 60.0)
    lan.settle_on(vips[0], {leader.name})
    after = held()
    roost(leader, "drain", leader.name, "--deadline", "1")
    lan.settle_on(
        vips[0], {lan.leader(vips[0], among=[each for each in lan.speakers if each is not leader]).name}
    )
    told = [f"{vip}: passing on to {leader.name}: " for vip in vips]
    until(
        lambda: all(each in roost(successor, "explain", vips[0]).stdout for each in told), "explain says so"
    )
    time.sleep(4)  # who has lost an address and has no connection gives it up after 3 s
    broken = [each.broken() for each in (*before, *between, *after)]
    assert broken == [[]] * 6, successor.text() + leader.text()


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

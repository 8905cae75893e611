"""TCP and UDP through a VIP to real pods, in both families, as MetalLB's end-to-end tests have them."""

import signal
import sys

import pytest
from tests.cluster.api import until
from tests.cluster.clients import tcp, udp
from tests.cluster.nodes import KubeLan, by_hash
from tests.system.netns import NETNS, Namespace
from tests.system.speakers import Speaker

pytestmark = [*NETNS, pytest.mark.timeout(120)]

NAMES = ("n1", "n2", "n3")


def test_a_service_with_tcp_and_udp_is_reached_by_both_in_both_families(lan: KubeLan) -> None:
    addresses = lan.service_of_both("web")
    for vip in addresses:
        lan.settle_on(vip, {by_hash(addresses[0], *NAMES)[0]})
        seen = {ask(lan.client, vip) for ask in (tcp, udp) for _ in range(20)}
        assert seen <= set(NAMES)
        assert len(seen) > 1  # kube-proxy spreads over pods of all nodes


def test_local_traffic_reaches_only_pods_of_the_announcer(lan: KubeLan) -> None:
    addresses = lan.service_of_both("web", externalTrafficPolicy="Local")
    leader = lan.leader(addresses[0]).name
    for vip in addresses:
        lan.settle_on(vip, {leader})
        assert {ask(lan.client, vip) for ask in (tcp, udp) for _ in range(5)} == {leader}


def test_an_address_of_two_services_with_backends_on_two_nodes(lan: KubeLan) -> None:
    """One node announces for both, and each has its own pods, in both families."""
    key = {"metallb.io/allow-shared-ip": "k"}
    ports = {name: [{"name": name, "port": 7, "protocol": name.upper()}] for name in ("tcp", "udp")}
    one = lan.service_of_both("one", 1, annotations=key, ports=ports["tcp"])
    other = lan.service_of_both("two", 2, annotations=key, ports=ports["udp"])
    assert one == other
    leader = by_hash(one[0], *NAMES)[0]
    for vip in one:
        lan.settle_on(vip, {leader})
        assert {tcp(lan.client, vip) for _ in range(4)} == {"n1"}
        assert {udp(lan.client, vip) for _ in range(4)} == {"n2"}
    until(lambda: [each["node"] for each in lan.told("one") + lan.told("two")] == [leader] * 2, "both told")


def test_tcp_goes_on_through_the_next_node_after_the_leaders_death(lan: KubeLan) -> None:
    addresses = lan.service_of_both("web")
    leader = lan.leader(addresses[0])
    others = [at for at, speaker in enumerate(lan.speakers, 1) if speaker is not leader]
    lan.endpoints_of_both("web", *others)
    lan.cut(leader)
    second = by_hash(addresses[0], *(f"n{at}" for at in others))[0]
    for vip in addresses:
        lan.settle_on(vip, {second})

        def reached(vip: str = vip) -> bool:
            return {tcp(lan.client, vip) for _ in range(6)} <= {f"n{at}" for at in others}

        until(reached, "new connections work, once kube-proxy has left out the dead node's pod")
    until(lambda: [each["node"] for each in lan.told("web")] == [second], "ServiceL2Status says so")
    lan.heal(leader)
    lan.endpoints_of_both("web", 1, 2, 3)
    for vip in addresses:
        lan.settle_on(vip, {leader.name})
        assert tcp(lan.client, vip) in NAMES
    until(lambda: [each["node"] for each in lan.told("web")] == [leader.name], "and again")


def test_metrics_in_both_families_and_after_deletion(lan: KubeLan) -> None:
    for speaker in lan.running():
        speaker.signal(signal.SIGTERM)
        speaker.wait()
    lan.start("--metallb-metrics")
    try:
        addresses = lan.service_of_both("web")
        leader = lan.leader(addresses[0])
        for vip in addresses:
            lan.settle_on(vip, {leader.name})
            tcp(lan.client, vip)
        labels = 'ip="{}",node="{}",protocol="layer2",service="default/web"'
        for speaker in lan.speakers:
            text = scraped(speaker.namespace)
            for vip in addresses:
                announced = f"metallb_speaker_announced{{{labels.format(vip, leader.name)}}} 1.0" in text
                assert announced == (speaker is leader)
                if speaker is leader:
                    for name in ("requests_received", "responses_sent", "gratuitous_sent"):
                        assert float(sample(text, f'metallb_layer2_{name}{{ip="{vip}"}}')) >= 1
        lan.api.delete("/api/v1/namespaces/default/services/web")
        lan.settle_on(addresses[0], set())
        until(lambda: not any(vip in announced_by(leader) for vip in addresses), "it is announced no more")
    finally:
        for speaker in lan.running():
            speaker.signal(signal.SIGTERM)
            speaker.wait()
        lan.start()


def announced_by(speaker: Speaker) -> list[str]:
    lines = scraped(speaker.namespace).splitlines()
    return [line for line in lines if line.startswith("metallb_speaker_announced{")]


def sample(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(name)).rpartition(" ")[2]


def scraped(node: Namespace) -> str:
    script = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9120/metrics').read().decode())"
    return node.run(sys.executable, "-c", script)

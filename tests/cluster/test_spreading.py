"""`roost.io/sharing: connection` through real kube-proxies: one node answers a router, all take connections.

Which node took one is read off the wire: the hardware address from which the router hears the answers.
"""

import signal
import socket
import time
from collections import defaultdict
from collections.abc import Iterator
from ipaddress import ip_address
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

import pytest
from tests.cluster.api import until
from tests.cluster.nodes import KubeLan, kube_lan
from tests.cluster.test_connections import proxied
from tests.system.flows import PORT, Flows, ask, disturb, serve
from tests.system.netns import NETNS, Namespace
from tests.system.routed import router_and_client
from tests.system.speakers import Speaker
from tests.system.test_drain import roost

pytestmark = [*NETNS, pytest.mark.timeout(300)]

NAMES = {"n1", "n2", "n3"}
SHARING = {"roost.io/sharing": "connection"}


class Replies:
    """Hears, while the block lasts, from which nodes' hardware addresses the router gets answers."""

    def __init__(self, router: Namespace, speakers: list[Speaker]) -> None:
        self._names = {each.namespace.mac("eth0"): each.name for each in speakers}
        # (service address, the client's port) -> nodes: two addresses may be asked from one port
        self.by_flow: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
        with router.entered():
            self._wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._wire.bind(("eth0", 3))
        self._wire.settimeout(0.1)
        self._stop = Event()
        self._thread = Thread(target=self._hear, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._wire.close()

    @property
    def nodes(self) -> set[str]:
        return set().union(*self.by_flow.values())

    def _hear(self) -> None:
        while not self._stop.is_set():
            try:
                frame, (_, _, kind, *_) = self._wire.recvfrom(2048)
            except OSError:  # nothing for a while, or the link is not up yet
                continue
            if frame[12:14] == b"\x86\xdd":
                protocol, source, at = frame[20], frame[22:38], 54
            else:
                protocol, source, at = frame[23], frame[26:30], 34
            ports = frame[at : at + 4]
            if kind != socket.PACKET_OUTGOING and protocol in (6, 17) and ports[:2] == PORT.to_bytes(2):
                flow = str(ip_address(source)), int.from_bytes(ports[2:])
                self.by_flow[flow].add(self._names.get(frame[6:12], "?"))


class Behind(KubeLan):
    """That cluster with a client behind a router."""

    router: Namespace
    far: Namespace

    def wire(self) -> None:
        self.router, self.far = router_and_client(self)
        for number, pod in self.pods.items():
            serve(pod, f"n{number}", f"198.51.100.{number}", f"2001:db8:51::{number}")

    def spread(self, *nodes: int, **spec: Any) -> list[str]:
        """Make the Service; return its addresses once its connections are spread over all its nodes."""
        ports = [
            {"name": each, "port": PORT, "protocol": each.upper(), "targetPort": PORT}
            for each in ("tcp", "udp")
        ]
        dual = {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"]}
        self.api.service("web", annotations=SHARING, ports=ports, **(dual | spec))
        self.serve_on(*(nodes or (1, 2, 3)))
        found: list[str] = until(lambda: len(ips := self.api.ingress("web")) == 2 and ips, "it has addresses")
        until(lambda: all(proxied(each, found) for each in self.speakers), "the proxies know them")
        self.spread_over({f"n{each}" for each in nodes} or NAMES)
        until(lambda: all(set(ask(self.far, vip, 6)) <= NAMES for vip in found), "they are reached")
        return found

    def serve_on(self, *nodes: int) -> None:
        self.endpoints_of_both("web", *nodes)
        path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
        ports = [{"name": each, "port": PORT, "protocol": each.upper()} for each in ("tcp", "udp")]
        for name in ("web-1", "web-6"):
            self.api.patch(f"{path}/{name}", {"ports": ports})

    def parts(self) -> dict[str, dict[str, float]]:
        seen = {each.name: each.status()["services"] for each in self.running()}
        return {name: each[0]["shares"] if each else {} for name, each in seen.items()}

    def spread_over(self, names: set[str]) -> None:
        """Wait until all running speakers spread connections over exactly these nodes."""

        def so() -> bool:
            return all(
                {name for name, part in each.items() if part} == names for each in self.parts().values()
            )

        try:
            until(so, f"connections are spread over {sorted(names)}")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.parts()}") from None


@pytest.fixture(scope="module", params=["nftables", "iptables"])
def cluster(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Behind]:
    """Three nodes whose kube-proxies run in one mode, then in the other."""
    with kube_lan(tmp_path_factory.mktemp(request.param)) as made:
        made.__class__ = Behind
        assert isinstance(made, Behind)
        made.start_controller("--webhook-mode=disabled")
        made.start_proxies(request.param)
        made.gossip()
        made.start()
        made.wire()
        yield made


@pytest.fixture
def lan(cluster: Behind) -> Iterator[Behind]:
    """That cluster with a pool and one advertisement, and nothing else."""
    for _ in cluster.with_pool():
        yield cluster


def test_connections_go_to_all_nodes_and_survive_planned_moves(lan: Behind) -> None:
    """A node is drained and comes back, the leader leaves and comes back: nothing breaks, nothing moves."""
    vips = lan.spread()
    leader = lan.leader(vips[0])
    other = next(each for each in lan.speakers if each is not leader)
    with Replies(lan.router, lan.speakers) as heard:
        for vip in vips:
            for size in (0, 100):  # TCP, UDP
                heard.by_flow.clear()
                found = ask(lan.far, vip, 40, size)
                assert set(found) == NAMES, (vip, size, found)
                until(lambda: heard.nodes == NAMES, f"replies for {vip} come from all nodes")
        heard.by_flow.clear()
        held = Flows(lan.far, 30, vips)
        roost(other, "drain", other.name, "--deadline", "1")
        lan.spread_over(NAMES - {other.name})
        late = Flows(lan.far, 15, vips)  # none where it would be after the drain
        assert other.name not in set().union(*(heard.by_flow[each] for each in late.ends))
        roost(other, "drain", other.name, "--undo")
        lan.spread_over(NAMES)
        time.sleep(0.5)
        leader.signal(signal.SIGTERM)
        assert leader.wait() == 0
        lan.spread_over(NAMES - {leader.name})
        time.sleep(1)
        leader.start()
        lan.spread_over(NAMES)
        for vip in vips:
            lan.settle_on(vip, {leader.name})
        time.sleep(3)
        breaks = held.broken() + late.broken()
    assert breaks == [], "\n".join(each.text() for each in lan.speakers)
    assert [each for each in (*held.ends, *late.ends) if len(heard.by_flow[each]) != 1] == []


def test_with_local_a_node_without_endpoints_takes_no_part(lan: Behind) -> None:
    """It may come to have one, or have one no more: what others serve goes on."""
    vips = lan.spread(1, 2, externalTrafficPolicy="Local")
    for vip in vips:
        assert set(ask(lan.far, vip, 30)) == {"n1", "n2"}
        assert set(ask(lan.far, vip, 30, 100)) == {"n1", "n2"}
    held = Flows(lan.far, 20, vips)
    with Replies(lan.router, lan.speakers) as heard:
        lan.serve_on(1, 2, 3)
        lan.spread_over(NAMES)
        for vip in vips:
            assert set(ask(lan.far, vip, 40)) == NAMES
        late = Flows(lan.far, 20, vips)
        lan.serve_on(1, 3)
        lan.spread_over({"n1", "n3"})
        time.sleep(1)
        found = held.end() + late.end()
    assert [each for each in found if "broken" in each and each["node"] != "n2"] == []
    nodes = [heard.by_flow[each["address"], each["port"]] for each in found]
    assert [each for each in zip(found, nodes, strict=True) if each[1] != {each[0]["node"]}] == []


@pytest.mark.parametrize("leads", [False, True], ids=["other", "leader"])
def test_the_death_of_a_node_breaks_its_own_connections_alone(lan: Behind, leads: bool) -> None:
    vips = lan.spread(externalTrafficPolicy="Local")
    held = Flows(lan.far, 20, vips)
    leader = lan.leader(vips[0])
    victim = next(each for each in lan.speakers if (each is leader) is leads)
    lan.cut(victim)
    until(lambda: victim.name not in ask(lan.far, vips[1], 10), "its connections go to others")
    time.sleep(1)
    assert {each["node"] for each in held.broken()} == {victim.name}


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
@pytest.mark.parametrize("policy", ["Cluster", "Local"])
def test_a_leader_whose_process_hangs_or_is_killed_breaks_no_connection(
    lan: Behind, policy: str, how: signal.Signals
) -> None:
    vips = lan.spread(externalTrafficPolicy=policy)
    held = Flows(lan.far, 20, vips)
    leader = lan.leader(vips[0])
    disturb(leader, how, lambda: lan.spread_over(NAMES))
    assert held.broken() == [], "\n".join((leader.name, *(each.text() for each in lan.speakers)))

"""The controller on a real API server, with exactly the rights of the manifests."""

import contextlib
import os
import random
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from subprocess import Popen
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from tests.cluster.api import METALLB, NAMESPACE, Client, missing, prepare, roost, until

from roost.lab.control_plane import ControlPlane

pytestmark = pytest.mark.timeout(180)

SERVICES = "/api/v1/namespaces/default/services"


class Bench:
    """An API server, its administrator, and controllers to start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.control = ControlPlane(
            folder / "control",
            port=_free_port(),
            accounts={"roost-controller": "", "roost-speaker": "", "metallb-controller": ""},
        )
        self.control.start()
        self.api = Client(self.control.kubeconfig())
        prepare(self.api)

    def controller(
        self, *options: str, name: str = "controller", account: str = "roost-controller"
    ) -> AbstractContextManager[Popen[bytes]]:
        quiet = ("--port=0", "--health-probe-port=0", "--webhook-mode=disabled")
        return roost(
            *("controller", *quiet, *options),
            kubeconfig=self.control.kubeconfig(account),
            log=self.log(name),
        )

    def log(self, name: str = "controller") -> Path:
        return self.folder / f"{name}.log"


def _free_port() -> int:
    """Return the first of three ports that nobody uses, below those that the kernel gives to clients."""
    while True:
        first = 20_000 + 3 * random.randrange(3000)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in (first, first + 1, first + 2):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("controller"))
    yield bench
    bench.control.stop()


@pytest.fixture
def bench(cluster: Bench) -> Iterator[Bench]:
    cluster.log().unlink(missing_ok=True)
    yield cluster
    cluster.api.empty()


def test_a_service_gets_an_address_and_gives_it_back(bench: Bench) -> None:
    api = bench.api
    api.pool("p", "192.0.2.0/30", "2001:db8::/126")
    with bench.controller():
        api.service("a")
        assert until(lambda: api.ingress("a"), "an address") == ["192.0.2.0"]
        found = api.get(f"{SERVICES}/a")
        assert found["metadata"]["annotations"] == {"metallb.io/ip-allocated-from-pool": "p"}
        assert found["metadata"]["finalizers"] == ["service.kubernetes.io/load-balancer-cleanup"]
        assert found["status"]["loadBalancer"]["ingress"] == [{"ip": "192.0.2.0", "ipMode": "VIP"}]
        event = ("IPAllocated", 'Assigned IP ["192.0.2.0"]')
        until(lambda: event in api.events("a"), "an event")
        status = {"assignedIPv4": 1, "assignedIPv6": 0, "availableIPv4": 3, "availableIPv6": 4}
        until(lambda: api.get(f"{METALLB}/ipaddresspools/p").get("status") == status, "counters")
        api.delete(f"{SERVICES}/a")
        until(lambda: missing(api, f"{SERVICES}/a"), "it is gone")
        status |= {"assignedIPv4": 0, "availableIPv4": 4}
        until(lambda: api.get(f"{METALLB}/ipaddresspools/p")["status"] == status, "counters again")


def test_a_change_of_type_takes_the_address_away_at_once_for_who_waits(bench: Bench) -> None:
    """metallb#321, #2723."""
    api = bench.api
    api.pool("p", "192.0.2.1/32")
    with bench.controller():
        api.service("first")
        until(lambda: api.ingress("first"), "an address")
        api.service("second")
        failed = 'Failed to allocate IP for "default/second": no available IPs'
        until(lambda: ("AllocationFailed", failed) in api.events("second"), "it is told")
        api.patch(f"{SERVICES}/first", {"spec": {"type": "ClusterIP"}})
        assert until(lambda: api.ingress("second"), "the address") == ["192.0.2.1"]
        metadata = api.get(f"{SERVICES}/first")["metadata"]
        assert not metadata.get("finalizers")
        assert not metadata.get("annotations")


def test_restarts_change_no_address(bench: Bench) -> None:
    api = bench.api
    api.pool("p", "192.0.2.0/29")
    with bench.controller():
        for name in "dcbaxy":
            api.service(name)
        until(lambda: all(api.ingress(name) for name in "dcbaxy"), "addresses")
    before = {name: api.ingress(name) for name in "dcbaxy"}
    api.service("new")
    with bench.controller() as process:
        until(lambda: api.ingress("new"), "the new one has one")
        assert {name: api.ingress(name) for name in "dcbaxy"} == before
        os.kill(process.pid, signal.SIGKILL)
    with bench.controller():
        api.service("newer")
        until(lambda: api.ingress("newer"), "after a crash, too")
        assert {name: api.ingress(name) for name in "dcbaxy"} == before


def test_two_replicas_take_turns(bench: Bench) -> None:
    api = bench.api
    api.pool("p", "192.0.2.0/28")
    with bench.controller(name="one") as one, bench.controller(name="two"):
        api.service("a")
        until(lambda: api.ingress("a"), "an address")
        text = {name: bench.log(name).read_text() for name in ("one", "two")}
        assert sorted("ready" in each for each in text.values()) == [False, True]
        if "ready" in text["one"]:
            one.terminate()
            one.wait(10)
        else:
            one.kill()
        api.service("b")
        assert until(lambda: api.ingress("b"), "the other one works") == ["192.0.2.1"]


def test_the_pools_decide_and_a_wrong_one_changes_nothing(bench: Bench) -> None:
    api = bench.api
    api.pool("p", "192.0.2.0/30")
    with bench.controller():
        api.service("a")
        assert until(lambda: api.ingress("a"), "an address") == ["192.0.2.0"]
        api.pool("overlapping", "192.0.2.0/24")
        until(lambda: "overlaps with already defined CIDR" in bench.log().read_text(), "it is told")
        state = f"{METALLB}/configurationstates/controller"
        until(
            lambda: api.get(state).get("status", {}).get("result") == "Invalid",
            "the ConfigurationState says so",
        )
        assert "overlaps" in api.get(state)["status"]["conditions"][0]["message"]
        api.service("b")
        assert until(lambda: api.ingress("b"), "work goes on") == ["192.0.2.1"]
        api.delete(f"{METALLB}/ipaddresspools/overlapping")
        until(lambda: api.get(state).get("status", {}).get("result") == "Valid", "all is well again")
        api.patch(f"{METALLB}/ipaddresspools/p", {"spec": {"addresses": ["198.51.100.0/30"]}})
        until(lambda: api.ingress("a") == ["198.51.100.0"], "a moves")
        until(lambda: api.ingress("b") == ["198.51.100.1"], "b moves")
        until(lambda: any(reason == "ClearAssignment" for reason, _ in api.events("a")), "it is told")
        api.delete(f"{METALLB}/ipaddresspools/p")
        until(lambda: not api.ingress("a") and not api.ingress("b"), "no pool, no address")


def test_classes_namespaces_and_sharing(bench: Bench) -> None:
    api = bench.api
    api.pool("p", "192.0.2.0/28")
    with bench.controller():
        api.service("foreign", loadBalancerClass="example.com/other")
        key = {"metallb.universe.tf/allow-shared-ip": "k"}
        api.service("tcp", annotations=key, ports=[{"port": 53, "protocol": "TCP"}])
        api.service("udp", annotations=key, ports=[{"port": 53, "protocol": "UDP"}])
        until(lambda: api.ingress("tcp") and api.ingress("tcp") == api.ingress("udp"), "one address for both")
        assert not api.ingress("foreign")
        assert not api.get(f"{SERVICES}/foreign")["metadata"].get("finalizers")
    with bench.controller("--lb-class=example.com/other"):
        until(lambda: api.ingress("foreign"), "its own controller")


def test_two_services_that_ask_for_one_address(bench: Bench) -> None:
    api = bench.api
    api.pool("p", "192.0.2.0/28")
    wanted = {"metallb.io/loadBalancerIPs": "192.0.2.7"}
    api.service("one", annotations=wanted)
    api.service("two", annotations=wanted)
    with bench.controller():
        until(lambda: api.ingress("one") or api.ingress("two"), "one of them")
        loser = "two" if api.ingress("one") else "one"
        until(lambda: any("is held by" in message for _, message in api.events(loser)), "the other is told")
        assert not api.ingress(loser)


def test_somebody_else_writing_at_the_same_time_loses_nothing(bench: Bench) -> None:
    api = bench.api
    api.pool("p", "192.0.2.0/28")
    with bench.controller():
        api.service("a")
        for at in range(20):
            api.patch(f"{SERVICES}/a", {"metadata": {"labels": {"at": str(at)}}})
        assert until(lambda: api.ingress("a"), "an address") == ["192.0.2.0"]
        assert api.get(f"{SERVICES}/a")["metadata"]["labels"] == {"at": "19"}


def test_the_api_server_away_for_a_while(bench: Bench) -> None:
    api = bench.api
    api.pool("p", "192.0.2.0/28")
    with bench.controller() as process:
        api.service("a")
        until(lambda: api.ingress("a"), "an address")
        bench.control.kill("kube-apiserver")
        time.sleep(5)
        bench.control.start_api_server()
        api.service("b")
        assert until(lambda: api.ingress("b"), "work goes on") == ["192.0.2.1"]
        assert api.ingress("a") == ["192.0.2.0"]
        assert process.poll() is None


def test_the_gossip_secret_is_made_once(bench: Bench) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets/memberlist"
    with bench.controller("--ml-secret-name=memberlist"):
        until(lambda: not missing(bench.api, path), "the Secret is there")
        until(lambda: "ready" in bench.log().read_text(), "it is up")
    first = bench.api.get(path)["data"]["secretkey"]
    with bench.controller("--ml-secret-name=memberlist"):
        until(lambda: bench.log().read_text().count("ready") == 2, "it is up again")
    assert bench.api.get(path)["data"]["secretkey"] == first


def test_a_missing_right_is_named(bench: Bench) -> None:
    quiet = ("--port=0", "--health-probe-port=0", "--webhook-mode=disabled")
    kubeconfig = bench.control.kubeconfig("roost-speaker")
    with roost("controller", *quiet, kubeconfig=kubeconfig, log=bench.log()):
        wanted = 'cannot list resource "namespaces"'
        until(lambda: wanted in bench.log().read_text(), "the log names it")
        assert "run one replica only" in bench.log().read_text()


def test_under_metallbs_own_roles_it_works_alone(bench: Bench) -> None:
    """Its ClusterRole and Role as MetalLB publishes them, as far as layer 2 needs them: no Leases."""
    bench.api.allow(
        "metallb-controller",
        [
            ("", "services namespaces", "get list watch"),
            ("", "services/status", "update"),
            ("", "events", "create patch"),
            ("metallb.io", "configurationstates", "create delete get list patch update watch"),
            ("metallb.io", "configurationstates/status", "get patch update"),
            ("metallb.io", "ipaddresspools l2advertisements communities", "get list watch"),
            ("metallb.io", "ipaddresspools/status", "update"),
            ("", "secrets", "create delete get list patch update watch"),
        ],
    )
    bench.api.pool("p", "192.0.2.0/30")
    with bench.controller("--ml-secret-name=other", account="metallb-controller"):
        bench.api.service("a")
        assert until(lambda: bench.api.ingress("a"), "an address") == ["192.0.2.0"]
        until(lambda: bench.api.events("a"), "an event")
        bench.api.delete(f"{SERVICES}/a")
        until(lambda: missing(bench.api, f"{SERVICES}/a"), "it is gone")
    assert "no leader election" in bench.log().read_text()


def test_the_way_back_takes_finalizers_off_and_nothing_else(bench: Bench) -> None:
    bench.api.pool("p", "192.0.2.0/30")
    with bench.controller():
        bench.api.service("a")
        until(lambda: bench.api.ingress("a"), "an address")
    with bench.controller("--remove-finalizers") as process:
        assert process.wait(20) == 0
    found = bench.api.get(f"{SERVICES}/a")
    assert not found["metadata"].get("finalizers")
    assert bench.api.ingress("a") == ["192.0.2.0"]
    bench.api.delete(f"{SERVICES}/a")
    assert missing(bench.api, f"{SERVICES}/a")


def test_metrics(bench: Bench) -> None:
    bench.api.pool("p", "192.0.2.0/30")
    port = _free_port()
    with bench.controller(f"--port={port}", "--metallb-metrics"):
        bench.api.service("a")
        until(lambda: bench.api.ingress("a"), "an address")
        text = urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    for line in (
        'metallb_allocator_addresses_total{pool="p"} 4.0',
        'metallb_allocator_addresses_in_use_total{pool="p"} 1.0',
        'roost_allocator_ipv4_addresses_in_use_total{pool="p"} 1.0',
        "metallb_k8s_client_config_loaded_bool 1.0",
        "metallb_k8s_client_config_stale_bool 0.0",
    ):
        assert line in text


def test_the_api_server_refuses_what_the_definitions_forbid(bench: Bench) -> None:
    def refused(**spec: Any) -> None:
        with pytest.raises(HTTPError) as caught:
            bench.api.advertisement("x", **spec)
        assert caught.value.code == 422

    refused(preferredNodeSelectors=[{"weight": 101, "preference": {}}])
    refused(preferredNodeSelectors=[{"weight": 0, "preference": {}}])
    refused(interfaces="eth0")

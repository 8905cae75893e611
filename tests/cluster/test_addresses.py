"""Which addresses Services get and keep, on a real API server: MetalLB's end-to-end cases, one each."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from tests.cluster.api import METALLB, Client, missing, until
from tests.cluster.nodes import KubeLan
from tests.system.netns import NETNS

pytestmark = [*NETNS, pytest.mark.timeout(120)]

SERVICES = "/api/v1/namespaces/default/services"
POOLS = f"{METALLB}/ipaddresspools"
DUAL: dict[str, Any] = {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4", "IPv6"]}


@pytest.fixture
def api(lan: KubeLan) -> Iterator[Client]:
    """The administrator, without any pool."""
    lan.api.delete(f"{POOLS}/pool")
    yield lan.api
    for namespace in ("first", "second"):
        if not missing(lan.api, f"/api/v1/namespaces/{namespace}"):
            lan.api.patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": {"kind": None}}})


def held(api: Client, name: str, *addresses: str) -> None:
    until(lambda: api.ingress(name) == list(addresses), f"{name} has {addresses or 'no address'}")


def refused(api: Client, name: str) -> None:
    until(lambda: "AllocationFailed" in [reason for reason, _ in api.events(name)], f"{name} is told")
    assert not api.ingress(name)


def test_a_deleted_service_leaves_its_address_to_who_waits(api: Client) -> None:
    api.pool("p", "192.0.2.1/32")
    api.service("first")
    held(api, "first", "192.0.2.1")
    api.service("second")
    refused(api, "second")
    api.delete(f"{SERVICES}/first")
    held(api, "second", "192.0.2.1")


def test_restarts_of_the_controller_swap_nothing(lan: KubeLan, api: Client) -> None:
    """Two hold the only addresses, two wait: five times the same, and the order of names does not matter."""
    api.pool("p", "192.0.2.0/31")
    for name in ("d", "c", "a", "b"):
        api.service(name)
        if name in "dc":
            until(partial(api.ingress, name), "an address")
    before = {name: api.ingress(name) for name in "dcab"}
    assert [bool(before[name]) for name in "dcab"] == [True, True, False, False]
    log = lan.folder / "controller.log"

    def ready(times: int) -> bool:
        return log.read_text().count(" ready ") >= times

    for _ in range(5):
        lan.stop_controller()
        count = log.read_text().count(" ready ")
        lan.start_controller("--webhook-mode=disabled")
        until(partial(ready, count + 1), "it works again")
        assert {name: api.ingress(name) for name in "dcab"} == before


def test_a_shared_address_is_lost_and_regained_by_policy_and_selector(api: Client) -> None:
    api.pool("p", "192.0.2.1/32")
    key = {"metallb.io/allow-shared-ip": "k"}
    for name, port in (("one", 80), ("two", 81)):
        api.service(name, annotations=key, ports=[{"port": port}], selector={"app": "same"})
        held(api, name, "192.0.2.1")

    def change(name: str, **spec: Any) -> None:
        api.patch(f"{SERVICES}/{name}", {"spec": spec})

    change("two", externalTrafficPolicy="Local")
    held(api, "two")
    held(api, "one", "192.0.2.1")
    change("one", externalTrafficPolicy="Local")  # the same pods: both may
    held(api, "two", "192.0.2.1")
    held(api, "one", "192.0.2.1")
    change("one", selector={"app": "other"})
    until(lambda: len(api.ingress("one")) + len(api.ingress("two")) == 1, "one of them loses it")
    change("two", selector={"app": "other"})
    for name in ("one", "two"):
        held(api, name, "192.0.2.1")


def test_a_deleted_pools_service_goes_to_the_next_pool(api: Client) -> None:
    api.pool("p", "192.0.2.1/32", serviceAllocation={"priority": 1, "namespaces": ["default"]})
    api.pool("q", "198.51.100.1/32")
    api.service("a")
    held(api, "a", "192.0.2.1")
    api.delete(f"{POOLS}/p")
    held(api, "a", "198.51.100.1")


def test_pools_by_namespace_label_and_priority(api: Client) -> None:
    here = {"namespaces": ["default"]}
    front = {"serviceSelectors": [{"matchLabels": {"tier": "front"}}]}
    api.pool("p30", "192.0.2.30/32", serviceAllocation=here)
    api.pool("p20", "192.0.2.20/32", serviceAllocation=here | {"priority": 20})
    api.pool("p10", "192.0.2.10/32", serviceAllocation=front | {"priority": 10})
    api.pool("elsewhere", "192.0.2.40/32", serviceAllocation={"namespaces": ["kube-system"], "priority": 1})
    api.pool("rest", "192.0.2.50/32")
    expected = iter(("192.0.2.20", "192.0.2.30", "192.0.2.50"))
    for name in ("a", "b", "c"):
        api.service(name)
        held(api, name, next(expected))
    body = {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": "d"}}
    api.create(SERVICES, {"metadata": {"name": "d", "labels": {"tier": "front"}}, "spec": body})
    held(api, "d", "192.0.2.10")


def test_a_namespace_relabelled_while_running_gets_another_pool(api: Client) -> None:
    for name in ("first", "second"):
        if missing(api, f"/api/v1/namespaces/{name}"):
            api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    api.patch("/api/v1/namespaces/first", {"metadata": {"labels": {"kind": "a"}}})
    by_kind = {kind: {"namespaceSelectors": [{"matchLabels": {"kind": kind}}]} for kind in "ab"}
    api.pool("a", "192.0.2.10/32", serviceAllocation=by_kind["a"] | {"priority": 10})
    api.pool("b", "192.0.2.20/30", serviceAllocation=by_kind["b"] | {"priority": 5})
    api.pool("rest", "192.0.2.48/29")
    path = "/api/v1/namespaces/first/services"

    def make(name: str) -> str:
        spec = {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": name}}
        api.create(path, {"metadata": {"name": name}, "spec": spec})
        return str(until(lambda: ingress(name), f"{name} has an address")[0]["ip"])

    def make_one_more() -> str:
        return make(f"more{len(api.items(path))}")

    def ingress(name: str) -> Any:
        return api.get(f"{path}/{name}")["status"]["loadBalancer"].get("ingress")

    try:
        assert make("one") == "192.0.2.10"
        assert make("two") == "192.0.2.48"  # its pool is full: one for all
        api.patch("/api/v1/namespaces/first", {"metadata": {"labels": {"kind": "b"}}})
        until(lambda: make_one_more().startswith("192.0.2.2"), "new Services get the other pool's")
        assert ingress("one")[0]["ip"] == "192.0.2.10"  # as with MetalLB: who has one keeps it
    finally:
        for item in api.items(path):
            api.patch(f"{path}/{item['metadata']['name']}", {"metadata": {"finalizers": None}})
            api.delete(f"{path}/{item['metadata']['name']}")


def test_both_families_are_preferred_over_pools(api: Client) -> None:
    api.pool("four", "192.0.2.0/30")
    api.pool("six", "2001:db8::/126")
    api.service("default", **DUAL)
    held(api, "default", "192.0.2.0")
    api.service("other", **DUAL | {"ipFamilies": ["IPv6", "IPv4"]})
    held(api, "other", "2001:db8::")
    api.pool("dual", "198.51.100.0/30", "2001:db8:1::/126")
    api.service("both", **DUAL)
    held(api, "both", "198.51.100.0", "2001:db8:1::")
    held(api, "default", "192.0.2.0")  # who holds one goes nowhere for a second
    api.patch(f"{POOLS}/four", {"spec": {"addresses": ["192.0.2.0/30", "2001:db8:2::/126"]}})
    held(api, "default", "192.0.2.0", "2001:db8:2::")  # its own pool has one now


def test_prefer_becomes_require_and_prefer_again(api: Client) -> None:
    api.pool("four", "192.0.2.0/30")
    api.service("a", **DUAL)
    held(api, "a", "192.0.2.0")
    api.patch(f"{SERVICES}/a", {"spec": {"ipFamilyPolicy": "RequireDualStack"}})
    held(api, "a")
    api.patch(f"{SERVICES}/a", {"spec": {"ipFamilyPolicy": "PreferDualStack"}})
    held(api, "a", "192.0.2.0")


def test_a_dual_pool_that_loses_a_family_loses_its_service_to_another_one(api: Client) -> None:
    api.pool("one", "192.0.2.0/30", "2001:db8::/126")
    api.service("a", **DUAL)
    held(api, "a", "192.0.2.0", "2001:db8::")
    api.pool("two", "198.51.100.0/30", "2001:db8:1::/126")
    api.patch(f"{POOLS}/one", {"spec": {"addresses": ["2001:db8::/126"]}})
    held(api, "a", "198.51.100.0", "2001:db8:1::")


def test_counters_of_a_pool_through_its_life_and_a_hand_edit(api: Client) -> None:
    def counts(*numbers: int) -> None:
        names = ("assignedIPv4", "assignedIPv6", "availableIPv4", "availableIPv6")
        wanted = dict(zip(names, numbers, strict=True))
        until(lambda: api.get(f"{POOLS}/p").get("status") == wanted, f"the counters are {numbers}")

    api.pool("p", "192.0.2.0/30", "2001:db8::/126")
    counts(0, 0, 4, 4)
    api.service("a", **DUAL)
    counts(1, 1, 3, 3)
    api.patch(f"{POOLS}/p", {"spec": {"addresses": ["192.0.2.0/29", "2001:db8::/125"]}})
    counts(1, 1, 7, 7)
    wrong = {"assignedIPv4": 9, "assignedIPv6": 9, "availableIPv4": 9, "availableIPv6": 9}
    api.patch(f"{POOLS}/p/status", {"status": wrong})
    counts(1, 1, 7, 7)
    api.delete(f"{SERVICES}/a")
    counts(0, 0, 8, 8)


@pytest.mark.parametrize("automatic", [True, False])
def test_the_annotation_names_the_pool_in_both_families(api: Client, *, automatic: bool) -> None:
    api.pool("usual", "192.0.2.0/30", "2001:db8::/126")
    api.service("before", **DUAL)
    held(api, "before", "192.0.2.0", "2001:db8::")
    api.pool("named", "198.51.100.0/30", "2001:db8:1::/126", autoAssign=automatic)
    api.service("a", annotations={"metallb.io/address-pool": "named"}, **DUAL)
    held(api, "a", "198.51.100.0", "2001:db8:1::")
    annotations = api.get(f"{SERVICES}/a")["metadata"]["annotations"]
    assert annotations["metallb.io/ip-allocated-from-pool"] == "named"
    assert api.ingress("before") == ["192.0.2.0", "2001:db8::"]

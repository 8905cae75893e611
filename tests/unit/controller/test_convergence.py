"""What a Service gets, in MetalLB's own cases; each is run on an allocator with another service's past."""

from dataclasses import replace
from typing import Any

import pytest

from roost.controller.convergence import converge
from roost.kubernetes.config import read_pools
from roost.kubernetes.resources import KubeService
from roost.model.address import canonical
from roost.model.allocation import Allocator

POOLS: dict[str, dict[str, Any]] = {
    "pool1": {"addresses": ["1.2.3.0/31"]},
    "pool2": {"addresses": ["3.4.5.6/32"], "autoAssign": False},
    "pool3": {"addresses": ["1000::/127"]},
    "pool6": {
        "addresses": ["7.8.9.0/31"],
        "serviceAllocation": {"priority": 10, "namespaces": ["test-ns1"]},
    },
}
BOTH = {"pool5": {"addresses": ["1.2.3.0/31", "1000::/127"]}}


def allocator(pools: dict[str, dict[str, Any]] = POOLS) -> Allocator:
    found, mistakes = read_pools(
        [{"metadata": {"name": name}, "spec": spec} for name, spec in pools.items()], []
    )
    assert not mistakes
    return Allocator(found)


def service(name: str = "s", *ingress: str, **fields: Any) -> KubeService:
    given: dict[str, Any] = {"type": "LoadBalancer", "cluster_ips": ("10.0.0.1",)} | fields
    return KubeService(f"ns/{name}", "ns", name, ingress=ingress, ingress_entries=len(ingress), **given)


V6 = ("fd00::1",)
DUAL = ("10.0.0.1", "fd00::1")


def request(text: str) -> dict[str, Any]:
    return {"annotations": {"metallb.io/loadBalancerIPs": text}}


@pytest.mark.parametrize(
    ("given", "expected", "reasons"),
    [
        (service(), ["1.2.3.0"], ["IPAllocated"]),
        (service(load_balancer_ip="1.2.3.1"), ["1.2.3.1"], ["IPAllocated"]),
        (service(**request("1.2.3.1")), ["1.2.3.1"], ["IPAllocated"]),
        (service(load_balancer_ip="1.2.3.1", **request("1.2.3.1")), [], ["LoadBalancerFailed"]),
        (service(**request("nonsense")), [], ["LoadBalancerFailed"]),
        (
            service(
                annotations={"metallb.io/loadBalancerIPs": "1.2.3.1", "metallb.io/address-pool": "pool2"}
            ),
            [],
            ["AllocationFailed"],
        ),
        (service(**request("1.2.3.1,1.2.3.2")), [], ["AllocationFailed"]),
        (service("s", "1.2.3.1", load_balancer_ip="1.2.3.4"), [], ["AllocationFailed"]),
        (
            service("s", "1.2.3.0", annotations={"metallb.io/address-pool": "pool2"}),
            ["3.4.5.6"],
            ["IPAllocated"],
        ),
        (
            service("s", "1.2.3.0", annotations={"metallb.universe.tf/address-pool": "pool2"}),
            ["3.4.5.6"],
            ["deprecatedAnnotation", "IPAllocated"],
        ),
        (service("s", "2.3.4.5"), ["1.2.3.0"], ["ClearAssignment", "IPAllocated"]),
        (service("s", "1.2.3.0", type="NodePort"), [], []),
        (service("s", "1.2.3.0", deleting=True), [], []),
        (service(cluster_ips=()), [], []),
        (service("s", "1000::"), ["1.2.3.0"], ["IPAllocated"]),
        (service("s", "1.2.3.0", cluster_ips=V6), ["1000::"], ["IPAllocated"]),
        (
            service(cluster_ips=("10.0.0.1",), ip_family_policy="RequireDualStack"),
            [],
            ["not enough clusterips"],
        ),
        (
            service("s", "1.2.3.0", "1.2.3.1", "1.2.3.2"),
            ["1.2.3.0"],
            ["nolbIPsIPFamily", "IPAllocated"],
        ),
        (service(cluster_ips=("None",)), [], ["noclusterIPsIPFamily"]),
        (service("s", "1.2.3.1"), ["1.2.3.1"], []),
        (service(cluster_ips=DUAL), [], ["AllocationFailed"]),
        (service(cluster_ips=DUAL, ip_family_policy="RequireDualStack"), [], ["AllocationFailed"]),
        (service(cluster_ips=DUAL, ip_family_policy="PreferDualStack"), ["1.2.3.0"], ["IPAllocated"]),
        (
            service(cluster_ips=DUAL, ip_family_policy="PreferDualStack", ip_families=("IPv6", "IPv4")),
            ["1000::"],
            ["IPAllocated"],
        ),
        (
            service(cluster_ips=DUAL, ip_family_policy="PreferDualStack", **request("1.2.3.1")),
            [],
            ["AllocationFailed"],
        ),
    ],
)
def test_what_a_service_gets(given: KubeService, expected: list[str], reasons: list[str]) -> None:
    for past in (None, service("s"), service("s", cluster_ips=V6)):
        pools = allocator()
        if past is not None:
            converge(past, pools, 0)
        found = converge(given, pools, 1)
        assert [canonical(address) for address in found.addresses] == expected
        assert [event.reason for event in found.events] == reasons
        held = pools.held_by("ns/s")
        assert found.left_alone or (list(map(canonical, held.addresses)) if held else []) == expected


@pytest.mark.parametrize("cluster_ips", [DUAL, DUAL[::-1]])
def test_dual_stack_takes_ipv4_first_whatever_the_order_of_cluster_ips(cluster_ips: tuple[str, ...]) -> None:
    found = converge(
        service(cluster_ips=cluster_ips, ip_family_policy="RequireDualStack"), allocator(BOTH), 0
    )
    assert [canonical(address) for address in found.addresses] == ["1.2.3.0", "1000::"]
    assert found.events[-1].message == 'Assigned IP ["1.2.3.0" "1000::"]'


def test_requested_addresses_have_one_order_for_ever() -> None:
    pools = allocator(BOTH)
    wanted = service(cluster_ips=DUAL, ip_family_policy="RequireDualStack", **request("1000::1, 1.2.3.1"))
    first = converge(wanted, pools, 0)
    assert [canonical(address) for address in first.addresses] == ["1.2.3.1", "1000::1"]
    again = converge(replace(wanted, ingress=("1000::1", "1.2.3.1"), ingress_entries=2), pools, 1)
    assert again.addresses == first.addresses


def test_prefer_dual_stack_gains_a_family_from_its_own_pool_only() -> None:
    pools = allocator(BOTH)
    one = service("s", "1.2.3.1", cluster_ips=DUAL, ip_family_policy="PreferDualStack")
    found = converge(one, pools, 0)
    assert [canonical(address) for address in found.addresses] == ["1.2.3.1", "1000::"]
    assert found.events[0].message == 'Assigned additional IP "1000::"'
    alone = converge(one, allocator(), 0)
    assert [canonical(address) for address in alone.addresses] == ["1.2.3.1"]
    assert [event.reason for event in alone.events] == ["AdditionalAssignFailed"]
    assert alone.waiting


def test_a_single_stack_service_that_prefers_dual_stack_does_not_flip() -> None:
    pools = allocator(BOTH)
    given = service("s", "1.2.3.0", ip_family_policy="PreferDualStack")
    for _ in range(3):
        found = converge(given, pools, 0)
        assert [canonical(address) for address in found.addresses] == ["1.2.3.0"]
        assert not found.events


def test_no_pools_clear_a_service_without_a_word() -> None:
    found = converge(service("s", "1.2.3.0"), Allocator(), 0)
    assert (found.addresses, found.events, found.waiting) == ((), (), True)


def test_a_waiting_service_is_served_when_the_other_goes() -> None:
    pools = allocator({"p": {"addresses": ["1.2.3.0/32"]}})
    converge(service("a"), pools, 0)
    assert converge(service("b"), pools, 0).waiting
    converge(service("a", type="ClusterIP"), pools, 1)
    assert [canonical(address) for address in converge(service("b"), pools, 2).addresses] == ["1.2.3.0"]


def test_a_shared_address_follows_policy_and_selector() -> None:
    pools = allocator({"p": {"addresses": ["1.2.3.0/32"]}})
    keyed: dict[str, Any] = {"annotations": {"metallb.io/allow-shared-ip": "k"}, "selector": {"app": "a"}}
    one = service("one", ports=(("TCP", 80),), **keyed)
    two = service("two", ports=(("TCP", 81),), **keyed)
    assert converge(one, pools, 0).addresses == converge(two, pools, 0).addresses
    two = replace(two, ingress=("1.2.3.0",), local=True)
    lost = converge(two, pools, 1)
    assert not lost.addresses
    assert [event.reason for event in lost.events] == ["ClearAssignment", "AllocationFailed"]
    one = replace(one, ingress=("1.2.3.0",), local=True)
    assert converge(one, pools, 2).addresses
    assert converge(replace(two, ingress=()), pools, 3).addresses

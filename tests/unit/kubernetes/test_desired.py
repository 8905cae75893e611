"""What is to be announced of a Service, and what keeps all nodes from it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from roost.kubernetes.config import read_advertisements, read_pools
from roost.kubernetes.desired import Policy, agree, desired_services, fingerprint, node_facts, proxies_to_ask
from roost.kubernetes.failback import why_no_failback
from roost.kubernetes.gossip import derive_key, peers
from roost.kubernetes.resources import KubeNode, KubePod, KubeService, parse_endpoint_slice
from roost.kubernetes.sharing import why_not_shared
from roost.model.service import Service
from roost.model.sharing import Sharing
from roost.protocols.machine import Endpoint

SERVICE = KubeService(
    "ns/s", "ns", "s", type="LoadBalancer", ingress=("192.0.2.1",), ports=(("TCP", 80),), labels={"a": "b"}
)


def policy(**advertisement: Any) -> Policy:
    pools, _ = read_pools([{"metadata": {"name": "p"}, "spec": {"addresses": ["192.0.2.0/30"]}}], [])
    rules, _ = read_advertisements([{"metadata": {"name": "l2"}, "spec": advertisement}], {"p": {}})
    return Policy(pools, rules)


def one_service(*facts: Any) -> Service | None:
    """The only part of a service, None where nothing is announced."""
    found = desired_services(*facts)
    assert len(found) <= 1
    return found[0] if found else None


def slices(*nodes: str, **conditions: bool) -> list[Any]:
    return slices_of("IPv4", nodes, conditions)


def slices_of(family: str, nodes: Sequence[str], conditions: Mapping[str, bool]) -> list[Any]:
    item = {
        "metadata": {"name": "s-1", "namespace": "ns", "labels": {"kubernetes.io/service-name": "s"}},
        "addressType": family,
        "endpoints": [{"nodeName": node, "conditions": conditions} for node in nodes],
    }
    return [parse_endpoint_slice(item)]


@pytest.mark.parametrize(
    ("changes", "conditions", "advertisement", "withheld"),
    [
        ({}, {"ready": True}, {}, ""),
        ({}, {"ready": False, "serving": True}, {}, ""),
        ({}, {"ready": True, "serving": False}, {}, ""),
        ({}, {"ready": False}, {}, "no endpoint of it can serve"),
        ({"ingress": ("198.51.100.1",)}, {"ready": True}, {}, "its addresses are in no pool"),
        (
            {"annotations": {"metallb.universe.tf/allow-shared-ip": ""}},
            {"ready": True},
            {"serviceSelectors": [{"matchLabels": {"a": "b"}}]},
            "it may share its address, and an advertisement selects services",
        ),
        (
            {"annotations": {"metallb.io/allow-shared-ip": "k"}},
            {"ready": True},
            {"serviceSelectors": [{"matchLabels": {"a": "c"}}]},
            "",
        ),
    ],
)
def test_what_keeps_all_nodes_from_it(
    changes: dict[str, Any], conditions: dict[str, bool], advertisement: dict[str, Any], withheld: str
) -> None:
    found = one_service(replace(SERVICE, **changes), slices("n1", **conditions), policy(**advertisement))
    assert found is not None
    assert found.withheld == withheld


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "ClusterIP"},
        {"ingress": ()},
        {"ingress": ("nonsense",)},
        {"load_balancer_class": "example.com/other"},
    ],
)
def test_what_is_not_announced_at_all(changes: dict[str, Any]) -> None:
    assert one_service(replace(SERVICE, **changes), slices("n1"), policy()) is None


def test_local_traffic_names_the_nodes() -> None:
    found = one_service(replace(SERVICE, local=True), slices("n1", "n2"), policy())
    assert found is not None
    assert found.endpoint_nodes == frozenset({"n1", "n2"})


def test_services_of_one_address_agree_on_their_nodes() -> None:
    one = one_service(replace(SERVICE, local=True), slices("n1", "n2"), policy())
    two = one_service(replace(SERVICE, key="ns/t", local=True), slices("n2", "n3"), policy())
    apart = one_service(replace(SERVICE, key="ns/u", local=True), slices("n4"), policy())
    assert one is not None
    assert two is not None
    assert apart is not None
    assert [service.endpoint_nodes for service in agree([two, one])] == [frozenset({"n2"})] * 2
    everywhere = frozenset({"n1", "n2", "n4"})
    assert all(service.endpoint_nodes == everywhere for service in agree([one, apart]))


DUAL = KubeNode("n1", addresses=("2001:db8::11", "192.0.2.11"))
V4, V6 = ("192.0.2.11",), ("2001:db8::11",)


@pytest.mark.parametrize(
    ("ipv4", "ipv6", "asked"),
    [
        (("n1",), ("n1",), (V4, V6)),
        (("n1",), (), (V4,)),
        (("n1",), ("n2",), (V4,)),
        ((), ("n1",), (V6,)),
        ((), (), (V4, V6)),
    ],
)
def test_the_proxy_of_a_family_without_endpoints_here_is_not_waited_for(
    ipv4: tuple[str, ...], ipv6: tuple[str, ...], asked: tuple[tuple[str, ...], ...]
) -> None:
    found = one_service(
        replace(SERVICE, local=True, ingress=("192.0.2.1", "2001:db8::1")), slices("n1"), policy()
    )
    assert found is not None
    endpoints = [*slices_of("IPv4", ipv4, {}), *slices_of("IPv6", ipv6, {})]
    assert proxies_to_ask(found, endpoints, DUAL) == asked


def test_of_a_single_stack_service_one_proxy_is_asked() -> None:
    found = one_service(replace(SERVICE, local=True), slices("n1"), policy())
    assert found is not None
    endpoints = [*slices_of("IPv4", ["n1"], {}), *slices_of("IPv6", ["n1"], {})]
    assert proxies_to_ask(found, endpoints, DUAL) == (V4,)
    assert proxies_to_ask(found, endpoints, replace(DUAL, addresses=V6)) == (), "it has no such address"


def test_the_same_facts_have_the_same_fingerprint_in_any_order() -> None:
    services = [
        one_service(replace(SERVICE, key=key, local=True), slices("n1", "n2"), policy(interfaces=["e"]))
        for key in ("ns/a", "ns/b")
    ]
    known = [service for service in services if service]
    nodes = {"n1": node_facts(KubeNode("n1", {"a": "b"}), ignore_exclude_label=False, assumed=False)}
    assert fingerprint(known, nodes) == fingerprint(known[::-1], nodes)
    assert fingerprint(known, nodes) != fingerprint(known[:1], nodes)
    assert fingerprint(known, nodes) != fingerprint(known, {})


@pytest.mark.parametrize(
    ("node", "ignore", "assumed", "excluded"),
    [
        (KubeNode("n", {"node.kubernetes.io/exclude-from-external-load-balancers": ""}), False, False, True),
        (KubeNode("n", {"node.kubernetes.io/exclude-from-external-load-balancers": ""}), True, False, False),
        (KubeNode("n", out_of_service=True), False, False, False),
        (KubeNode("n", out_of_service=True), False, True, True),
    ],
)
def test_nodes(node: KubeNode, ignore: bool, assumed: bool, excluded: bool) -> None:
    assert node_facts(node, ignore_exclude_label=ignore, assumed=assumed).excluded is excluded


def test_the_key_is_derived_as_metallb_derives_it() -> None:
    key = derive_key(b"c29tZSBzZWNyZXQgYml0cw")
    assert key[:22] == b"c29tZSBzZWNyZXQgYml0cw"
    assert key[22:].hex() == "e3b0c44298fc1c149afb"


def test_pods_are_joined_and_nodes_where_there_are_none() -> None:
    pods = [KubePod("ns/a", "", "192.0.2.11", "n1"), KubePod("ns/b", "", "192.0.2.12", "n2")]
    nodes = [KubeNode("n1", addresses=("192.0.2.11",)), KubeNode("n3", addresses=("192.0.2.13",))]
    assert peers("n1", pods, nodes, 7946) == (Endpoint("192.0.2.12", 7946),)
    assert peers("n1", pods[:1], nodes, 7946) == (Endpoint("192.0.2.13", 7946),)


def test_two_addresses_that_want_nodes_of_their_own_are_two_services() -> None:
    both = replace(SERVICE, ingress=("192.0.2.1", "192.0.2.2"))
    assert [each.name for each in desired_services(both, slices("n1"), policy())] == ["ns/s"]
    wanted = replace(both, annotations={"roost.io/addresses-apart": "true"})
    first, second = desired_services(wanted, slices("n1"), policy())
    assert (first.name, first.known_as, first.apart_from) == ("ns/s", "ns/s", None)
    assert (second.name, second.known_as, second.apart_from) == ("ns/s#2", "ns/s", first.addresses[0])
    assert [*first.addresses, *second.addresses] == [ip_address(each) for each in both.ingress]
    assert fingerprint([first, second], {}) != fingerprint([first, replace(second, apart_from=None)], {})
    alone = replace(wanted, ingress=("192.0.2.1",))
    assert len(desired_services(alone, slices("n1"), policy())) == 1


@pytest.mark.parametrize(
    ("annotation", "default", "seconds"),
    [
        (None, 0.0, 0.0),
        (None, math.inf, math.inf),
        ("never", 0.0, math.inf),
        ("30s", 0.0, 30.0),
        ("always", math.inf, 0.0),
        ("nevr", 5.0, 5.0),
    ],
)
def test_whether_an_address_goes_back_is_said_by_the_service_or_else_the_speakers(
    annotation: str | None, default: float, seconds: float
) -> None:
    annotations = {} if annotation is None else {"roost.io/failback": annotation}
    service = replace(SERVICE, annotations=annotations)
    built = one_service(service, slices("n1", ready=True), replace(policy(), failback=default))
    assert built is not None
    assert built.failback == seconds
    assert bool(why_no_failback(annotations)) is (annotation == "nevr")


@pytest.mark.parametrize(
    ("annotations", "sharing", "wrong"),
    [
        ({}, None, False),
        ({"roost.io/sharing": "leader"}, None, False),
        ({"roost.io/sharing": "per-client"}, Sharing(), False),
        ({"roost.io/sharing": "connection"}, Sharing("connection"), False),
        (
            {"roost.io/sharing": "connection", "roost.io/sharing-weights": "n1=2, n2=0"},
            Sharing("connection", (("n1", 2), ("n2", 0))),
            False,
        ),
        ({"roost.io/sharing": "connection", "roost.io/sharing-weights": "n1"}, None, True),
        ({"roost.io/sharing": "conection"}, None, True),
    ],
)
def test_how_an_address_is_shared_is_said_by_the_service(
    annotations: dict[str, str], sharing: Sharing | None, wrong: bool
) -> None:
    local = replace(SERVICE, annotations=annotations, local=True)
    built = one_service(local, slices("n1", ready=True), policy())
    assert built is not None
    assert built.sharing == sharing
    assert built.endpoint_nodes == frozenset({"n1"}), "a node without endpoints takes nothing"
    assert bool(why_not_shared(annotations)) is wrong


def test_speakers_that_differ_in_it_have_other_fingerprints() -> None:
    """Which are what they were where no Service says anything: MetalLB's parity, and older speakers."""
    wanted = [
        one_service(SERVICE, slices("n1", ready=True), replace(policy(), failback=each)) for each in (0, 5)
    ]
    by_rank, stays = [fingerprint([each], {}) for each in wanted if each is not None]
    assert by_rank != stays


def test_services_that_share_an_address_stay_or_go_back_together() -> None:
    one, other = (replace(SERVICE, key=f"ns/{name}", name=name) for name in ("a", "b"))
    one = replace(one, annotations={"roost.io/failback": "never"})
    built = [one_service(each, slices("n1", ready=True), policy()) for each in (one, other)]
    assert [each.failback for each in agree([each for each in built if each])] == [math.inf, math.inf]

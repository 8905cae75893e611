"""Which node announces: selectors of nodes and services, preferences, changed while everything runs."""

from typing import Any

import pytest
from tests.cluster.api import METALLB, until
from tests.cluster.clients import tcp
from tests.cluster.nodes import KubeLan, by_hash
from tests.system.netns import NETNS

pytestmark = [*NETNS, pytest.mark.timeout(120)]

NAMES = ("n1", "n2", "n3")
RULES = f"{METALLB}/l2advertisements"
SERVICES = "/api/v1/namespaces/default/services"


def hostname(name: str) -> dict[str, Any]:
    return {"matchLabels": {"kubernetes.io/hostname": name}}


def zone(value: str, weight: int = 0) -> dict[str, Any]:
    selector: dict[str, Any] = {"matchLabels": {"zone": value}}
    return {"weight": weight, "preference": selector} if weight else selector


def rule(lan: KubeLan, name: str = "everywhere", **spec: Any) -> None:
    lan.api.patch(f"{RULES}/{name}", {"spec": spec})


def led(lan: KubeLan, vips: list[str], *names: str) -> None:
    for vip in vips:
        lan.settle_on(vip, set(names))


def test_each_node_in_turn(lan: KubeLan) -> None:
    vips = lan.service_of_both("web")
    for name in NAMES:
        rule(lan, nodeSelectors=[hostname(name)])
        led(lan, vips, name)
        assert tcp(lan.client, vips[1]) in NAMES
    until(lambda: [each["node"] for each in lan.told("web")] == ["n3"], "ServiceL2Status says so")


def test_a_label_added_while_running_makes_a_node_announce(lan: KubeLan) -> None:
    rule(lan, nodeSelectors=[zone("a")])
    vips = lan.service_of_both("web")
    led(lan, vips)
    assert not lan.told("web")
    lan.set_node("n2", labels={"zone": "a"})
    led(lan, vips, "n2")
    lan.set_node("n2", labels={"zone": None})
    led(lan, vips)


def test_local_traffic_and_advertisements_for_some_nodes(lan: KubeLan) -> None:
    """An endpoint on n1 alone, advertised from n2, and then from everywhere."""
    rule(lan, nodeSelectors=[hostname("n2")])
    vips = lan.service_of_both("web", 1, externalTrafficPolicy="Local")
    led(lan, vips)
    lan.api.advertisement("all")
    led(lan, vips, "n1")
    assert tcp(lan.client, vips[0]) == "n1"


def test_a_preferred_node_leads_as_long_as_it_has_the_label(lan: KubeLan) -> None:
    vips = lan.service_of_both("web")
    first, _, last = by_hash(vips[0], *NAMES)
    rule(lan, preferredNodeSelectors=[zone("a", 10)])
    led(lan, vips, first)  # no node has the label: as without
    lan.set_node(last, labels={"zone": "a"})
    led(lan, vips, last)
    lan.set_node(last, labels={"zone": None})
    led(lan, vips, first)
    everyone = {"weight": 5, "preference": {}}
    rule(lan, preferredNodeSelectors=[zone("no-such", 100), everyone])
    led(lan, vips, first)  # what matches all nodes prefers none
    lan.set_node(last, labels={"zone": "a"})
    rule(lan, preferredNodeSelectors=[zone("a", 1), everyone])
    led(lan, vips, last)
    rule(lan, preferredNodeSelectors=None)
    led(lan, vips, first)


def test_a_preferred_node_that_is_excluded_and_comes_back(lan: KubeLan) -> None:
    vips = lan.service_of_both("web")
    first, _, last = by_hash(vips[0], *NAMES)
    lan.set_node(last, labels={"zone": "a"})
    rule(lan, preferredNodeSelectors=[zone("a", 10)])
    led(lan, vips, last)
    label = "node.kubernetes.io/exclude-from-external-load-balancers"
    lan.set_node(last, labels={label: ""})
    led(lan, vips, first)
    lan.set_node(last, labels={label: None})
    led(lan, vips, last)


def test_a_selector_is_a_must_and_a_preference_a_wish(lan: KubeLan) -> None:
    vips = lan.service_of_both("web")
    first, second, last = by_hash(vips[0], *NAMES)
    lan.set_node(last, labels={"zone": "a"})
    rule(lan, nodeSelectors=[hostname(first), hostname(second)], preferredNodeSelectors=[zone("a", 100)])
    led(lan, vips, first)  # who is wished for may not
    lan.set_node(second, labels={"zone": "a"})
    led(lan, vips, second)


def test_weights_of_two_advertisements_add_up(lan: KubeLan) -> None:
    vips = lan.service_of_both("web")
    first, second, last = by_hash(vips[0], *NAMES)
    lan.set_node(last, labels={"zone": "a"})
    lan.set_node(second, labels={"zone": "b"})
    rule(lan, preferredNodeSelectors=[zone("a", 60)])
    both = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]}
    lan.api.advertisement("second", preferredNodeSelectors=[{"weight": 50, "preference": both}])
    led(lan, vips, last)  # 60 + 50 against 50
    lan.set_node(last, labels={"zone": None})
    led(lan, vips, second)  # 50 against 0
    lan.set_node(second, labels={"zone": None})
    led(lan, vips, first)


def test_a_preference_for_some_services_leaves_the_others_alone(lan: KubeLan) -> None:
    lan.api.advertisement(
        "some",
        serviceSelectors=[{"matchLabels": {"tier": "front"}}],
        preferredNodeSelectors=[zone("a", 10)],
    )
    one, other = lan.service_of_both("one"), lan.service_of_both("other")
    last = by_hash(one[0], *NAMES)[2]
    lan.set_node(last, labels={"zone": "a"})
    led(lan, other, by_hash(other[0], *NAMES)[0])
    led(lan, one, by_hash(one[0], *NAMES)[0])
    lan.api.patch(f"{SERVICES}/one", {"metadata": {"labels": {"tier": "front"}}})
    led(lan, one, last)
    led(lan, other, by_hash(other[0], *NAMES)[0])


def test_a_service_is_announced_while_pool_and_labels_match(lan: KubeLan) -> None:
    """Its labels change while everything runs; several selectors are alternatives."""
    rule(
        lan,
        ipAddressPools=["pool"],
        serviceSelectors=[{"matchLabels": {"tier": "front"}}, {"matchLabels": {"tier": "middle"}}],
    )
    vips = lan.service_of_both("web")
    led(lan, vips)
    first = by_hash(vips[0], *NAMES)[0]
    for tier, leaders in (("front", [first]), ("back", []), ("middle", [first])):
        lan.api.patch(f"{SERVICES}/web", {"metadata": {"labels": {"tier": tier}}})
        led(lan, vips, *leaders)
    rule(lan, ipAddressPools=["other"])
    led(lan, vips)


def test_two_advertisements_of_one_node_each_have_one_announcer(lan: KubeLan) -> None:
    """And one for other services, or for a node that is not there, has none."""
    front = [{"matchLabels": {"tier": "front"}}]
    rule(lan, serviceSelectors=[{"matchLabels": {"tier": "none"}}])
    lan.api.advertisement("ghost", serviceSelectors=front, nodeSelectors=[hostname("n9")])
    vips = lan.service_of_both("web")
    lan.api.patch(f"{SERVICES}/web", {"metadata": {"labels": {"tier": "front"}}})
    led(lan, vips)
    lan.api.advertisement("one", serviceSelectors=front, nodeSelectors=[hostname("n1")])
    led(lan, vips, "n1")
    lan.api.advertisement("two", serviceSelectors=front, nodeSelectors=[hostname("n2")])
    led(lan, vips, by_hash(vips[0], "n1", "n2")[0])


def test_a_shared_address_and_selected_services_exclude_each_other(lan: KubeLan) -> None:
    """MetalLB refuses it: services that share would need two announcers for one address."""
    key = {"metallb.io/allow-shared-ip": "k"}
    vips = lan.service_of_both("web", annotations=key)
    led(lan, vips, by_hash(vips[0], *NAMES)[0])
    lan.api.advertisement("some", serviceSelectors=[{}])
    led(lan, vips)
    explanation = lan.speakers[0].ask("/v1/explain/default%2Fweb")
    assert "may share its address" in str(explanation["exclusions"])
    lan.api.delete(f"{RULES}/some")
    led(lan, vips, by_hash(vips[0], *NAMES)[0])

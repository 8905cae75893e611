"""MetalLB's configuration: what is accepted, what it means, and what is refused with which words."""

from typing import Any

import pytest

from roost.kubernetes.config import (
    check_communities,
    collapse,
    read_advertisements,
    read_networks,
    read_pools,
    read_selector,
)
from roost.kubernetes.resources import Namespace
from roost.model.service import LabelSelector


def pool(name: str, *addresses: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"addresses": list(addresses), **spec}}


def advertisement(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": spec}


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("10.0.0.5/24", ["10.0.0.0/24"]),
        ("1.2.3.10-1.2.3.20", ["1.2.3.10/31", "1.2.3.12/30", "1.2.3.16/30", "1.2.3.20/32"]),
        (" 1.2.3.4 - 1.2.3.4 ", ["1.2.3.4/32"]),
        ("::ffff:1.2.3.0/120", ["1.2.3.0/24"]),
        ("::ffff:1.2.3.4-1.2.3.5", ["1.2.3.4/31"]),
        ("2001:db8::/64", ["2001:db8::/64"]),
        ("fc00::1-fc00::2", ["fc00::1/128", "fc00::2/128"]),
    ],
)
def test_entries_of_a_pool(text: str, networks: list[str]) -> None:
    assert [str(network) for network in read_networks(text)] == networks


@pytest.mark.parametrize(
    "text",
    [
        "1.2.3.4",
        " 1.2.3.0/24",
        "1.2.03.0/24",
        "fe80::1%eth0/64",
        "1.2.3.0/255.255.255.0",
        "1.2.3.4-5",
        "1.2.3.9-1.2.3.4",
        "1.2.3.4-fc00::1",
        "::1-1.2.3.4",
        "100.200.300.400/24",
        "1.2.3.0/33",
        "fe80::1%a-fe80::2%a",
        "",
        "-",
        "1.2.3.0/",
    ],
)
def test_entries_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"invalid (CIDR|range)"):
        read_networks(text)


def test_all_mistakes_are_told_at_once_with_object_and_field() -> None:
    _, mistakes = read_pools(
        [
            pool("b", "10.0.0.0/16", serviceAllocation={"namespaces": ["a", "a"]}),
            pool("a", "10.0.0.0/8", "nonsense"),
            pool("c"),
        ],
        [],
    )
    assert [str(mistake) for mistake in mistakes] == [
        "IPAddressPool a: spec.addresses[1]: invalid CIDR 'nonsense'"
        " (as in 192.0.2.0/24 or 192.0.2.1-192.0.2.9)",
        "IPAddressPool b: spec.addresses: CIDR 10.0.0.0/16 overlaps with already defined CIDR 10.0.0.0/8"
        ' of pool "a" (an address belongs to one pool)',
        "IPAddressPool b: spec.serviceAllocation.namespaces: 'a' is there 2 times (remove the others)",
        "IPAddressPool c: spec.addresses: is empty (give at least one CIDR or range)",
    ]


def test_a_pool_may_not_overlap_itself() -> None:
    _, mistakes = read_pools([pool("a", "10.0.0.0/24", "10.0.0.7-10.0.0.8")], [])
    assert "overlaps with already defined CIDR 10.0.0.0/24 of this pool" in str(mistakes[0])


@pytest.mark.parametrize(
    "selectors",
    [
        [{"matchLabels": {"a": "b"}}, {"matchLabels": {"a": "b"}}],
        [{"matchExpressions": [{"key": "k", "operator": "In", "values": ["bar", "bar"]}]}],
        [{"matchExpressions": [{"key": "k", "operator": "Exists"}, {"key": "k", "operator": "Exists"}]}],
        [{"matchExpressions": [{"key": "k", "operator": "BadOperator"}]}],
        [{"matchExpressions": [{"key": "k", "operator": "In"}]}],
        [{"matchExpressions": [{"key": "k", "operator": "Exists", "values": ["v"]}]}],
        [
            {"matchExpressions": [{"key": "k", "operator": "In", "values": ["x", "y"]}]},
            {"matchExpressions": [{"key": "k", "operator": "In", "values": ["y", "x"]}]},
        ],
    ],
)
def test_selectors_that_are_refused(selectors: list[Any]) -> None:
    allocation = {"namespaceSelectors": selectors}
    assert len(read_pools([pool("p", "10.0.0.0/24", serviceAllocation=allocation)], [])[1]) == 1
    for field in ("nodeSelectors", "serviceSelectors", "ipAddressPoolSelectors"):
        assert len(read_advertisements([advertisement("x", **{field: selectors})], {})[1]) == 1


def test_namespaces_are_those_named_and_those_selected() -> None:
    allocation = {
        "priority": 3,
        "namespaces": ["named"],
        "namespaceSelectors": [{"matchLabels": {"a": "b"}}],
    }
    (found,), mistakes = read_pools(
        [pool("p", "10.0.0.0/24", serviceAllocation=allocation)],
        [Namespace("x", {"a": "b"}), Namespace("y")],
    )
    assert not mistakes
    assert found.restriction is not None
    assert found.restriction.namespaces == {"named", "x"}
    assert found.restriction.priority == 3


def test_a_priority_alone_is_open_to_every_service() -> None:
    (found,), _ = read_pools([pool("p", "10.0.0.0/24", serviceAllocation={"priority": 3})], [])
    assert found.restriction is not None
    assert found.restriction.selectors == (LabelSelector(),)
    assert found.restriction.pins("anywhere")


def test_selectors_that_match_no_namespace_leave_a_pool_that_nobody_is_pinned_to() -> None:
    allocation = {"namespaceSelectors": [{"matchLabels": {"a": "b"}}]}
    (found,), _ = read_pools([pool("p", "10.0.0.0/24", serviceAllocation=allocation)], [])
    assert found.restriction is not None
    assert not found.restriction.pins("x")
    assert found.allows("x", {})


def test_an_advertisement_counts_for_pools_by_name_and_by_label() -> None:
    labels: dict[str, dict[str, str]] = {"a": {}, "b": {"t": "1"}, "c": {}}
    chosen = {"ipAddressPools": ["a", "ghost"], "ipAddressPoolSelectors": [{"matchLabels": {"t": "1"}}]}
    (found,), mistakes = read_advertisements([advertisement("x", **chosen)], labels)
    assert not mistakes
    assert [found.selects(name, {}) for name in "abc"] == [True, True, False]
    (everywhere,), _ = read_advertisements([advertisement("x")], labels)
    assert everywhere.selects("c", {})
    (nowhere,), _ = read_advertisements(
        [advertisement("x", ipAddressPoolSelectors=[{"matchLabels": {"no": "no"}}])], labels
    )
    assert not nowhere.selects("a", {})


def test_interfaces_are_exact_names() -> None:
    (found,), _ = read_advertisements([advertisement("x", interfaces=["eth0.1"])], {})
    assert found.advertisement.interfaces == ("eth0\\.1",)


def test_a_duplicate_pool_name_in_an_advertisement_is_refused() -> None:
    _, (mistake,) = read_advertisements([advertisement("x", ipAddressPools=["a", "a"])], {})
    assert mistake.field == "spec.ipAddressPools"


def test_equal_advertisements_count_once_unless_they_prefer_nodes() -> None:
    preferring = {"preferredNodeSelectors": [{"weight": 5, "preference": {}}]}
    plain, _ = read_advertisements([advertisement("a"), advertisement("b")], {})
    stacked, _ = read_advertisements([advertisement(name, **preferring) for name in "ab"], {})
    assert (len(collapse(plain)), len(collapse(stacked))) == (1, 2)


def test_preferences_may_repeat_and_an_empty_one_matches_all() -> None:
    (found,), mistakes = read_advertisements(
        [
            advertisement(
                "x",
                preferredNodeSelectors=[{"weight": 5, "preference": {}}, {"weight": 5, "preference": {}}],
            )
        ],
        {},
    )
    assert not mistakes
    assert [each.selector.matches({}) for each in found.advertisement.preferences] == [True, True]


@pytest.mark.parametrize(
    ("communities", "count"),
    [
        ([{"name": "a", "value": "64512:1234"}, {"name": "b", "value": "large:1:2:3"}], 0),
        ([{"name": "a", "value": "64512"}], 1),
        ([{"name": "a", "value": "70000:1"}], 1),
        ([{"name": "a", "value": "1:1"}, {"name": "a", "value": "1:2"}], 1),
    ],
)
def test_communities(communities: list[dict[str, str]], count: int) -> None:
    assert (
        len(check_communities([{"metadata": {"name": "c"}, "spec": {"communities": communities}}])) == count
    )


def test_selector_semantics() -> None:
    selector = read_selector(
        {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "k", "operator": "NotIn", "values": ["v"]}]}
    )
    assert selector.matches({"a": "b"})
    assert not selector.matches({"a": "b", "k": "v"})
    assert not selector.matches({})

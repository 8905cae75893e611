"""Preferred nodes: even, sticky, and the same for who shares an address."""

from collections import Counter
from dataclasses import replace
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from roost.controller.spreading import Spreading
from roost.kubernetes.resources import KubeNode

NODES = {name: KubeNode(name) for name in ("n1", "n2", "n3")}
VIP = ip_address("192.0.2.1")


@given(st.integers(1, 30), st.data())
def test_loads_differ_by_one_at_most(count: int, data: st.DataObject) -> None:
    spreading = Spreading()
    chosen = {}
    for at in range(count):
        address = ip_address(f"192.0.2.{at}")
        chosen[f"s{at}"] = spreading.choose(f"s{at}", address, "", NODES)
        if data.draw(st.booleans()):  # looked at again: nothing changes
            assert spreading.choose(f"s{at}", address, chosen[f"s{at}"], NODES) == chosen[f"s{at}"]
    loads = Counter(chosen.values())
    assert max(loads.values()) - min(loads[name] for name in NODES) <= 1


def test_a_choice_stays_while_its_node_exists() -> None:
    spreading = Spreading()
    first = spreading.choose("s", VIP, "", NODES)
    sick = NODES | {first: replace(NODES[first], ready=False)}
    assert spreading.choose("s", VIP, first, sick) == first
    rest = {name: node for name, node in NODES.items() if name != first}
    second = spreading.choose("s", VIP, first, rest)
    assert second in rest
    assert spreading.choose("s", VIP, second, NODES) == second


def test_nodes_that_cannot_lead_are_not_chosen() -> None:
    label = {"node.kubernetes.io/exclude-from-external-load-balancers": ""}
    bad = {
        "a": KubeNode("a", ready=False),
        "b": KubeNode("b", label),
        "c": KubeNode("c", network_unavailable=True),
        "d": KubeNode("d", drain=True),
    }
    assert Spreading().choose("s", VIP, "", bad) == ""
    assert Spreading().choose("s", VIP, "", bad | {"e": KubeNode("e")}) == "e"


def test_who_shares_an_address_prefers_the_same_node() -> None:
    spreading = Spreading()
    first = spreading.choose("one", VIP, "", NODES)
    other = next(name for name in NODES if name != first)
    assert spreading.choose("two", VIP, other, NODES, ["one", "two"]) == first


def test_what_is_forgotten_counts_no_more() -> None:
    spreading = Spreading()
    first = spreading.choose("s", VIP, "", NODES)
    spreading.forget("s")
    spreading.forget("s")
    assert spreading.choose("t", VIP, "", NODES) == first

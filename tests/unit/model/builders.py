"""Short ways to write services and nodes, and hypothesis strategies for both."""

from collections.abc import Mapping
from ipaddress import ip_address

from hypothesis import strategies as st

from roost.model.fitness import Fitness
from roost.model.node import Candidate, Node, Verdict
from roost.model.service import Advertisement, LabelSelector, Preference, Service
from roost.model.sharing import Sharing

__all__ = ["EVERYWHERE", "alive", "candidates", "fitnesses", "prefer", "service", "services"]

EVERYWHERE = Advertisement("everywhere")


def service(
    address: str,
    *advertisements: Advertisement,
    name: str = "web",
    endpoints: set[str] | None = None,
    sharing: Sharing | None = None,
) -> Service:
    return Service(
        name,
        tuple(ip_address(text) for text in address.split()),
        advertisements or (EVERYWHERE,),
        endpoint_nodes=None if endpoints is None else frozenset(endpoints),
        sharing=sharing,
    )


def prefer(weight: int, **labels: str) -> Preference:
    return Preference(weight, LabelSelector(match_labels=tuple(labels.items())))


def alive(*names: str, labels: Mapping[str, Mapping[str, str]] | None = None) -> list[Candidate]:
    return [Candidate(Node(name, (labels or {}).get(name, {}))) for name in names]


_names = st.sampled_from([f"n{number}" for number in range(6)])
_labels = st.dictionaries(st.sampled_from(["zone", "role"]), st.sampled_from(["a", "b"]))
_selectors = st.builds(LabelSelector, _labels.map(lambda labels: tuple(sorted(labels.items()))))
_advertisements = st.builds(
    Advertisement,
    name=st.sampled_from(["x", "y"]),
    names=st.frozensets(_names, max_size=3),
    selectors=st.lists(_selectors, max_size=2).map(tuple),
    preferences=st.lists(st.builds(Preference, st.integers(1, 3), _selectors), max_size=2).map(tuple),
)
_services = st.builds(
    Service,
    name=st.sampled_from(["s1", "s2", "s3", "s4"]),
    addresses=st.integers(1, 9).map(lambda last: (ip_address(f"192.0.2.{last}"),)),
    advertisements=st.lists(_advertisements, max_size=3).map(tuple),
    endpoint_nodes=st.none() | st.frozensets(_names),
)
_nodes = st.builds(
    Node,
    name=_names,
    labels=_labels,
    network_unavailable=st.sampled_from([False, False, False, True]),
    excluded=st.sampled_from([False, False, False, True]),
)
_fitness = st.builds(Fitness, st.booleans(), st.sampled_from([0, 0, -2, 5]))
fitnesses = st.dictionaries(
    st.sampled_from(["s1", "s2", "s3", "s4"]), st.dictionaries(_names, _fitness, max_size=4), max_size=3
)
services = st.lists(_services, max_size=4, unique_by=lambda each: each.name)
candidates = st.lists(
    st.builds(Candidate, _nodes, st.sampled_from(Verdict), deaf=st.booleans()),
    max_size=6,
    unique_by=lambda each: each.node.name,
)

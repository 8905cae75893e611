"""Who watches whom."""

from hypothesis import given
from hypothesis import strategies as st

from roost.decide.witnessing.duties import WITNESSES, duties, nearer, witnesses

NODES = st.sets(st.text("abcn123", min_size=1, max_size=6), min_size=1, max_size=30)


@given(NODES)
def test_everybody_is_watched_by_as_many_as_there_can_be_and_all_agree_on_whom(nodes: set[str]) -> None:
    watching = {node: duties(node, nodes) for node in nodes}
    for subject in nodes:
        watchers = {node for node in nodes if subject in watching[node]}
        assert len(watchers) == min(WITNESSES, len(nodes) - 1)
        assert subject not in watchers
        for watcher in watchers:
            assert watching[watcher][subject] == watchers - {watcher}


@given(NODES)
def test_nobody_watches_more_than_the_others(nodes: set[str]) -> None:
    assert {len(duties(node, nodes)) for node in nodes} == {min(WITNESSES, len(nodes) - 1)}


def test_a_stranger_has_no_duties() -> None:
    assert duties("x", {"a", "b"}) == {}


def test_witnesses_are_those_whose_duty_it_is() -> None:
    nodes = [f"n{number}" for number in range(9)]
    for name in nodes:
        assert witnesses(name, tuple(nodes)) == {each for each in nodes if name in duties(each, nodes)}
    assert witnesses("x", tuple(nodes)) == frozenset()


@given(NODES)
def test_of_each_node_one_witness_is_the_nearest_and_all_agree_on_the_order(nodes: set[str]) -> None:
    order = {node: nearer(duties(node, nodes)) for node in nodes}
    for subject in nodes:
        before = {node: order[node][subject] for node in nodes if subject in order[node]}
        assert sorted(map(len, before.values())) == list(range(len(before)))
        for node, nearest in before.items():
            assert nearest == {other for other in before if len(before[other]) < len(before[node])}

"""Two addresses with opposite orders of nodes: led by different ones, and a death moves only what it led."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from roost.model.election import Election
from roost.model.node import Candidate, Node, Verdict
from roost.model.service import Advertisement, LabelSelector, Preference, Service

V4, V6 = IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1")
ONE = Service("s", (V4,), (Advertisement("all"),))
OTHER = replace(ONE, name="s#2", addresses=(V6,), apart_from=V4)
names = st.sets(st.text("abcdef", min_size=1, max_size=4), min_size=2, max_size=8)


def leaders(living: set[str], dead: set[str], *services: Service) -> list[str | None]:
    candidates = [
        Candidate(Node(name), Verdict.ALIVE if name in living else Verdict.DEAD) for name in living | dead
    ]
    election = Election(services or (ONE, OTHER), candidates)
    return [election.rankings[service.name].leader for service in services or (ONE, OTHER)]


@given(names)
def test_they_are_led_by_different_nodes_as_long_as_two_live(nodes: set[str]) -> None:
    for count in range(2, len(nodes) + 1):
        for living in list(combinations(sorted(nodes), count))[:20]:
            one, other = leaders(set(living), nodes - set(living))
            assert one != other
    alone = min(nodes)
    assert leaders({alone}, nodes - {alone}) == [alone, alone]


@given(names)
def test_a_death_moves_only_what_the_dead_node_led(nodes: set[str]) -> None:
    before = leaders(nodes, set())
    for gone in nodes:
        after = leaders(nodes - {gone}, {gone})
        for old, new in zip(before, after, strict=True):
            assert new == old or old == gone


@given(names)
def test_a_node_that_the_service_prefers_leads_one_of_them(nodes: set[str]) -> None:
    for preferred in nodes:
        one, other = leaders(nodes, set(), *(replace(each, preferred=preferred) for each in (ONE, OTHER)))
        assert one == preferred
        assert other != preferred


def test_the_first_is_led_as_without_the_other() -> None:
    nodes = {f"n{at}" for at in range(6)}
    whole = replace(ONE, addresses=(V4, V6))
    assert leaders(nodes, set())[0] == leaders(nodes, set(), whole)[0]


def test_preferences_of_advertisements_come_first() -> None:
    """Both on the only preferred node: what an administrator prefers counts more."""
    preference = Preference(10, LabelSelector((("zone", "a"),)))
    rules = (Advertisement("all", preferences=(preference,)),)
    candidates = [Candidate(Node(f"n{at}", {"zone": "a"} if at == 1 else {})) for at in range(4)]
    election = Election([replace(each, advertisements=rules) for each in (ONE, OTHER)], candidates)
    assert {ranking.leader for ranking in election.rankings.values()} == {"n1"}

"""Slots are shared by weight, alike on all nodes, and only as many move as have to."""

from collections import Counter
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roost.model.forwarding import Target
from roost.model.slots import SIZES, Slots, size_for

SIZE = SIZES[0]


def target(number: int) -> Target:
    return Target(ip_address(0xC6336400 + number), 80)


def moved(before: tuple[Target, ...], after: tuple[Target, ...]) -> set[tuple[Target, Target]]:
    return {(old, new) for old, new in zip(before, after, strict=True) if old != new}


weights = st.dictionaries(st.integers(1, 40).map(target), st.integers(0, 9), max_size=12)


@given(weights)
def test_each_slot_is_somebodys_who_has_a_weight(given_to: dict[Target, int]) -> None:
    owners = Slots().share(0, given_to, SIZE)
    able = {each for each, weight in given_to.items() if weight}
    assert len(owners) == (SIZE if able else 0)
    assert set(owners) <= able


@given(weights, st.integers(50, 60).map(target), st.integers(1, 9))
def test_who_comes_takes_only_what_becomes_its_own_and_leaves_only_that(
    given_to: dict[Target, int], new: Target, weight: int
) -> None:
    slots = Slots()
    before, after = slots.share(0, given_to, SIZE), slots.share(0, {**given_to, new: weight}, SIZE)
    if before:
        assert {taker for _, taker in moved(before, after)} <= {new}
    assert Slots().share(0, given_to, SIZE) == before, "what was asked before does not matter"


@given(weights, st.integers(1, 9))
def test_a_weight_that_grows_only_takes(given_to: dict[Target, int], more: int) -> None:
    one, other = target(1), target(2)
    given_to = {**given_to, one: 2, other: 3}
    before = Slots().share(0, given_to, SIZE)
    after = Slots().share(0, {**given_to, one: 2 + more}, SIZE)
    assert {taker for _, taker in moved(before, after)} <= {one}


@given(st.lists(weights, min_size=2, max_size=12))
def test_what_was_shared_out_before_changes_nothing(history: list[dict[Target, int]]) -> None:
    slots = Slots()
    for given_to in history:
        assert slots.share("web", given_to, SIZE) == Slots().share("web", given_to, SIZE)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 60).map(target), st.sampled_from([0, 1, 5, 300])), max_size=40))
def test_nor_do_many_that_come_and_go_one_after_the_other(changes: list[tuple[Target, int]]) -> None:
    slots, given_to = Slots(), {target(number): 1 for number in range(1, 61)}
    slots.share("web", given_to, SIZE)
    for each, weight in changes:
        given_to[each] = weight
        slots.share("web", given_to, SIZE)
    assert slots.share("web", given_to, SIZE) == Slots().share("web", given_to, SIZE)


@pytest.mark.parametrize("leaving", range(22))
def test_who_is_next_may_be_one_that_came_late(leaving: int) -> None:
    few = {target(number): 1 for number in range(22)}
    slots = Slots()
    slots.share("web", few, SIZE)
    slots.share("web", {**few, target(40): 60}, SIZE)
    left = {**few, target(40): 60, target(leaving): 0}
    assert slots.share("web", left, SIZE) == Slots().share("web", left, SIZE)


def test_what_has_changed_is_found_quickly() -> None:
    slots, given_to = Slots(), {target(number): 1 for number in range(1, 41)}
    before = slots.share("web", given_to, SIZE)
    assert slots.share("web", {target(number): 1 for number in range(1, 41)}, SIZE) is before
    after = slots.share("web", {target(number): 1 for number in range(1, 40)}, SIZE)
    assert all(one is other for one, other in zip(before, after, strict=True) if one == other)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_shares_are_by_weight(count: int) -> None:
    given_to = {target(number): number for number in range(1, count + 1)}
    found = Counter(Slots().share(0, given_to, 4093))
    for each, weight in given_to.items():
        share = 4093 * weight / sum(given_to.values())
        assert abs(found[each] - share) < 5 * share**0.5


def test_it_is_the_same_everywhere_and_for_ever() -> None:
    """Nodes of two versions have to agree: these are never to change."""
    owners = Slots().share(0, {target(1): 1, target(2): 1, target(3): 2}, SIZE)
    assert "".join(str(int(each.address) & 0xFF) for each in owners[:40]) == PINNED


def test_their_number_depends_on_how_many_are_configured_alone() -> None:
    assert [size_for(count) for count in (0, 1, 15, 16, 63, 64, 1000, 100_000)] == [
        1021, 1021, 1021, 4093, 4093, 16381, 16381, 16381,
    ]  # fmt: skip


PINNED = "3133131123333321213123322323113133133233"

"""The collector leaves alone what is there to stay, and goes on finding what is not."""

import gc
from collections.abc import Iterator

import pytest

from roost.runtime import garbage


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    gc.enable()
    gc.unfreeze()


def test_what_lives_is_looked_at_no_more() -> None:
    kept = [[number] for number in range(1000)]
    garbage.settle()
    assert gc.get_freeze_count() >= len(kept)
    assert gc.get_count()[2] == 0
    assert not any(each is kept for each in gc.get_objects())


def test_nothing_is_collected_while_much_is_built_and_what_was_garbage_is_gone_before() -> None:
    _leave_a_cycle()
    with garbage.building():
        assert not gc.isenabled()
        assert gc.collect() == 0
        kept = [[number] for number in range(1000)]
    assert gc.isenabled()
    assert not any(each is kept for each in gc.get_objects())
    _leave_a_cycle()
    assert gc.collect() > 0


def test_a_failure_while_building_leaves_the_collector_on() -> None:
    with pytest.raises(RuntimeError), garbage.building():
        raise RuntimeError
    assert gc.isenabled()


def _leave_a_cycle() -> None:
    one: list[object] = []
    one.append(one)

"""Packets of connections that are on another node that shares the address get there, and never circle."""

from itertools import combinations, product

from roost.decide.connections.row import sharers

NODES = ("n1", "n2", "n3", "n4")
_Views = dict[str, tuple[set[str], set[str]]]  # node -> who is silent, who has left, as it sees them


def visited(begin: str, views: _Views, acting: set[str]) -> list[str]:
    """Return the nodes that a packet visits that nobody knows; who is not `acting` passes nothing on."""
    path, source = [begin], ""
    while path[-1] in acting:
        me = path[-1]
        silent, left = views[me]
        row = sharers(me, set(NODES) - {me}, silent, left, leaving=False)
        onward = row.first if not source else row.upward if source < me else row.led
        if not onward or len(path) > 9:
            return path
        source = me
        path.append(onward[0])
    return path


def test_whoever_begins_all_live_nodes_and_one_that_left_are_visited() -> None:
    for gone in ((), *((each,) for each in NODES)):
        acting = set(NODES) - set(gone)
        views: _Views = {each: (set(), set(gone)) for each in acting}
        for begin in acting:
            path = visited(begin, views, acting)
            assert set(path) == set(NODES), (begin, gone, path)


def test_one_whose_process_is_silent_is_visited_first_by_who_begins() -> None:
    for gone in NODES:
        acting = set(NODES) - {gone}
        for begin in acting:
            assert visited(begin, {each: ({gone}, set()) for each in acting}, acting)[1] == gone


def test_nothing_circles_while_some_hang_and_others_do_not_know() -> None:
    """Whatever each node holds for silent, or not yet, and all of them still pass on."""
    for count in (1, 2):
        for silent in combinations(NODES, count):
            for knows in product((False, True), repeat=len(NODES)):
                views: _Views = {
                    each: (set(silent) - {each} if aware else set(), set())
                    for each, aware in zip(NODES, knows, strict=True)
                }
                for begin in NODES:
                    path = visited(begin, views, set(NODES))
                    assert len(path) <= len(NODES) + 2, (begin, silent, knows, path)

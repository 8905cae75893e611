"""Packets of connections that are on another node that shares the address get there, and never circle."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations, product

from roost.decide.connections.row import OtherSharers, sharers

NODES = ("n1", "n2", "n3", "n4")
_Views = dict[str, OtherSharers]  # node -> the others as it sees them


def seen_by(me: str, silent: Iterable[str] = (), **leaving: Iterable[str]) -> OtherSharers:
    names = frozenset(NODES) - {me}
    return OtherSharers(
        names, names, names & set(silent), **{stage: names & set(of) for stage, of in leaving.items()}
    )


def visited(
    begin: str, views: _Views, acting: set[str], leaves: str | None = None, *, known: bool = False
) -> list[str]:
    """Return the nodes that a packet visits that nobody knows; who is not `acting` passes nothing on.

    That `leaves` does so is `known` to all by now, as far as it can tell.
    """
    path, source = [begin], ""
    while path[-1] in acting:
        me = path[-1]
        row = sharers(me, views[me], leaving=me == leaves, known=known)
        if not source:
            onward = row.first
        elif source < me:
            onward = row.upward
        else:
            onward = row.led if source in row.beginners else ()
        if not onward or len(path) > 9:
            return path
        source = me
        path.append(onward[0])
    return path


def test_whoever_begins_all_live_nodes_and_one_that_left_are_visited() -> None:
    for gone in ((), *((each,) for each in NODES)):
        acting = set(NODES) - set(gone)
        views = {each: seen_by(each, left=gone) for each in acting}
        for begin in acting:
            path = visited(begin, views, acting)
            assert set(path) == set(NODES), (begin, gone, path)


def test_one_whose_process_is_silent_is_visited_first_by_who_begins() -> None:
    for gone in NODES:
        acting = set(NODES) - {gone}
        for begin in acting:
            assert visited(begin, {each: seen_by(each, [gone]) for each in acting}, acting)[1] == gone


def test_nothing_circles_while_some_hang_and_others_do_not_know() -> None:
    """Whatever each node holds for silent, or not yet, and all of them still pass on."""
    for count in (1, 2):
        for silent in combinations(NODES, count):
            for knows in product((False, True), repeat=len(NODES)):
                views = {
                    each: seen_by(each, silent if aware else ())
                    for each, aware in zip(NODES, knows, strict=True)
                }
                for begin in NODES:
                    path = visited(begin, views, set(NODES))
                    assert len(path) <= len(NODES) + 2, (begin, silent, knows, path)


def test_while_one_leaves_all_are_visited_whoever_has_heard_of_it() -> None:
    """Until all have, it is parting for those that know; later it is gone for some already."""
    for leaves, stages in product(NODES, (("unheard", "parting"), ("parting", "left"))):
        others = [each for each in NODES if each != leaves]
        for seen in product(stages, repeat=len(others)):
            views = {leaves: seen_by(leaves)}
            for each, stage in zip(others, seen, strict=True):
                views[each] = seen_by(each, **({stage: [leaves]} if stage != "unheard" else {}))
            for begin in others:
                known = "left" in stages
                path = visited(begin, views, set(NODES), leaves, known=known)
                assert len(path) <= len(NODES) + 2, (begin, leaves, seen, path)
                # What begins with the first one is dropped when that leaves, and sent again later.
                dropped = leaves == NODES[0] and path == [begin, leaves]
                # So is what finds it in its place when, as far as it can tell, all know.
                dropped |= known and "parting" in seen and path[-1] == leaves
                assert dropped or set(path) == set(NODES), (begin, leaves, seen, path)


def test_nothing_circles_while_one_leaves_and_some_do_not_hold_the_last_one_for_lost() -> None:
    """Who leaves hears less than the others, or more (campaign, seeds 37000630 and 39001081)."""
    for leaves in ("n1", "n2", "n3"):
        for begin, stage in product({*NODES} - {leaves}, ("unheard", "parting")):
            views = {
                each: seen_by(each, **({stage: [leaves]} if stage != "unheard" else {})) for each in NODES
            }
            for each in ("n1", "n2", "n3"):
                if each != leaves:
                    views[each] = replace(views[each], names=views[each].names - {"n4"})
            path = visited(begin, views, set(NODES), leaves)
            assert len(path) <= len(NODES) + 2, (begin, leaves, stage, path)


def test_who_holds_nothing_may_begin() -> None:
    row = sharers("n1", OtherSharers(frozenset({"n2"}), frozenset({"n2", "n3"})), leaving=False)
    assert (row.led, row.beginners) == (["n2"], {"n2", "n3"})


def test_who_leaves_passes_nothing_on_once_all_know() -> None:
    """Of those that are last for others it hears no more."""
    assert sharers("n1", seen_by("n1"), leaving=True).upward
    assert not sharers("n1", seen_by("n1"), leaving=True, known=True).upward

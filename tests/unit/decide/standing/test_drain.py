"""Wishes to drain, here and elsewhere, and how far a node is."""

from roost.decide.standing.drain import Drain
from roost.protocols.words.draining import Ask, Progress


class Measured:
    """What the node is made of: services led, packets for others' addresses, seconds without, connections."""

    def __init__(self) -> None:
        self.values = (3, 0, float("inf"), 4)
        self.drain = Drain("n1", lambda _now: self.values)


def test_a_wish_changes_something_once() -> None:
    drain = Measured().drain
    assert not drain.wish(None, 0.0)
    assert drain.wish(True, 0.0)
    assert not drain.wish(True, 1.0)
    assert not drain.wish(None, 2.0)
    assert drain.draining
    assert drain.wish(False, 3.0)
    assert not drain.draining


def test_a_wish_for_another_node_is_a_word_for_it_and_its_answer_is_kept() -> None:
    drain = Measured().drain
    assert drain.progress("n2", 0.0) is None
    assert drain.ask(True, "n2") == Ask("n1", "n2", True)
    word = Progress("n2", True, 0, 7, 1.5)
    drain.note(word)
    assert drain.progress("n2", 0.0) == word


def test_quiet_counts_from_the_last_packet_and_not_from_before_the_drain() -> None:
    node = Measured()
    node.values = (0, 5, 62.0, 4)
    node.drain.wish(True, 100.0)
    assert node.drain.progress("n1", 102.0) == Progress("n1", True, 0, 5, 2.0, 4)
    node.values = (0, 6, 0.5, 4)
    assert node.drain.progress("n1", 102.0) == Progress("n1", True, 0, 6, 0.5, 4)


def test_a_node_that_never_saw_a_packet_is_quiet_since_the_wish() -> None:
    node = Measured()
    node.drain.wish(True, 100.0)
    assert node.drain.own(101.5) == Progress("n1", True, 3, 0, 1.5, 4)


def test_who_is_not_draining_is_not_quiet_since_its_start() -> None:
    node = Measured()
    assert node.drain.own(1000.0).quiet == 0.0
    node.drain.wish(True, 1000.0)
    node.drain.wish(False, 1002.0)
    assert node.drain.own(1010.0).quiet == 0.0


def stands(node: Measured) -> bool:
    return node.drain.stands


def test_it_stands_once_nothing_was_open_for_half_a_minute() -> None:
    node = Measured()
    assert node.drain.next_wake() is None
    node.drain.wish(True, 100.0)
    assert (node.drain.next_wake(), stands(node)) == (101.0, False)
    assert not node.drain.wake(100.5)
    assert not node.drain.wake(150.0), "connections are open"
    node.values = (0, 5, 0.0, 0)
    assert not node.drain.wake(179.0)
    assert node.drain.wake(180.0)
    assert stands(node)
    assert node.drain.next_wake() is None
    assert not node.drain.wake(200.0), "that is told once"
    node.drain.wish(False, 201.0)
    assert not stands(node)
    node.drain.wish(True, 300.0)
    assert not node.drain.wake(301.0)


def test_it_stands_at_last_whatever_stays_open() -> None:
    node = Measured()
    node.drain.wish(True, 100.0)
    assert not node.drain.wake(699.0)
    assert node.drain.wake(700.0)


def test_the_progress_of_so_many_nodes_is_kept_and_no_more() -> None:
    drain = Measured().drain
    for number in range(1000):
        drain.note(Progress(f"m{number}", True, 0, 0, 0.0))
    assert sum(drain.progress(f"m{number}", 0.0) is not None for number in range(1000)) == 64
    known = Progress("m0", True, 0, 9, 0.0)
    drain.note(known)
    assert drain.progress("m0", 0.0) == known, "those that are known go on being heard"

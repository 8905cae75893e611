"""Wishes to drain, here and elsewhere, and how far a node is."""

from collections.abc import Iterable

from roost.protocols.words.codec import Word, decode
from roost.protocols.words.draining import Ask, Progress
from roost.speaker.drain import Drain


class Node:
    """A node's drain, and what it sends and does."""

    def __init__(self) -> None:
        self.sent: list[tuple[list[str], Word]] = []
        self.changes = 0
        self.now = 100.0
        self.measured = (3, 0, float("-inf"))
        self.drain = Drain(
            "n1", self._tell, measure=lambda: self.measured, changed=self._change, clock=lambda: self.now
        )

    def _tell(self, names: Iterable[str], payload: bytes) -> None:
        self.sent.append((list(names), decode(payload)))

    def _change(self) -> None:
        self.changes += 1


def test_a_wish_for_this_node_is_carried_out_once() -> None:
    node = Node()
    node.drain.wish("n1", True)
    node.drain.wish("n1", True)
    node.drain.wish("n1", None)
    assert (node.drain.draining, node.changes, node.sent) == (True, 1, [])
    node.drain.wish("n1", False)
    assert (node.drain.draining, node.changes) == (False, 2)


def test_a_wish_for_another_node_is_passed_on_and_its_word_is_kept() -> None:
    node = Node()
    assert node.drain.progress("n2") is None
    node.drain.wish("n2", True)
    assert node.sent == [(["n2"], Ask("n1", "n2", True))]
    word = Progress("n2", True, 0, 7, 1.5)
    node.drain.receive(word)
    assert node.drain.progress("n2") == word


def test_a_peers_wish_is_carried_out_and_answered() -> None:
    node = Node()
    node.drain.receive(Ask("n2", "n1", True))
    assert node.drain.draining
    assert node.sent == [(["n2"], Progress("n1", True, 3, 0, 0.0))]
    node.drain.receive(Ask("n2", "n3", False))
    assert node.drain.draining, "that was meant for somebody else"


def test_quiet_counts_from_the_last_packet_and_not_from_before_the_drain() -> None:
    node = Node()
    node.measured = (0, 5, 40.0)
    node.drain.wish("n1", True)
    node.now = 102.0
    assert node.drain.progress("n1") == Progress("n1", True, 0, 5, 2.0)
    node.measured = (0, 6, 101.5)
    assert node.drain.progress("n1") == Progress("n1", True, 0, 6, 0.5)

"""What nodes cannot hold, by their own word."""

from ipaddress import IPv4Address, ip_address
from itertools import pairwise

from roost.decide.standing.inability import Inability
from roost.protocols.words.unable import UNABLE_LIMIT, Unable

VIP, OTHER = ip_address("192.0.2.200"), ip_address("192.0.2.201")


def test_this_nodes_own_is_told_when_it_changes_and_again_now_and_then() -> None:
    inability = Inability("n1")
    assert not inability.own(frozenset(), 0.0)
    assert inability.own(frozenset({VIP}), 0.0)
    assert not inability.own(frozenset({VIP}), 0.1)
    assert inability.word == Unable("n1", (VIP,), 1)
    assert inability.by_node == {"n1": {VIP}}
    said = repeated(inability, until=9.0)
    assert said[0] <= 0.1, "a lost message costs moments"
    assert [later - earlier for earlier, later in pairwise(said)][-2:] == [2.0, 2.0]


def test_who_starts_anew_is_believed_though_nobody_saw_it_go() -> None:
    """It says newer things than its predecessor (campaign, --seed 37, run 1068)."""
    peer = Inability("n2")
    for started, address in ((5.0, VIP), (9.0, OTHER)):
        inability = Inability("n1")
        inability.own(frozenset({VIP, OTHER}), started)
        inability.own(frozenset({address}), started + 0.1)
        assert peer.hear(inability.word)
        assert peer.by_node == {"n1": {address}}
        for _ in range(20):
            inability.own(frozenset(), started + 0.2)
            inability.own(frozenset({address}), started + 0.2)
        peer.hear(inability.word)


def test_that_all_can_be_held_again_is_repeated_for_a_while_only() -> None:
    inability = Inability("n1")
    inability.own(frozenset({VIP}), 0.0)
    assert inability.own(frozenset(), 1.0), "the others have to hear that"
    assert inability.word == Unable("n1", (), 1000)
    assert inability.spoken, "and so has whoever comes, who may remember the word before"
    said = repeated(inability, until=60.0)
    assert len(said) > 2
    assert said[-1] < 5.0
    assert inability.next_wake() is None


def repeated(inability: Inability, until: float) -> list[float]:
    """When it is said again, in seconds."""
    said = []
    while (due := inability.next_wake()) is not None and due <= until:
        assert not inability.wake(due - 0.001)
        assert inability.wake(due)
        said.append(due)
    return said


def test_a_word_of_another_node_replaces_the_one_before() -> None:
    inability = Inability("n1")
    assert inability.hear(Unable("n2", (VIP,)))
    assert not inability.hear(Unable("n2", (VIP,)))
    assert inability.hear(Unable("n2", (OTHER,)))
    assert inability.by_node == {"n2": {OTHER}}
    assert inability.hear(Unable("n2", ()))
    assert inability.by_node == {}


def test_a_word_that_was_overtaken_says_nothing() -> None:
    inability = Inability("n1")
    assert inability.hear(Unable("n2", (OTHER,), 2))
    assert not inability.hear(Unable("n2", (VIP,), 1))
    assert inability.by_node == {"n2": {OTHER}}
    assert inability.hear(Unable("n3", (VIP,), 1)), "each node counts for itself"
    assert inability.hear(Unable("n2", (), 3))
    assert not inability.hear(Unable("n2", (OTHER,), 2)), "nor does it after all could be held"


def test_who_comes_anew_may_have_begun_to_count_anew() -> None:
    inability = Inability("n1")
    inability.hear(Unable("n2", (OTHER,), 7))
    inability.came("n2")
    inability.came("n3")
    assert inability.by_node == {"n2": {OTHER}}, "until it says something"
    assert inability.hear(Unable("n2", (VIP,), 1))
    assert inability.by_node == {"n2": {VIP}}


def test_nobody_else_says_what_this_node_cannot_hold() -> None:
    inability = Inability("n1")
    assert not inability.hear(Unable("n1", (VIP,)))
    assert inability.by_node == {}


def test_the_word_and_the_memory_are_bounded() -> None:
    inability = Inability("n1")
    inability.own(frozenset(IPv4Address("198.51.100.0") + number for number in range(200)), 0.0)
    assert len(inability.word.addresses) == UNABLE_LIMIT
    for number in range(5000):
        inability.hear(Unable(f"m{number}", (VIP,), 1))
    assert len(inability.by_node) == 1024
    assert len(inability._serials) == 1024

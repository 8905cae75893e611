"""A return is an answer after silence."""

from roost.decide.witnessing.lost_peers import LostPeers


def test_a_peer_that_was_silent_and_answers_has_come_back_once() -> None:
    lost = LostPeers[str]()
    lost.lost("n1", "ask n1")
    for _ in range(3):
        assert list(lost.round()) == ["ask n1"]
    assert lost.answered("n1")
    assert not lost.answered("n1")


def test_a_host_whose_process_alone_has_ended_answers_all_the_time_and_does_not_return() -> None:
    lost = LostPeers[str]()
    lost.lost("n1", "ask n1")
    for _ in range(10):
        list(lost.round())
        assert not lost.answered("n1")


def test_who_was_found_is_asked_for_no_more() -> None:
    lost = LostPeers[str]()
    lost.lost("n1", "ask n1")
    lost.found(["n1", "n2"])
    assert not list(lost.round())
    assert not lost.answered("n1")


def test_only_the_last_ones_lost_are_asked_for() -> None:
    lost = LostPeers[str]()
    for number in range(10):
        lost.lost(f"n{number}", f"ask n{number}")
    assert list(lost.targets) == ["n6", "n7", "n8", "n9"]


def test_being_lost_again_does_not_begin_anew() -> None:
    lost = LostPeers[str]()
    for _ in range(3):
        lost.lost("n1", "ask n1")
        list(lost.round())
    assert lost.answered("n1")

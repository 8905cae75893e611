"""Lost nodes that answer still."""

from roost.decide.sharing.presence import Presence


def test_who_was_lost_by_gossip_alone_counts_until_it_was_asked_for() -> None:
    presence = Presence()
    presence.doubt("n2", 1.0)
    assert presence.nodes == {"n2"}
    assert presence.wake(1.0) == (frozenset(), True)
    assert presence.wake(1.06) == (frozenset(), True)
    assert presence.wake(1.11)[0] == {"n2"}
    assert presence.next_wake() is None


def test_who_answers_counts_as_long_as_it_does() -> None:
    presence = Presence()
    presence.doubt("n2", 1.0)
    assert not presence.heard("n2", 1.01)
    for tenth in range(1, 30):
        assert presence.wake(1.0 + tenth / 10)[0] == frozenset()
        presence.heard("n2", 1.0 + tenth / 10)
    assert presence.wake(4.4)[0] == {"n2"}
    assert presence.heard("n2", 5.0), "that is news again"


def test_a_witness_ends_a_presumption_and_no_answer() -> None:
    presence = Presence()
    presence.doubt("n2", 1.0)
    assert presence.witnessed("n2")
    presence.heard("n2", 1.1)
    assert not presence.witnessed("n2")
    assert presence.back("n2")
    assert presence.nodes == set()

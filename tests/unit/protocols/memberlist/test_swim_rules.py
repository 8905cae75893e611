"""What messages change: incarnations, refutation, reclaiming a name, merging states."""

import pytest
from tests.unit.protocols.memberlist.swim_bench import Bench, alive, dead, host, state, suspect

from roost.protocols.machine import Endpoint
from roost.protocols.memberlist import members
from roost.protocols.memberlist.effects import NameTaken
from roost.protocols.memberlist.messages import (
    CURRENT_VERSIONS,
    Alive,
    Dead,
    PushPull,
    Status,
    Suspect,
    Versions,
)

ELSEWHERE = Endpoint("198.51.100.7", 7946)


def _merge(bench: Bench, *nodes: object) -> None:
    bench.swim.serve(PushPull(tuple(nodes), b"", False), host(3), bench.now)  # type: ignore[arg-type]


def test_a_stranger_joins_and_is_passed_on() -> None:
    bench = Bench()
    bench.feed(alive(2, 3, meta=b"m"))
    member = bench.swim.members["n2"]
    assert (member.endpoint, member.meta, member.incarnation) == (host(2), b"m", 3)
    assert bench.changes() == [("join", "n2")]
    bench.run(0.3)
    assert alive(2, 3, meta=b"m") in bench.sent(Alive)


@pytest.mark.parametrize("message", [suspect(2), dead(2), alive(2, 0)])
def test_a_stranger_is_not_known_by_accusations_or_incarnation_zero(message: Alive | Dead | Suspect) -> None:
    bench = Bench()
    bench.feed(message)
    assert set(bench.swim.members) == {"n1"}


@pytest.mark.parametrize("incarnation", [4, 5])
def test_an_incarnation_that_is_not_newer_says_nothing_new(incarnation: int) -> None:
    bench = Bench()
    bench.feed(alive(2, 5))
    bench.feed(alive(2, incarnation, meta=b"other"))
    assert bench.swim.members["n2"].meta == b""


def test_other_metadata_is_an_update() -> None:
    bench = Bench(2)
    bench.feed(alive(2, 2, meta=b"other"))
    assert bench.changes() == [("update", "n2")]


@pytest.mark.parametrize(
    ("incarnation", "status"), [(4, Status.ALIVE), (5, Status.SUSPECT), (6, Status.SUSPECT)]
)
def test_an_accusation_holds_from_the_known_incarnation_on(incarnation: int, status: Status) -> None:
    bench = Bench()
    bench.feed(alive(2, 5))
    bench.feed(suspect(2, incarnation))
    assert bench.status(2) is status


def test_a_refuted_suspicion_is_over() -> None:
    bench = Bench(3)
    bench.feed(suspect(2))
    bench.feed(alive(2, 1))
    assert bench.status(2) is Status.SUSPECT
    bench.feed(alive(2, 2))
    assert bench.changes() == [("suspect", "n2"), ("alive", "n2")]
    bench.run(30.0, answering=True)
    assert bench.status(2) is Status.ALIVE


def test_a_verdict_needs_no_suspicion_and_the_dead_come_back_with_a_new_incarnation() -> None:
    bench = Bench(3)
    bench.feed(dead(2))
    assert bench.swim.members["n2"].evidence == "declared dead by n3"
    bench.feed(suspect(2, 9))
    assert bench.status(2) is Status.DEAD
    bench.feed(alive(2, 1))
    assert bench.status(2) is Status.DEAD
    bench.feed(alive(2, 2))
    assert bench.changes() == [("dead", "n2"), ("join", "n2")]


def test_who_declares_itself_dead_has_left() -> None:
    bench = Bench(3)
    bench.feed(dead(2, by=2))
    assert bench.status(2) is Status.LEFT
    assert bench.changes() == [("leave", "n2")]


def test_who_was_called_dead_before_its_own_word_came_has_left_all_the_same() -> None:
    bench = Bench(3)
    bench.feed(dead(2))
    bench.feed(dead(2))
    assert bench.status(2) is Status.DEAD
    bench.feed(dead(2, 0, by=2))
    assert bench.status(2) is Status.DEAD, "a word of an earlier life"
    bench.feed(dead(2, by=2))
    assert bench.status(2) is Status.LEFT
    assert bench.changes() == [("dead", "n2"), ("leave", "n2")]


@pytest.mark.parametrize(
    "message",
    [suspect(1, 7), dead(1, 7), dead(1, 7, by=1), alive(1, 7, meta=b"old")],
)
def test_this_node_outbids_what_is_said_about_it(message: Alive | Dead | Suspect) -> None:
    bench = Bench(3)
    bench.run(2.0, answering=True)
    bench.take()
    bench.feed(message)
    assert bench.swim.members["n1"].incarnation == 8
    assert bench.status(1) is Status.ALIVE
    assert bench.swim.local_health == 1
    bench.run(0.2)
    assert alive(1, 8) in bench.sent(Alive)


def test_this_node_ignores_old_words_about_itself() -> None:
    bench = Bench(3)
    bench.feed(suspect(1, 7))
    for message in (suspect(1, 7), dead(1, 7), alive(1, 7), alive(1, 8)):
        bench.feed(message)
    assert bench.swim.members["n1"].incarnation == 8


def test_a_former_self_with_other_metadata_is_refuted_at_the_same_incarnation() -> None:
    bench = Bench(2, meta=b"new")
    bench.feed(alive(1, 1, meta=b"old"))
    assert bench.swim.members["n1"].incarnation == 2


def test_the_highest_incarnation_cannot_be_outbid_and_does_no_harm() -> None:
    bench = Bench(2)
    bench.feed(suspect(1, 0xFFFF_FFFF))
    bench.swim.set_meta(b"m", bench.now)
    bench.run(1.0)
    assert bench.swim.members["n1"].incarnation == 0xFFFF_FFFF


@pytest.mark.parametrize("number", [1, 2])
def test_a_name_in_use_elsewhere_is_a_conflict(number: int) -> None:
    bench = Bench(2)
    bench.feed(alive(number, 9, at=ELSEWHERE))
    assert bench.faults() == ["name-conflict"]
    assert bench.swim.members[f"n{number}"].endpoint == host(number)


def test_another_bearer_of_this_nodes_own_name_is_told_of_with_its_metadata() -> None:
    bench = Bench(2)
    bench.feed(alive(1, 9, at=ELSEWHERE, meta=b"other"))
    bench.feed(alive(2, 9, at=ELSEWHERE))
    taken = [effect for effect in bench.take() if isinstance(effect, NameTaken)]
    assert taken == [NameTaken(ELSEWHERE, b"other")]


def test_a_name_that_left_may_move_whatever_its_incarnation() -> None:
    bench = Bench(2)
    bench.feed(dead(2, 5, by=2))
    bench.feed(alive(2, 1, at=ELSEWHERE))
    assert bench.swim.members["n2"].endpoint == ELSEWHERE
    assert bench.changes() == [("leave", "n2"), ("join", "n2")]


@pytest.mark.parametrize(("reclaim", "moved"), [(0.0, False), (5.0, True), (50.0, False)])
def test_a_dead_name_may_move_after_the_reclaim_time(reclaim: float, moved: bool) -> None:
    bench = Bench(3, dead_node_reclaim_time=reclaim)
    bench.feed(dead(2))
    bench.run(6.0, answering=True)
    bench.feed(alive(2, 2, at=ELSEWHERE))
    assert (bench.swim.members["n2"].endpoint == ELSEWHERE) is moved


@pytest.mark.parametrize("versions", [Versions(0, 5, 2), Versions(1, 0, 2), Versions(3, 2, 2)])
def test_impossible_versions_are_refused(versions: Versions) -> None:
    bench = Bench()
    bench.feed(alive(2, versions=versions))
    assert bench.faults() == ["bad-versions"]
    assert "n2" not in bench.swim.members


def test_an_address_is_passed_on_as_its_owner_writes_it() -> None:
    mapped = bytes.fromhex("00000000000000000000ffffc000020c")
    bench = Bench(3)
    bench.run(1.0, answering=True)
    bench.take()
    bench.feed(Alive(2, "n2", mapped, 7946, b"", CURRENT_VERSIONS))
    assert bench.swim.members["n2"].endpoint == host(2)
    bench.run(0.3)
    assert {message.address for message in bench.sent(Alive)} == {mapped}
    reply = bench.swim.serve(PushPull((), b"", True), host(3), bench.now)
    assert isinstance(reply, PushPull)
    assert mapped in [node.address for node in reply.nodes]


def test_a_merge_suspects_the_dead_and_believes_the_rest() -> None:
    bench = Bench(5)
    living = (state(5, Status.ALIVE), state(6, Status.ALIVE))
    _merge(bench, state(2, Status.DEAD), state(3, Status.SUSPECT), state(4, Status.LEFT), *living)
    assert [bench.status(number) for number in (2, 3, 4, 6)] == [
        Status.SUSPECT,
        Status.SUSPECT,
        Status.LEFT,
        Status.ALIVE,
    ]
    assert "dead in the state of n3" in bench.swim.members["n2"].evidence
    assert "n1" in bench.swim.members["n2"].evidence


def test_a_merge_tells_nothing_about_strangers_that_do_not_live() -> None:
    bench = Bench(2)
    _merge(bench, state(7, Status.DEAD), state(8, Status.LEFT))
    assert set(bench.swim.members) == {"n1", "n2"}


def test_a_merge_that_buries_this_node_is_refuted() -> None:
    bench = Bench(3)
    _merge(bench, state(1, Status.LEFT, 4))
    assert bench.swim.members["n1"].incarnation == 5


def test_the_reply_to_a_push_pull_is_the_state_before_the_merge() -> None:
    bench = Bench(2)
    reply = bench.swim.serve(PushPull((state(3, Status.ALIVE),), b"", True), host(3), bench.now)
    assert reply == PushPull((state(1, Status.ALIVE), state(2, Status.ALIVE)), b"", True)
    assert "n3" in bench.swim.members


def test_the_table_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "MEMBERS_LIMIT", 3)
    bench = Bench(3)
    bench.feed(alive(4))
    assert bench.faults() == ["too-many-members"]
    assert len(bench.swim.members) == 3


def test_the_few_living_are_found_among_many_dead() -> None:
    bench = Bench(300, push_pull_interval=1.0, gossip_to_the_dead_time=1000.0)
    for number in range(2, 300):
        bench.feed(dead(number, by=1))
    bench.run(1.0, answering=True)
    bench.take()
    bench.run(200.0, answering=True)
    targets = [exchange.target for exchange in bench.exchanges()]
    assert len(targets) >= 40
    assert set(targets) == {host(300)}

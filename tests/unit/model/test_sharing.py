"""Which node answers which asker: every node works out the same, and a node that goes moves only its own."""

from dataclasses import replace
from ipaddress import ip_address

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.model.builders import alive, candidates, service, services

from roost.model.election import Election
from roost.model.node import Candidate, Node, Verdict
from roost.model.service import Service
from roost.model.sharing import NO_SLOTS, SLOTS, Share, Sharing, Weights, lent_slots, slot_of, table
from roost.model.what_if import what_if

VIP = ip_address("192.0.2.200")
EVEN: Weights = (("n1", 1), ("n2", 1), ("n3", 1))
ALL = frozenset({"n1", "n2", "n3"})

weights = st.dictionaries(
    st.sampled_from([f"n{number}" for number in range(6)]), st.integers(0, 9), min_size=1
).map(lambda found: tuple(sorted(found.items())))


def names(found: Weights) -> frozenset[str]:
    return frozenset(name for name, _ in found)


def mac(number: int) -> bytes:
    return b"\x02\0" + number.to_bytes(4, "big")


def test_a_slot_is_the_same_on_every_machine_and_in_the_kernel() -> None:
    assert [slot_of(mac(number), VIP) for number in (1, 2, 3)] == [1514, 3458, 4090]
    assert slot_of(mac(1), ip_address("2001:db8::200")) == 2180
    assert slot_of(mac(1), ip_address("::ffff:192.0.2.200")) == slot_of(mac(1), VIP)


def test_the_order_is_the_same_on_every_machine() -> None:
    owners = "".join(name[1] for name in table(EVEN, ALL).owners[:24])
    assert owners == "132211132312211332112322"


def test_askers_are_spread_evenly_over_the_slots() -> None:
    slots = [slot_of(mac(number), VIP) for number in range(5_000)]
    assert len(set(slots)) > 2_600, "as many as chance hits"
    assert 0.46 < sum(slot < SLOTS // 2 for slot in slots) / len(slots) < 0.54


def test_weights_are_parts() -> None:
    parts = table((("n1", 1), ("n2", 2), ("n3", 1)), ALL).parts
    assert 0.46 < parts["n2"] < 0.54
    assert 0.21 < parts["n1"] < 0.29
    assert sum(parts.values()) == 1.0


def test_a_node_of_weight_0_answers_only_where_nobody_else_is() -> None:
    light: Weights = (("n1", 0), ("n2", 1))
    assert table(light, frozenset({"n1", "n2"})).parts == {"n1": 0.0, "n2": 1.0}
    assert table(light, frozenset({"n1"})).parts == {"n1": 1.0}


@settings(max_examples=15)
@given(weights, st.data())
def test_a_node_that_goes_moves_its_own_askers_and_no_others(found: Weights, data: st.DataObject) -> None:
    everybody = names(found)
    gone = data.draw(st.sampled_from(sorted(everybody)))
    before, after = table(found, everybody), table(found, everybody - {gone})
    moved = [slot for slot in range(SLOTS) if before.owners[slot] != after.owners[slot]]
    assert moved == [slot for slot in range(SLOTS) if before.owners[slot] == gone]
    if everybody - {gone}:
        assert all(after.owners[slot] == before.answerers(slot)[1] for slot in moved)


@settings(max_examples=15)
@given(weights)
def test_each_slot_has_exactly_one_owner(found: Weights) -> None:
    full = table(found, names(found))
    shares = [Share(full.slots_of(name)) for name in full.there]
    total = 0
    for share in shares:
        bits = int.from_bytes(share.slots, "little")
        assert not total & bits
        total |= bits
    assert total == (1 << SLOTS) - 1


def test_more_weight_moves_askers_only_to_that_node() -> None:
    before, after = table(EVEN, ALL), table((("n1", 3), ("n2", 1), ("n3", 1)), ALL)
    moved = [slot for slot in range(SLOTS) if before.owners[slot] != after.owners[slot]]
    assert moved
    assert {after.owners[slot] for slot in moved} == {"n1"}


def test_those_who_know_stand_in_for_a_mute_node_each_for_its_part() -> None:
    full = table(EVEN, ALL)
    mute = frozenset({("n3", frozenset({"n1", "n2"}))})
    lent = [int.from_bytes(lent_slots(EVEN, ALL, mute, name), "little") for name in ("n1", "n2")]
    assert lent[0] | lent[1] == int.from_bytes(full.slots_of("n3"), "little")
    assert not lent[0] & lent[1]
    alone = frozenset({("n3", frozenset({"n2"}))})
    assert lent_slots(EVEN, ALL, alone, "n1") == NO_SLOTS
    assert lent_slots(EVEN, ALL, alone, "n2") == full.slots_of("n3")


def test_what_is_lent_is_answered_and_not_inherited() -> None:
    own, lent = table(EVEN, ALL).slots_of("n1"), table(EVEN, ALL).slots_of("n3")
    hosts = [mac(number) for number in range(100)]
    share = Share(own, lent)
    assert {share.answers(host, VIP) for host in hosts} == {True, False}
    assert not any(share.is_new(host, VIP, Share(own)) for host in hosts)
    inherited = [host for host in hosts if Share(share.slots).is_new(host, VIP, share)]
    assert inherited == [host for host in hosts if Share(lent).answers(host, VIP)]


# -- the election ----------------------------------------------------------------------------------


def shared(endpoints: set[str] | None = None) -> Election:
    found = service("192.0.2.200", sharing=Sharing(), endpoints=endpoints)
    return Election([found], alive("n1", "n2", "n3"))


def test_all_active_nodes_share_and_a_move_says_who_left() -> None:
    election = shared()
    lead = election.lead_of(VIP)
    assert set(lead.sharers) == ALL
    assert lead.standbys == ()
    assert all(lead.is_answered_by(name) for name in ALL)
    assert election.led_by("n2") == {"web"}
    (move,) = election.update_candidates([*alive("n1", "n2"), Candidate(Node("n3"), Verdict.DEAD, "silent")])
    assert move.left == {"n3"}
    assert not move.joined
    assert set(election.lead_of(VIP).sharers) == {"n1", "n2"}
    assert election.led_by("n3") == frozenset()


@settings(max_examples=60)
@given(services, candidates, candidates)
def test_step_by_step_it_comes_to_the_same_as_at_once(
    wanted: list[Service], before: list[Candidate], after: list[Candidate]
) -> None:
    shared_ones = [replace(each, sharing=Sharing()) for each in wanted]
    election = Election(shared_ones, before)
    old = {name: set(ranking.sharers) for name, ranking in election.rankings.items()}
    moves = {move.service: move for move in election.update_candidates(after)}
    fresh = Election(shared_ones, after)
    assert dict(election.rankings) == dict(fresh.rankings)
    for name, ranking in fresh.rankings.items():
        left, joined = old[name] - set(ranking.sharers), set(ranking.sharers) - old[name]
        assert (name in moves) >= bool(left or joined)
        if name in moves:
            assert moves[name].left == left
            assert moves[name].joined == joined
        for node in ranking.sharers:
            assert name in election.led_by(node)


def test_who_would_rather_not_share_does_only_where_nobody_else_can() -> None:
    election = shared()
    draining = [Candidate(Node(name), Verdict.DRAINING) for name in ("n1", "n2")]
    election.update_candidates([*draining, *alive("n3")])
    assert election.lead_of(VIP).sharers == ("n3",)
    election.update_candidates([*draining, Candidate(Node("n3"), Verdict.DEAD)])
    assert set(election.lead_of(VIP).sharers) == {"n1", "n2"}


def test_nodes_without_an_endpoint_or_with_another_speaker_have_no_share() -> None:
    election = shared(endpoints={"n1", "n2"})
    assert set(election.lead_of(VIP).sharers) == {"n1", "n2"}
    election = shared()
    election.update_candidates([*alive("n1"), Candidate(Node("n2", shares=False))])
    assert election.lead_of(VIP).sharers == ("n1",)
    (exclusion,) = election.rankings["web"].exclusions
    assert "cannot share" in exclusion.detail


def test_what_if_says_which_share_moves() -> None:
    found = what_if([service("192.0.2.200", sharing=Sharing())], alive("n1", "n2", "n3"), down=["n3"])
    (move,) = found.moves
    assert set(move.shares_before) == ALL
    assert set(move.shares_after) == {"n1", "n2"}
    assert "n3: dead (supposed to go down)" in move.why
    came = what_if([service("192.0.2.200", sharing=Sharing())], alive("n1"), add=["n2"])
    assert "stays there" in came.moves[0].why

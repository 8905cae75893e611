"""Probing: direct, through helpers, over TCP, on behalf of others, and when this node itself was late."""

import pytest
from tests.unit.protocols.memberlist.swim_bench import START, Bench, alive, host, suspect

from roost.protocols.memberlist.messages import (
    Ack,
    Alive,
    Dead,
    ErrorResponse,
    IndirectPing,
    Message,
    Nack,
    Ping,
    Status,
    Suspect,
    Versions,
)

PACKED = bytes((192, 0, 2, 11))


def test_a_probe_names_its_target_and_its_sender() -> None:
    bench = Bench(2)
    target, ping = bench.run_to(Ping)
    assert target == host(2)
    assert ping == Ping(ping.seq, "n2", PACKED, 7946, "n1")


def test_everybody_is_probed_once_per_round() -> None:
    bench = Bench(6)
    bench.run(20.0, answering=True)
    order = [ping.node for ping in bench.sent(Ping)]
    assert len(order) in (19, 20)
    for start in range(0, 15, 5):
        assert set(order[start : start + 5]) == {"n2", "n3", "n4", "n5", "n6"}
    assert order[:5] != order[5:10] or order[5:10] != order[10:15]


def test_a_ping_is_answered_where_it_says() -> None:
    bench = Bench(2)
    bench.run(2.0, answering=True)
    bench.take()
    bench.feed(Ping(5, "n1"), source=4)
    bench.feed(Ping(6, "", bytes((192, 0, 2, 15)), 7946, "n5"), source=4)
    assert bench.packets() == [(host(4), (Ack(5),)), (host(5), (Ack(6),))]


def test_a_ping_for_another_name_is_a_fault_and_gets_no_answer() -> None:
    bench = Bench(2)
    bench.feed(Ping(5, "n7"), source=4)
    assert bench.swim.serve(Ping(5, "n7"), host(4), bench.now) is None
    assert bench.faults() == ["wrong-node", "wrong-node"]
    assert bench.swim.serve(Ping(5, "n1"), host(4), bench.now) == Ack(5)


def test_an_ack_in_time_ends_the_probe() -> None:
    bench = Bench(4)
    _, ping = bench.run_to(Ping)
    bench.take()
    bench.feed(Ack(ping.seq))
    bench.run(0.9)
    assert not bench.sent(IndirectPing)


def test_without_an_ack_helpers_are_asked_and_tcp_is_tried() -> None:
    bench = Bench(6)
    target, ping = bench.run_to(Ping)
    bench.take()
    bench.run(0.6)
    effects = bench.effects
    (exchange,) = bench.exchanges()
    bench.effects = effects
    requests = bench.sent(IndirectPing)
    assert (exchange.target, exchange.request) == (target, ping)
    assert exchange.deadline == pytest.approx(bench.now - 0.1 + 0.5, abs=0.1)
    assert len(requests) == 3
    assert {(request.seq, request.node, request.nack) for request in requests} == {
        (ping.seq, ping.node, True)
    }


def test_the_ack_of_a_helper_ends_the_probe() -> None:
    bench = Bench(4)
    _, ping = bench.run_to(Ping)
    bench.run(0.6)
    bench.feed(Ack(ping.seq))
    bench.run(0.5)
    assert all(bench.status(number) is Status.ALIVE for number in (2, 3, 4))


def test_a_silent_target_is_suspected_with_the_evidence() -> None:
    bench = Bench(4)
    _, ping = bench.run_to(Ping)
    bench.run(1.05)
    member = bench.swim.members[ping.node]
    assert member.status is Status.SUSPECT
    assert member.evidence == (
        f"no ack from {member.endpoint} within 0.5 s, nor through 2 others, suspected by n1"
    )


def _probe_through(bench: Bench, nacks: int) -> None:
    """Let one probe fail while `nacks` helpers say that they are well."""
    _, ping = bench.run_to(Ping)
    bench.run(0.6)
    for helper in range(nacks):
        bench.feed(Nack(ping.seq), source=3 + helper)
    bench.run(0.41)
    assert bench.swim.members[ping.node].status is Status.SUSPECT


@pytest.mark.parametrize(("nacks", "health"), [(3, 0), (2, 1), (0, 3)])
def test_helpers_that_do_not_even_nack_cost_local_health(nacks: int, health: int) -> None:
    bench = Bench(6)
    _probe_through(bench, nacks)
    assert bench.swim.local_health == health


@pytest.mark.parametrize("nacks", [3, 1, 0])
def test_a_probe_that_nobody_answers_says_that_this_node_is_not_heard_until_one_is_answered(
    nacks: int,
) -> None:
    bench = Bench(6)
    assert not bench.swim.unheard
    _probe_through(bench, nacks)
    assert bench.swim.unheard is (nacks == 0)
    bench.run(6.0, answering=True)
    assert not bench.swim.unheard


@pytest.mark.parametrize("versions", [Versions(1, 3, 2)])
def test_helpers_that_know_no_nacks_are_not_asked_for_them(versions: Versions) -> None:
    bench = Bench(6, versions=versions)
    _probe_through(bench, 0)
    assert bench.swim.local_health == 1
    assert not bench.swim.unheard, "it cannot know"
    assert not any(request.nack for request in bench.sent(IndirectPing))


def test_ill_health_gives_a_target_more_time() -> None:
    bench = Bench(4)
    bench.feed(suspect(1, 1), suspect(1, 2))  # two refutations
    assert bench.swim.local_health == 2
    _, ping = bench.run_to(Ping)
    bench.run(2.9)
    assert bench.swim.members[ping.node].status is Status.ALIVE
    bench.run(0.2)
    assert bench.swim.members[ping.node].status is Status.SUSPECT


def test_an_ack_in_the_stretched_time_is_not_taken_for_lateness() -> None:
    bench = Bench(4)
    bench.feed(suspect(1, 1), suspect(1, 2))
    _, ping = bench.run_to(Ping)
    bench.run(2.5)
    bench.feed(Ack(ping.seq))
    bench.run(0.1)
    assert bench.swim.counters["late_wakes"] == 0
    assert bench.swim.local_health == 1


def test_good_probes_restore_health() -> None:
    bench = Bench(4)
    bench.feed(suspect(1, 1), suspect(1, 2))
    bench.run(4.0, answering=True)
    assert bench.swim.local_health == 0


def _answer_exchange(bench: Bench, reply: Message | None) -> str:
    _, ping = bench.run_to(Ping)
    bench.take()
    bench.run(0.6)
    (exchange,) = bench.exchanges()
    if reply is None:
        bench.swim.exchange_failed(exchange.id, "refused", bench.now)
    else:
        answer = Ack(ping.seq) if isinstance(reply, Ack) else reply
        bench.swim.exchange_answered(exchange.id, answer, bench.now)
    bench.run(0.5)
    return ping.node


def test_an_answer_over_tcp_alone_is_a_fault_but_proves_life() -> None:
    bench = Bench(2)
    name = _answer_exchange(bench, Ack(0))
    assert bench.swim.members[name].status is Status.ALIVE
    assert bench.faults() == ["tcp-only"]


@pytest.mark.parametrize("reply", [None, ErrorResponse("no")])
def test_no_ack_over_tcp_proves_nothing(reply: Message | None) -> None:
    bench = Bench(2)
    assert bench.swim.members[_answer_exchange(bench, reply)].status is Status.SUSPECT


@pytest.mark.parametrize(("disabled", "versions"), [(True, 5), (False, 2)])
def test_tcp_is_not_tried_where_it_is_switched_off_or_unknown(*, disabled: bool, versions: int) -> None:
    bench = Bench(2, versions=Versions(1, versions, 2), disable_tcp_pings=disabled)
    bench.run_to(Ping)
    bench.run(0.9)
    assert not bench.exchanges()


def test_late_repeated_and_foreign_acks_do_nothing() -> None:
    bench = Bench(2)
    _, ping = bench.run_to(Ping)
    bench.run(1.05)
    bench.feed(Ack(ping.seq), Ack(ping.seq), Ack(12345), Nack(12345))
    assert bench.status(2) is Status.SUSPECT
    assert bench.swim.counters["acks_unmatched"] == 3


def test_a_suspect_that_pings_is_told_so_that_it_can_refute() -> None:
    """Its turn in the ring may come much later, and by then it may count as dead."""
    bench = Bench(3)
    bench.feed(suspect(2, 1), source=3)
    bench.take()
    bench.feed(Ping(5, "n1", bytes((192, 0, 2, 12)), 7946, "n2"), source=2)
    ((target, messages),) = bench.packets()
    assert (target, messages[:2]) == (host(2), (Ack(5), Suspect(1, "n2", "n1")))
    bench.feed(Ping(6, "n1", bytes((192, 0, 2, 13)), 7946, "n3"), source=3)
    ((target, messages),) = bench.packets()
    assert Suspect(1, "n2", "n1") not in messages


def test_who_has_not_heard_a_refutation_gets_it_again() -> None:
    bench = Bench(3)
    bench.feed(suspect(1, 1, by=2), source=2)
    bench.run(5.0, answering=True)
    bench.take()
    bench.feed(suspect(1, 1, by=2), source=2)
    assert bench.packets() == [(host(2), (bench.swim.members["n1"].as_alive(),))]
    bench.feed(suspect(1, 1, by=2), source=3)
    assert bench.packets() == [], "nobody is sent anything because of what others say"


def test_a_suspect_is_told_in_its_probe_so_that_it_can_refute() -> None:
    bench = Bench(2)
    bench.feed(suspect(2))
    bench.run(0.001)
    bench.take()
    bench.run_to(Ping)
    (messages,) = [messages for target, messages in bench.packets() if isinstance(messages[0], Ping)]
    assert messages[1] == Suspect(1, "n2", "n1")


def test_who_dies_by_the_word_of_others_during_its_probe_costs_no_health() -> None:
    bench = Bench(4)
    _, ping = bench.run_to(Ping)
    bench.feed(Dead(1, ping.node, ping.node))
    bench.run(1.05)
    assert bench.swim.members[ping.node].status is Status.LEFT
    assert bench.swim.local_health == 0


def _relay(bench: Bench, *, nack: bool = True) -> Ping:
    bench.run(3.0, answering=True)
    bench.take()
    bench.feed(IndirectPing(77, bytes((192, 0, 2, 12)), 7946, "n2", nack, bytes((192, 0, 2, 13)), 7946, "n3"))
    target, messages = bench.packets()[0]
    assert target == host(2)
    (ping,) = messages
    assert isinstance(ping, Ping)
    assert ping.node == "n2"
    assert ping.seq != 77
    return ping


def test_a_relay_forwards_the_ack_under_the_askers_number() -> None:
    bench = Bench(2)
    ping = _relay(bench)
    bench.feed(Ack(ping.seq, b"payload"))
    bench.feed(Ack(ping.seq))
    assert bench.packets() == [(host(3), (Ack(77),))]


@pytest.mark.parametrize("nack", [True, False])
def test_a_relay_nacks_when_asked_to_and_only_then(nack: bool) -> None:
    bench = Bench(2)
    _relay(bench, nack=nack)
    bench.run(0.45, answering=True)
    assert not bench.sent(Nack)
    bench.run(0.1, answering=True)
    assert bench.sent(Nack) == ([Nack(77)] if nack else [])


def test_relays_are_bounded() -> None:
    bench = Bench(2)
    for _ in range(3):
        bench.feed(*[IndirectPing(1, bytes((192, 0, 2, 12)), 7946, "n2", False)] * 100)
    assert bench.swim.counters["relays"] == 256
    assert bench.swim.counters["relays_refused"] == 44


def test_a_late_wake_voids_the_probe_and_begins_it_again() -> None:
    bench = Bench(4)
    _, ping = bench.run_to(Ping)
    bench.take()
    bench.now += 10.0
    bench.swim.wake(bench.now)
    assert all(member.status is Status.ALIVE for member in bench.swim.members.values())
    again = bench.sent(Ping)
    assert [probe.node for probe in again] == [ping.node]
    assert again[0].seq != ping.seq
    assert bench.swim.local_health == 1
    bench.feed(Ack(ping.seq))  # too late, and of no use
    bench.run(2.1)
    assert bench.swim.members[ping.node].status is Status.SUSPECT


def test_a_stop_is_noticed_by_whatever_call_comes_first() -> None:
    bench = Bench(3)
    bench.feed(suspect(2))
    bench.run(2.0, answering=True)
    due = bench.swim.next_wake()
    assert due is not None
    unused = START + 4.0 - due  # seconds
    bench.now = due + 10.0
    bench.feed(alive(3, 2))
    bench.swim.wake(bench.now)
    assert bench.swim.counters["late_wakes"] == 1
    bench.run(unused - 0.01, answering=True)
    assert bench.status(2) is Status.SUSPECT
    bench.run(0.02, answering=True)
    assert bench.status(2) is Status.DEAD


def test_a_small_delay_is_not_lateness() -> None:
    bench = Bench(4)
    bench.run_to(Ping)
    bench.now += 0.9
    bench.swim.wake(bench.now)
    assert bench.swim.counters["late_wakes"] == 0
    assert len(bench.sent(IndirectPing)) == 2


def test_helpers_get_their_time_when_they_are_asked_late() -> None:
    bench = Bench(4)
    _, ping = bench.run_to(Ping)
    bench.now += 0.95
    bench.swim.wake(bench.now)
    bench.run(0.4)
    assert bench.swim.members[ping.node].status is Status.ALIVE


def test_a_node_that_is_always_late_comes_to_a_verdict_all_the_same() -> None:
    bench = Bench(2)
    for _ in range(40):
        due = bench.swim.next_wake()
        assert due is not None
        bench.now = due + 0.6
        bench.swim.wake(bench.now)
    assert ("dead", "n2") in bench.changes()
    assert bench.swim.local_health == 7


def test_time_that_runs_backwards_stands_still() -> None:
    bench = Bench(3)
    bench.run(2.0, answering=True)
    bench.now -= 50.0
    bench.feed(suspect(2))
    bench.feed(alive(2, 2))
    assert bench.swim.members["n2"].since > START + 1.0
    bench.now += 50.0
    bench.run(5.0, answering=True)
    assert all(member.status is Status.ALIVE for member in bench.swim.members.values())


def test_relayed_pings_that_are_overdue_after_a_stop_are_dropped_in_silence() -> None:
    bench = Bench(2)
    _relay(bench)
    bench.now += 10.0
    bench.swim.wake(bench.now)
    bench.run(1.0, answering=True)
    assert not bench.sent(Nack)


def test_a_lonely_node_sleeps() -> None:
    bench = Bench()
    bench.run(100.0)
    due = bench.swim.next_wake()
    assert due is not None
    assert due - bench.now > 1.0
    assert not bench.sent(Alive)


def test_while_nobody_is_doubted_there_is_time_and_who_is_doubted_comes_first() -> None:
    bench = Bench(4)
    bench.swim.doubt(frozenset(), bench.now)
    bench.run(40.0, answering=True)
    slow = len(bench.sent(Ping))
    assert 9 <= slow <= 11, "one in four seconds, where the interval is one"
    bench.take()
    for name in ("n3", "n2", "n4"):
        bench.swim.doubt(frozenset({name}), bench.now)
        bench.run(0.1)
        assert [ping.node for ping in bench.sent(Ping)] == [name], "at once"
        bench.take()
        bench.run(2.0, answering=True)
        bench.take()
    bench.run(12.0, answering=True)
    assert len(bench.sent(Ping)) >= 11, "as ever while anybody is"


def test_nobody_takes_time_who_is_not_told_to() -> None:
    bench = Bench(4)
    bench.run(40.0, answering=True)
    assert len(bench.sent(Ping)) >= 38

"""What others than SWIM tell it: a suspect is heard, this node is the one cut off, more state to pass on."""

from dataclasses import replace
from ipaddress import ip_address

from tests.unit.protocols.memberlist.swim_bench import Bench, alive, dead, host, state, suspect

from roost.protocols.memberlist.messages import Alive, Dead, Ping, PushPull, Status, Suspect, UserMessage
from roost.protocols.memberlist.swim import MemberChanged, OpenExchange, UserState


def accusers(bench: Bench) -> list[str]:
    """By whom this node was declared dead, by the changes so far; forgets all effects."""
    return [
        effect.by for effect in bench.take() if isinstance(effect, MemberChanged) and effect.kind == "accused"
    ]


def test_a_suspect_that_is_vouched_for_does_not_die_while_it_is() -> None:
    bench = Bench(3, disable_tcp_pings=True)
    bench.feed(suspect(2))
    for _ in range(40):
        bench.swim.vouch("n2", 0.5, "it answers on the LAN", bench.now)
        bench.run(0.4, answering=True)
    assert bench.status(2) is Status.SUSPECT
    assert bench.swim.members["n2"].evidence == "suspected by n3; waiting, since it answers on the LAN"
    bench.run(0.2, answering=True)
    assert bench.status(2) is Status.DEAD, "the time ran meanwhile"


def test_vouching_early_takes_nothing_from_the_time_to_refute() -> None:
    bench = Bench(3, disable_tcp_pings=True)
    bench.feed(suspect(2))
    bench.swim.vouch("n2", 0.5, "it answers on the LAN", bench.now)
    bench.run(3.9, answering=True)
    assert bench.status(2) is Status.SUSPECT


def test_there_is_nothing_to_vouch_for_in_who_is_not_suspected() -> None:
    bench = Bench(3)
    bench.swim.vouch("n2", 9.0, "it answers on the LAN", bench.now)
    bench.swim.vouch("nobody", 9.0, "it answers on the LAN", bench.now)
    assert bench.status(2) is Status.ALIVE
    bench.feed(dead(2))
    bench.swim.vouch("n2", 9.0, "it answers on the LAN", bench.now)
    assert bench.status(2) is Status.DEAD


def test_a_vouched_suspect_can_still_refute() -> None:
    bench = Bench(3)
    bench.feed(suspect(2))
    bench.swim.vouch("n2", 0.5, "it answers on the LAN", bench.now)
    bench.feed(alive(2, 2))
    assert bench.status(2) is Status.ALIVE


def test_a_node_that_is_cut_off_keeps_its_accusations_to_itself() -> None:
    bench = Bench(3, disable_tcp_pings=True)
    bench.swim.isolate(True, bench.now)
    bench.feed(suspect(2))
    bench.run(6.0)
    told = {target for target, messages in bench.packets() if any(isinstance(m, Suspect) for m in messages)}
    assert told <= {host(2)}, "the suspect alone may know, to refute"
    assert bench.status(2) is Status.DEAD, "for itself it goes on judging"
    bench.run(2.0)
    assert bench.sent(Dead) == []


def test_what_it_was_about_to_say_of_others_is_taken_back() -> None:
    bench = Bench(4, disable_tcp_pings=True)
    bench.feed(suspect(2))
    bench.swim.isolate(True, bench.now)
    bench.run(1.0, answering=True)
    assert bench.sent(Suspect) == []


def test_a_verdict_is_told_again_though_nothing_has_come_through_for_a_moment() -> None:
    bench = Bench(4)
    bench.swim.declare_dead("n2", "its host is silent", bench.now)
    bench.run(0.25)
    bench.packets()
    bench.run(1.0, answering=True)
    assert [(told.node, told.sender) for told in bench.sent(Dead)][:1] == [("n2", "n1")]


def test_the_ground_of_a_verdict_goes_before_it_each_time() -> None:
    bench = Bench(4)
    bench.swim.declare_dead("n2", "its host is silent", bench.now, b"ground")
    bench.run(0.4)
    direct = [m for _, messages in bench.packets() for m in messages if isinstance(m, Dead | UserMessage)]
    grounds = [at for at, each in enumerate(direct) if isinstance(each, UserMessage)]
    assert len(grounds) >= 2 * 4, "both others hear it again and again"
    assert all(isinstance(direct[at + 1], Dead) for at in grounds)


def test_a_verdict_that_is_refuted_or_of_one_cut_off_is_told_no_more() -> None:
    for ending in ("refuted", "cut off"):
        bench = Bench(4, disable_tcp_pings=True)
        bench.swim.declare_dead("n2", "its host is silent", bench.now)
        if ending == "refuted":
            bench.feed(alive(2, 2))
        else:
            bench.swim.isolate(True, bench.now)
        bench.packets()
        bench.run(3.0, answering=True)
        about = [message for message in bench.sent(Dead) if message.node == "n2"]
        assert about == [], ending


def test_its_own_word_still_goes_out() -> None:
    bench = Bench(3)
    bench.swim.isolate(True, bench.now)
    bench.feed(suspect(1, 7))
    bench.run(1.0, answering=True)
    assert alive(1, 8) in bench.sent(Alive)


def test_back_again_it_accuses_as_any_other() -> None:
    bench = Bench(4, disable_tcp_pings=True)
    bench.swim.isolate(True, bench.now)
    bench.swim.isolate(False, bench.now)
    bench.feed(suspect(2))
    bench.run(1.0, answering=True)
    assert suspect(2) in bench.sent(Suspect)


def test_who_is_left_alone_drops_what_it_held_against_the_others() -> None:
    """When all the others die at once it is this node that was cut off, most likely."""
    bench = Bench(3, disable_tcp_pings=True)
    bench.feed(dead(2))
    bench.feed(dead(3, by=2))
    bench.take()
    bench.feed(alive(4))
    bench.run(2.0, answering=True)
    assert bench.sent(Dead) == []


def test_who_declared_this_node_dead_is_told() -> None:
    bench = Bench(3)
    bench.feed(dead(1, 7, by=3))
    assert accusers(bench) == ["n3"]
    bench.feed(dead(1, 7, by=2))
    assert accusers(bench) == [], "refuted already"


def test_a_state_in_which_this_node_is_dead_is_an_accusation_by_whose_it_is() -> None:
    bench = Bench(3)
    bench.swim.serve(PushPull((state(1, Status.DEAD, 7),), b"", False), host(3), bench.now)
    assert accusers(bench) == ["n3"]
    bench.swim.serve(PushPull((state(1, Status.DEAD, 9),), b"", False), host(77), bench.now)
    assert accusers(bench) == [""], "nobody that is known"


def test_a_suspicion_of_this_node_is_refuted_and_no_accusation() -> None:
    bench = Bench(3)
    bench.feed(suspect(1, 7))
    bench.swim.serve(PushPull((state(1, Status.SUSPECT, 9),), b"", False), host(3), bench.now)
    assert accusers(bench) == []


def test_who_holds_all_others_for_dead_was_cut_off_and_says_nothing_about_them() -> None:
    bench = Bench(4)
    bench.take()
    cut_off = (state(1, Status.DEAD), state(2, Status.DEAD), state(3, Status.SUSPECT), state(4, Status.ALIVE))
    bench.swim.serve(PushPull(cut_off, b"", False), host(4), bench.now)
    assert [bench.status(number) for number in (2, 3, 4)] == [Status.ALIVE] * 3
    assert accusers(bench) == [], "that is no sign that this node was lost"
    bench.run(1.0, answering=True)
    assert alive(1, 2) in bench.sent(Alive), "without a refutation it would never be taken back"


def test_of_two_nodes_either_may_be_right() -> None:
    bench = Bench(2)
    bench.swim.serve(
        PushPull((state(1, Status.DEAD), state(2, Status.ALIVE)), b"", False), host(2), bench.now
    )
    assert accusers(bench) == ["n2"]


def test_the_state_of_this_node_goes_with_every_exchange() -> None:
    bench = Bench(2)
    bench.swim.set_state(b"words")
    reply = bench.swim.serve(PushPull((), b"", True), host(2), bench.now)
    assert isinstance(reply, PushPull)
    assert reply.user_state == b"words"
    bench.take()
    bench.swim.join([host(2)], bench.now)
    (exchange,) = bench.exchanges()
    assert isinstance(exchange, OpenExchange)
    assert isinstance(exchange.request, PushPull)
    assert exchange.request.user_state == b"words"


def test_the_state_of_a_peer_is_handed_over_after_its_members() -> None:
    bench = Bench()
    request = PushPull((state(2, Status.ALIVE),), b"words", True)
    bench.swim.serve(request, host(2), bench.now)
    kinds = [type(effect) for effect in bench.take() if isinstance(effect, MemberChanged | UserState)]
    assert kinds == [MemberChanged, UserState]
    bench.swim.join([host(2)], bench.now)
    (exchange,) = bench.exchanges()
    bench.swim.exchange_answered(exchange.id, PushPull((), b"others", True), bench.now)
    assert [effect for effect in bench.take() if isinstance(effect, UserState)] == [
        UserState(b"others", host(2))
    ]


def test_a_peer_without_a_state_brings_none() -> None:
    bench = Bench()
    bench.swim.serve(PushPull((), b"", True), host(2), bench.now)
    assert not [effect for effect in bench.take() if isinstance(effect, UserState)]


def ping_of(number: int) -> Ping:
    return Ping(1, "n1", ip_address(host(number).host).packed, host(number).port, f"n{number}")


def test_the_dead_who_ping_are_met_again_soon_and_not_at_each_ping() -> None:
    """They have not heard that they were declared dead, and nobody would tell them."""
    bench = Bench(3, disable_tcp_pings=True)
    bench.feed(dead(2))
    bench.take()
    for _ in range(3):
        bench.feed(ping_of(2), source=2)
    assert [each.target for each in bench.exchanges()] == [host(2)]
    bench.run(0.3)
    bench.take()
    bench.feed(ping_of(2), source=2)
    assert [each.target for each in bench.exchanges()] == [host(2)]


def test_only_the_dead_are_met_again() -> None:
    bench = Bench(4, disable_tcp_pings=True)
    bench.feed(dead(2), dead(3, by=3))
    bench.take()
    bench.feed(ping_of(4), source=4)
    bench.feed(ping_of(3), source=3)
    bench.feed(replace(ping_of(2), source_port=9999), source=2)
    assert bench.exchanges() == [], "alive, just leaving, at another place"
    bench.run(2.0)
    bench.take()
    bench.feed(ping_of(3), source=3)
    assert [each.target for each in bench.exchanges()] == [host(3)], "it has come back"

"""Which peers are watched, where they are asked, and what their silence or return leads to."""

from ipaddress import ip_address

from tests.unit.decide.builders import endpoint, link, mac, member
from tests.unit.decide.witnessing.lan import Lan

from roost.decide.effects import AskHosts, Declare, Doubt, Hold, LetWait, Listen, Probe, Target, Tell
from roost.decide.witnessing.watch import Evidence
from roost.model.node import Verdict
from roost.protocols.words.statement import Kind, Statement
from roost.protocols.words.verdict import Ground

VIP = ip_address("192.0.2.200")


def at(number: int, address: str = "") -> Target:
    return Target(f"n{number}", ip_address(address or f"192.0.2.{10 + number}"), 2, mac(number))


def verdicts(lan: Lan) -> list[tuple[str, Verdict]]:
    return [(each.ground.subject, each.ground.verdict) for each in lan.taken if isinstance(each, Declare)]


def test_peers_get_a_lifeline_and_are_asked_for_their_own_address() -> None:
    lan = Lan()
    assert lan.of(Hold) == [Hold({"n2": endpoint(2), "n3": endpoint(3)})]
    (listening,) = lan.of(Listen)
    assert isinstance(listening, Listen)
    assert set(listening.targets) == {at(2), at(3)}
    lan.run(1.0)
    asked = [each.target for each in lan.taken if isinstance(each, Probe)]
    assert set(asked) == {at(2), at(3)}
    assert verdicts(lan) == []
    assert lan.watch.proven == 2


def test_a_silent_host_is_unreachable_once_another_witness_agrees() -> None:
    lan = Lan()
    lan.run(1.0)
    lan.silent_hosts.add("n2")
    lan.run(0.08)
    assert verdicts(lan) == []
    told = [each for each in lan.taken if isinstance(each, Tell)]
    assert {each.to for each in told} == {("n3",)}
    lan.watch.hear(Statement(Kind.SILENT, "n3", "n2"), lan.now)
    lan.run(0.05)
    assert verdicts(lan) == [("n2", Verdict.UNREACHABLE)]


def test_a_silent_process_on_a_host_that_answers_is_gone() -> None:
    lan = served()
    lan.silent_processes.add("n2")
    suspect(lan)
    lan.run(0.4)
    lan.watch.hear(Statement(Kind.SILENT, "n3", "n2 process "), lan.now)
    lan.run(0.1)
    assert verdicts(lan) == [("n2", Verdict.PROCESS_GONE)]


def test_a_process_that_answers_gossip_is_not_gone_whatever_it_does_not_answer_for() -> None:
    lan = served()
    lan.silent_processes.add("n2")
    lan.run(0.4)
    lan.watch.hear(Statement(Kind.SILENT, "n3", "n2 process "), lan.now)
    lan.run(0.1)
    assert verdicts(lan) == []
    suspect(lan)
    lan.run(0.1)
    assert verdicts(lan) == [("n2", Verdict.PROCESS_GONE)]


def test_who_does_not_hear_a_node_that_answers_on_the_lan_calls_no_process_gone_alone() -> None:
    """It is this node that gossip does not reach: who led what it asks for may have handed that over."""
    for heard in (True, False):
        lan = served()
        suspect(lan)
        lan.lose(3)
        lan.silent_processes.add("n2")
        if not heard:
            lan.silent_hosts.add("n3")
        lan.run(2.0)
        assert verdicts(lan) == ([] if heard else [("n2", Verdict.PROCESS_GONE)]), heard


def suspect(lan: Lan, digest: str = "") -> None:
    """Let gossip miss n2, too."""
    lan.members[1] = member(2, Verdict.SUSPECT, digest=digest)
    lan.update()


def served() -> Lan:
    """A watch of n2, whose process has answered for what it leads."""
    lan = Lan()
    lan.led = {"n2": VIP}
    lan.update()
    lan.run(1.0)
    lan.watch.missed()
    return lan


def test_a_process_that_begins_to_owe_an_answer_is_told_once() -> None:
    lan = served()
    assert lan.watch.missed() == set()
    lan.silent_processes.add("n2")
    lan.run(0.2)
    assert lan.watch.missed() == {"n2"}
    assert lan.watch.missed() == set()
    lan.run(1.0)
    assert lan.watch.missed() == set()
    lan.silent_processes.clear()
    lan.run(0.3)
    lan.silent_processes.add("n2")
    lan.run(0.3)
    assert lan.watch.missed() == {"n2"}


def test_a_process_that_wants_other_services_now_is_not_blamed_for_what_it_dropped() -> None:
    lan = served()
    lan.members[1] = member(2, digest="other")
    lan.silent_processes.add("n2")
    lan.update()
    lan.run(1.0)
    lan.watch.hear(Statement(Kind.SILENT, "n3", "n2 process other"), lan.now)
    lan.run(0.5)
    assert verdicts(lan) == []
    lan.silent_processes.clear()
    lan.run(0.5)
    lan.silent_processes.add("n2")
    suspect(lan, "other")
    lan.run(0.4)
    lan.watch.hear(Statement(Kind.SILENT, "n3", "n2 process "), lan.now)
    lan.run(0.02)
    assert verdicts(lan) == [], "that was said of the one before"
    lan.watch.hear(Statement(Kind.SILENT, "n3", "n2 process other"), lan.now)
    lan.run(0.1)
    assert verdicts(lan) == [("n2", Verdict.PROCESS_GONE)]


def test_a_process_that_shows_itself_by_another_address_is_the_same_one() -> None:
    lan = served()
    lan.led = {"n2": ip_address("192.0.2.201")}
    lan.update()
    assert lan.watch.evidence("n2", lan.now) == Evidence(kernel=True, process=True)
    lan.silent_processes.add("n2")
    suspect(lan)
    lan.run(0.4)
    lan.watch.hear(Statement(Kind.SILENT, "n3", "n2 process "), lan.now)
    lan.run(0.1)
    assert verdicts(lan) == [("n2", Verdict.PROCESS_GONE)]


def test_a_host_that_comes_back_is_known_for_what_it_answers() -> None:
    """Else it could die again unnoticed, until it had proven itself anew."""
    lan = Lan()
    lan.run(1.0)
    lan.lose(2)
    lan.run(0.1)
    lan.silent_hosts.add("n2")
    lan.find(2)
    lan.run(0.08)
    lan.watch.hear(Statement(Kind.SILENT, "n3", "n2"), lan.now)
    lan.run(0.05)
    assert verdicts(lan) == [("n2", Verdict.UNREACHABLE)]


def test_an_answer_from_another_hardware_address_is_a_proxys_and_says_nothing() -> None:
    lan = Lan()
    lan.run(1.0)
    heard = lan.watch.last_heard("n2")
    lan.now += 0.01
    lan.answer(at(2), source=mac(9))
    assert lan.watch.last_heard("n2") == heard


def test_a_peer_that_moved_is_asked_at_its_new_place_and_not_blamed_for_the_old_one() -> None:
    lan = Lan()
    lan.run(1.0)
    lan.members[1] = member(2, addresses=(ip_address("192.0.2.99"),))
    lan.now += 1.0
    lan.update()
    assert lan.watch.last_heard("n2") == lan.now, "it has just said so itself"
    lan.taken.clear()
    lan.run(0.1)
    assert {each.target for each in lan.taken if isinstance(each, Probe)} == {at(2, "192.0.2.99"), at(3)}


def test_who_shares_no_link_is_not_probed_and_still_has_a_lifeline() -> None:
    lan = Lan(links=[link(address="198.51.100.1/24")])
    lan.run(1.0)
    assert not lan.of(Probe)
    assert lan.of(Hold)
    assert not lan.watch.shares_link("n2")
    assert lan.watch.unproven() == {"n2", "n3"}


def test_without_a_timing_nobody_is_watched() -> None:
    lan = Lan(watched=False)
    lan.run(10.0)
    assert lan.taken == []
    assert lan.watch.evidence("n2", lan.now) == Evidence(kernel=False, process=None)
    assert lan.watch.proven == 0


def test_a_lost_peer_is_asked_for_and_its_return_is_seen_at_once() -> None:
    lan = Lan()
    lan.run(1.0)
    lan.silent_hosts.add("n2")
    lan.lose(2)
    lan.taken.clear()
    lan.run(2.0)
    asked = [each for each in lan.taken if isinstance(each, Probe) and each.target == at(2)]
    assert 5 <= len(asked) <= 15, "now and then"
    assert lan.returned == []
    lan.silent_hosts.clear()
    lan.run(0.3)
    assert lan.returned == ["n2"]
    lan.find(2)
    lan.run(1.0)
    assert lan.returned == ["n2"]


def test_who_left_is_not_looked_for() -> None:
    lan = Lan()
    lan.run(1.0)
    lan.lose(2, Verdict.LEAVING)
    lan.taken.clear()
    lan.run(2.0)
    assert at(2) not in [each.target for each in lan.taken if isinstance(each, Probe)]


def test_what_a_peer_is_heard_of_is_evidence_for_it() -> None:
    lan = Lan()
    lan.led = {"n2": VIP}
    lan.update()
    assert lan.watch.evidence("n3", lan.now) == Evidence(kernel=False, process=None)
    lan.run(1.0)
    assert lan.watch.evidence("n2", lan.now) == Evidence(kernel=True, process=True)
    assert lan.watch.evidence("n3", lan.now) == Evidence(kernel=True, process=None)
    lan.silent_processes.add("n2")
    lan.run(0.9)
    assert lan.watch.evidence("n2", lan.now) == Evidence(kernel=True, process=False)
    lan.silent_hosts.add("n2")
    lan.run(0.5)
    assert lan.watch.evidence("n2", lan.now) == Evidence(kernel=False, process=False)


def test_a_node_that_is_cut_off_asks_everybody() -> None:
    lan = Lan()
    lan.run(1.0)
    lan.lose(2)
    lan.lose(3)
    lan.taken.clear()
    lan.run(1.0, cut_off=True)
    assert len(lan.of(AskHosts)) >= 4


def test_the_evidence_says_what_is_silent() -> None:
    lan = Lan()
    lan.run(1.0)
    lan.silent_hosts.add("n2")
    lan.run(0.08)
    lan.watch.hear(Statement(Kind.SILENT, "n3", "n2"), lan.now)
    lan.run(0.05)
    (declared,) = lan.of(Declare)
    assert isinstance(declared, Declare)
    assert isinstance(declared.ground, Ground)
    assert declared.ground.evidence.startswith("its host is silent: ")
    assert "so says n3" in declared.ground.evidence


def asked(lan: Lan, seconds: float) -> dict[str, int]:
    """How often each peer's kernel is asked."""
    lan.taken.clear()
    lan.run(seconds)
    names = [each.target.name for each in lan.taken if isinstance(each, Probe)]
    return {name: names.count(name) for name in names}


def doubted(lan: Lan) -> list[set[str]]:
    return [set(each.names) for each in lan.taken if isinstance(each, Doubt)]


def test_whom_a_nearer_witness_asks_is_asked_half_as_often_until_anybody_owes_an_answer() -> None:
    lan = Lan()
    lan.run(4.0)
    near, far = sorted(asked(lan, 4.0).items(), key=lambda each: -each[1])
    assert 1.7 < near[1] / far[1] < 2.3
    lan.silent_hosts.add(near[0])
    lan.run(0.1)
    assert asked(lan, 4.0)[far[0]] >= near[1] * 0.9


def test_swim_has_time_while_all_are_heard_and_looks_at_who_owes_an_answer() -> None:
    lan = Lan()
    assert doubted(lan) == [{"n2", "n3"}], "nobody was heard yet"
    lan.run(1.0)
    assert doubted(lan)[-1] == set()
    lan.taken.clear()
    lan.silent_hosts.add("n2")
    lan.run(0.1)
    assert doubted(lan) == [{"n2"}]
    lan.silent_hosts.clear()
    lan.run(0.1)
    assert doubted(lan)[-1] == set()
    suspect(lan)
    assert doubted(lan)[-1] == {"n2"}


def test_swim_looks_at_who_answers_on_no_link_of_this_node() -> None:
    lan = Lan()
    lan.members[1] = member(2, addresses=(ip_address("203.0.113.2"),))
    lan.update()
    lan.run(2.0)
    assert doubted(lan)[-1] == {"n2"}


def test_without_witnesses_swim_is_told_nothing_and_nobody_waits() -> None:
    lan = Lan(watched=False)
    lan.run(1.0)
    assert doubted(lan) == []
    assert lan.of(LetWait) == []


def test_peers_wait_while_this_node_wakes_often_anyway() -> None:
    lan = Lan()
    assert lan.of(LetWait) == [LetWait(wait=True)]
    lan.lose(2, Verdict.LEAVING)
    lan.lose(3, Verdict.LEAVING)
    assert lan.of(LetWait)[-1] == LetWait(wait=False)

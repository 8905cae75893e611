"""What is called a problem, and what is not."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from tests.unit.decide.builders import endpoint, link, mac
from tests.unit.decide.one import One, address_of, web
from tests.unit.test_deploy import DEPLOY

from roost.decide.forwarding.balancing import Balancing
from roost.decide.vrrp.elections import marks
from roost.model.check import Check, Process, Result
from roost.model.complaint import Complaint
from roost.model.fitness import Fitness
from roost.model.node import Verdict
from roost.model.sharing import Sharing
from roost.model.virtual_router import VirtualRouter
from roost.observe.reach import Reach
from roost.protocols.memberlist.effects import Fault
from roost.protocols.words.fit import Fit, FitRow
from roost.protocols.words.unable import Unable
from roost.speaker.metrics import metrics
from roost.speaker.problem_kinds import KINDS, Problem, Severity
from roost.speaker.problems import notes, problems
from roost.speaker.rival import Rival
from roost.speaker.speaker import Speaker

MARKS = marks([replace(web(address_of(1, 2, 3)), vrrp=VirtualRouter(51))])
MINE, THEIRS = address_of(1, 2, 3), address_of(2, 1, 3)


def speaker(one: One, **changed: Any) -> Speaker:
    """The node that `one` plays, with what a speaker has around its decider: its own adapters and records."""
    well: dict[str, Any] = {
        "name": "n1",
        "waiting_for": "",
        "rival": None,
        "config_error": "",
        "at_next_start": frozenset(),
        "config": SimpleNamespace(interfaces=None, metallb_metrics=False),
        "source": SimpleNamespace(trouble=(), serving_nodes=lambda _: None, delivers_locally=True),
        "decider": one.decider,
        "cluster": SimpleNamespace(members=lambda: tuple(one.members.values())),
        "faults": SimpleNamespace(records=()),
        "reach": reach(one),
        "lifelines": SimpleNamespace(unheld={}, ever_held=True),
        "announcer": SimpleNamespace(failed={}),
        "delivery": SimpleNamespace(failure=""),
        "virtual_macs": SimpleNamespace(failed=""),
        "forwarding": SimpleNamespace(
            balancing=Balancing(), host=SimpleNamespace(transactions=0, last_took=0.0)
        ),
        "complaints": (),
        "not_passing_on": "",
    }
    node = SimpleNamespace(**{**well, **changed})
    node.adapters = node.records = node
    return cast("Speaker", node)


def reach(one: One, *faults: Fault, often: int = 3, every: float = 0.3) -> Reach:
    """What is known of gossip when each of `faults` has come so often."""
    made = Reach()
    peers = [each for number, each in one.members.items() if number != 1]
    made.follow(peers, one.decider.state.desired.digest, one.now - 10.0)
    for at in range(often):
        for fault in faults:
            made.fault(fault, one.now - every * (often - 1 - at))
    return made


def found(one: One, **changed: Any) -> Sequence[Problem]:
    return problems(speaker(one, **changed), one.now)


def kinds(one: One, **changed: Any) -> list[str]:
    return [problem.kind for problem in found(one, **changed)]


def test_a_node_that_is_well_has_none() -> None:
    assert kinds(One(web(MINE))) == []


# -- the node as a whole ---------------------------------------------------------------------------


def test_what_its_source_lacks() -> None:
    one = One(web(MINE))
    assert kinds(one, waiting_for="192.0.2.11") == ["waiting"]
    assert kinds(one, config_error="line 3: no such key") == ["stale configuration"]
    assert kinds(one, at_next_start=frozenset({"node"})) == ["restart needed"]
    silent = SimpleNamespace(trouble=("Service: forbidden",), serving_nodes=lambda _: None)
    assert kinds(one, source=silent) == ["source"]


def test_another_host_with_its_name() -> None:
    one = One(web(MINE))
    one.tell(one.decider.namesake, endpoint(9), [mac(9)])
    (problem,) = found(one)
    assert (problem.kind, "192.0.2.19" in problem.text) == ("same name", True)


def test_gossip_that_never_reached_anybody_says_why() -> None:
    one = One(web(MINE), peers=(), join=())
    assert kinds(one) == []
    one.decider.state.rejoining.set_targets([cast("Any", SimpleNamespace(endpoint=endpoint(2)))], one.now)
    refused = SimpleNamespace(kind="stream", source="192.0.2.12:38484", detail="no key opens it")
    (problem,) = found(one, faults=SimpleNamespace(records=(refused,)))
    assert "packets from 192.0.2.12 are not understood" in problem.text, "whose port says nothing"
    assert (problem.kind, problem.cure) == ("no gossip", "compare keys and labels")
    assert "firewall" in found(one)[0].cure


def test_an_interface_that_is_lost_is_one_whatever_depends_on_it() -> None:
    one = One(*(web(address_of(1, 2, 3, number=number), name=f"s{number}") for number in range(5)))
    one.plug(link(carrier=False))
    named = SimpleNamespace(interfaces=("eth0", "eth7"), metallb_metrics=False)
    assert kinds(one, config=named) == ["no interface", "no interface", "no carrier"]
    assert kinds(one) == ["no interface", "no carrier"]
    one.plug(link())
    assert kinds(one) == []
    failed = SimpleNamespace(failed={2: "no buffers"})
    (problem, _) = found(one, config=named, announcer=failed)
    assert problem.text == "eth0 no buffers"


def test_a_host_that_cannot_pass_connections_on() -> None:
    one = One(web(MINE))
    why = "connections cannot be passed on: the process lacks CAP_NET_ADMIN"
    (problem,) = found(one, not_passing_on=why)
    assert (problem.kind, problem.severity, problem.text) == ("not passing on", Severity.WARNING, why)
    assert "CAP_NET_ADMIN" in problem.cure
    proxied = SimpleNamespace(trouble=(), serving_nodes=lambda _: None, delivers_locally=False)
    assert kinds(one, not_passing_on=why, source=proxied) == [], "an option that is off"


def test_another_speaker_on_this_host_is_one_for_a_minute() -> None:
    one = One(web(MINE))
    (problem,) = found(one, rival=Rival("process 1234", one.now - 59.0))
    assert (problem.kind, "1234" in problem.text) == ("second speaker", True)
    assert kinds(one, rival=Rival("process 1234", one.now - 61.0)) == []


def test_who_is_cut_off_blames_nobody() -> None:
    one = One(web(MINE))
    one.have(2, Verdict.DEAD)
    one.decider.state.isolation.cut_off = True
    assert kinds(one) == ["cut off"]


def test_who_is_drained_or_flaps_says_so_itself() -> None:
    one = One(web(MINE))
    one.tell(one.decider.wish, "n1", True)
    assert kinds(one) == [], "it was asked for"
    (note,) = notes(speaker(one))
    assert (note.kind, "drain n1 --undo" in note.cure) == ("draining", True)
    one.run(31.0)
    assert notes(speaker(one)) == ()
    (problem,) = found(one)
    assert (problem.kind, "drain n1 --undo" in problem.cure) == ("draining", True)
    one.tell(one.decider.wish, "n1", False)
    for _ in range(2):
        one.run(5.0)
        one.tell(one.decider.accused, "n2")
    assert kinds(one) == ["flapping"]


# -- its peers -------------------------------------------------------------------------------------


def test_a_member_that_is_lost_is_one_until_it_is_forgotten() -> None:
    one = One(web(MINE))
    for verdict in (Verdict.DEAD, Verdict.UNREACHABLE, Verdict.PROCESS_GONE):
        one.have(2, verdict)
        assert kinds(one) == ["lost member"]
    one.forget(2)  # gossip forgets the dead
    assert kinds(one) == ["lost member"]
    one.tell(one.decider.forget, "n2")
    assert kinds(one) == []


def test_a_member_that_left_on_purpose_is_none() -> None:
    one = One(web(MINE))
    one.have(2, Verdict.LEAVING)
    assert kinds(one) == []
    one.have(2, Verdict.LEAVING, digest="what it wanted then")
    assert kinds(one) == []


def test_many_that_are_lost_do_not_hide_the_rest() -> None:
    one = One(web(MINE), peers=range(2, 30))
    for number in range(2, 29):
        one.have(number, Verdict.DEAD)
    assert kinds(one) == ["lost member"] * 9
    assert found(one)[-1].text == "and 19 more of this kind"


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"digest": "another"}, "other services"),
        ({"digest": "another", "vrrp": MARKS}, "other election"),
        ({"draining": True, "drain_stands": True}, "draining"),
        ({"waits": 3}, "flapping"),
        ({"deaf": True}, "cut off"),
        ({"blind": True}, "outdated"),
        ({"outdated": True}, "outdated"),
    ],
)
def test_what_a_member_says_of_itself(told: dict[str, Any], kind: str) -> None:
    one = One(web(MINE))
    one.have(2, **told)
    (problem,) = found(one)
    assert (problem.kind, problem.text.startswith("n2 ")) == (kind, True)


def test_a_members_drain_that_goes_on_is_a_note() -> None:
    one = One(web(MINE))
    one.have(2, draining=True)
    assert kinds(one) == []
    (note,) = notes(speaker(one))
    assert (note.kind, note.text.startswith("n2 "), "n2 --undo" in note.cure) == ("draining", True, True)


def test_a_change_that_is_being_rolled_out_is_none_for_a_moment() -> None:
    one = One(web(MINE))
    one.have(2, digest="newer")
    fresh = Reach()
    fresh.follow([one.members[2]], one.decider.state.desired.digest, one.now - 1.0)
    assert kinds(one, reach=fresh) == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("tcp-only", "no UDP"),
        ("exchange-failed", "no TCP"),
        ("bad-packet", "wrong key"),
        ("stream", "wrong key"),
        ("frames-only", "gossip blocked"),
    ],
)
def test_gossip_that_reaches_in_part_only(fault: str, kind: str) -> None:
    one = One(web(MINE))
    one.have(2)
    one.members[2] = one.members[2].__class__(*_since(one.members[2], one.now - 60.0))
    one.meet()
    once, again = (reach(one, Fault(fault, "why", endpoint(2)), often=often) for often in (1, 3))
    assert kinds(one, reach=once) == []
    assert kinds(one, reach=again) == [kind]
    over = reach(one, Fault(fault, "why", endpoint(2)))
    one.now += 10.0
    assert kinds(one, reach=over) == []


def _since(member: Any, since: float) -> list[Any]:
    fields = [member.name, member.endpoint, member.verdict, since, member.incarnation]
    return [*fields, member.evidence, member.metadata]


def test_what_failed_before_a_member_was_there_does_not_count() -> None:
    one = One(web(MINE))
    one.have(2)
    assert kinds(one, reach=reach(one, Fault("exchange-failed", "refused", endpoint(2)), every=0.1)) == []


def test_a_port_that_never_reached_anybody_is_one_problem_although_frames_do() -> None:
    one = One(web(MINE))
    one.have(2)
    one.have(3)
    never = SimpleNamespace(unheld={}, ever_held=False)
    one_of_two = reach(one, Fault("frames-only", "why", endpoint(2)))
    assert kinds(one, reach=one_of_two, lifelines=never) == ["gossip blocked"]
    both = reach(one, *(Fault("frames-only", "why", endpoint(number)) for number in (2, 3)))
    (problem,) = found(one, reach=both, lifelines=never)
    assert (problem.kind, "firewall" in problem.cure) == ("no gossip", True)
    assert kinds(one, reach=both) == ["gossip blocked"] * 2, "it was open once"


def test_a_peer_that_no_lifeline_reaches() -> None:
    one = One(web(MINE))
    one.have(2)
    since = one.now
    one.run(4.0)
    assert kinds(one, lifelines=SimpleNamespace(unheld={"n2": since}, ever_held=True)) == []
    one.run(2.0)
    assert kinds(one, lifelines=SimpleNamespace(unheld={"n2": since}, ever_held=True)) == ["no TCP"]


def test_a_peer_that_is_suspected_without_end() -> None:
    one = One(web(MINE))
    one.have(2, Verdict.SUSPECT)
    missed = Reach()
    missed.follow([one.members[2]], "same", one.now - 1.0)
    assert kinds(one, reach=missed) == []
    one.now += 2.0
    assert kinds(one, reach=missed) == ["gossip blocked"]
    missed.follow([one.members[3]], "same", one.now)


# -- single addresses ------------------------------------------------------------------------------


def test_an_address_that_nobody_can_lead() -> None:
    one = One(web(MINE))
    one.hear(Unable("n2", (MINE,), 1))
    one.tell(one.decider.delivered, frozenset(), {MINE: "it is this host's own"})
    one.have(3, Verdict.DEAD)
    one.have(2, unable=True)
    one.hear(Unable("n2", (MINE,), 2))
    told = found(one)
    assert [each.kind for each in told] == ["lost member", "no leader", "undeliverable", "undeliverable"]
    assert "it is this host's own" in told[2].text
    assert "on n2" in told[3].text


def test_services_that_nobody_is_fit_for_and_those_of_this_node_alone() -> None:
    check = Check(Process(name="haproxy"))
    one = One(web(MINE, track=(check,)), web(THEIRS, name="other", track=(check,)))
    one.tell(one.decider.checked, check, Result(ok=False, why="it is gone"))
    (told,) = found(one)
    assert (told.kind, told.severity) == ("unfit", Severity.WARNING)
    assert told.text == "other, web: process haproxy: it is gone"
    sick = Fitness(fit=False, why="it is gone there, too")
    for number in (2, 3):
        one.hear(Fit(f"n{number}", (FitRow("web", sick, 1),)))
    nobody, alone = found(one)
    assert (nobody.kind, nobody.severity) == ("nobody fit", Severity.CRITICAL)
    assert nobody.text == "web: no node is fit, n1 leads all the same: process haproxy: it is gone"
    assert (alone.kind, alone.text) == ("unfit", "other: process haproxy: it is gone")


def test_a_shared_service_that_nobody_is_fit_for_is_led_by_nobody_in_particular() -> None:
    check = Check(Process(name="haproxy"))
    one = One(web(MINE, track=(check,), sharing=Sharing("client")))
    one.tell(one.decider.checked, check, Result(ok=False, why="it is gone"))
    for number in (2, 3):
        one.hear(Fit(f"n{number}", (FitRow("web", Fitness(fit=False, why="it, too"), 1),)))
    (nobody,) = found(one)
    assert nobody.text.startswith("web: no node is fit, all share it all the same: ")


def test_an_address_that_its_leader_does_not_answer_for() -> None:
    one = One(web(THEIRS))
    one.claim(THEIRS, 3)
    with_time = reach(one)
    with_time.lasting(one.decider.stand_ins, one.now)
    assert kinds(one, reach=with_time) == [], "a handover"
    one.now += 4.0
    with_time.lasting(one.decider.stand_ins, one.now)
    (problem,) = found(one, reach=with_time)
    assert problem.text == f"{THEIRS}: its leader n2 does not answer for it, and n3 does instead"
    one.claim(THEIRS, 2)
    assert kinds(one, reach=with_time) == []


def test_a_strangers_claim_is_one_problem_for_all_addresses() -> None:
    addresses = [address_of(1, 2, 3, number=number) for number in range(5)]
    one = One(*(web(address, name=str(address)) for address in addresses))
    for address in addresses:
        one.claim(address, 9)
    (problem,) = found(one)
    assert (problem.kind, problem.severity) == ("claimed by a stranger", Severity.CRITICAL)
    assert "and 2 more" in problem.text
    assert "02:00:00:00:00:09" in problem.text


def test_a_peers_claims_are_one_when_they_do_not_end_by_themselves() -> None:
    one = One(web(MINE))
    one.decider.state.announcing.note(MINE, mac(2), "eth0", "n2", one.now)
    assert kinds(one) == [], "a move"
    one.now += 4.0
    one.decider.state.announcing.note(MINE, mac(2), "eth0", "n2", one.now)
    (problem,) = found(one)
    assert (problem.kind, "peer n2" in problem.text) == ("claimed by a peer", True)
    one.now += 20.0
    assert kinds(one) == []


def test_a_stranger_that_turns_out_to_be_a_peer_is_none() -> None:
    one = One(web(MINE))
    one.claim(MINE, 9)
    assert kinds(one) == ["claimed by a stranger"]
    one.have(9)
    assert kinds(one) == []


def test_what_this_host_cannot_have() -> None:
    one = One(web(MINE))
    assert kinds(one, delivery=SimpleNamespace(failure="no netlink")) == ["undeliverable"]
    complaints = (Complaint("error", "f:3: no", "web"), Complaint("warning", "f:4: perhaps", "web"))
    assert kinds(one, complaints=complaints) == ["refused"]


def test_endpoints_on_dead_nodes() -> None:
    one = One(web(MINE))
    one.have(2, Verdict.DEAD)
    serving = SimpleNamespace(trouble=(), serving_nodes=lambda _: frozenset({"n2"}))
    assert kinds(one, source=serving) == ["lost member", "dead endpoints"]


def test_what_concerns_the_whole_node_comes_first() -> None:
    one = One(web(THEIRS))
    one.have(2, Verdict.DEAD)
    one.run(1.0)
    one.claim(THEIRS, 2)
    assert kinds(one) == ["lost member"], "it may be seen again in a moment"
    one.holding = {THEIRS: 2}
    one.run(1.1)
    assert kinds(one, config_error="line 3: no such key") == ["stale configuration", "lost member", "yielded"]


# -- what hangs on the kinds -----------------------------------------------------------------------


def test_each_kind_is_a_metric_also_while_there_is_none() -> None:
    one = One(web(MINE))
    one.have(2, Verdict.DEAD)
    (samples,) = (
        each.samples
        for each in metrics(
            speaker(
                one,
                hooks=SimpleNamespace(failures=0),
                failovers=SimpleNamespace(),
                announcer=SimpleNamespace(failed={}, counters={}, tallies={}),
                cluster=SimpleNamespace(members=tuple, counters={}),
            )
        )
        if each.name == "roost_problems"
    )
    assert samples == {(kind,): float(kind == "lost member") for kind in KINDS}


def test_each_kind_has_an_alert_with_its_severity_and_cure() -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "rules.yaml").read_text())["spec"]["groups"][1]["rules"]
    told = {rule["expr"]: (rule["labels"]["severity"], rule["annotations"]["description"]) for rule in rules}
    assert told == {
        f'roost_problems{{kind="{kind}"}} > 0': (each.severity.value, each.cure)
        for kind, each in KINDS.items()
    }


def test_each_kind_is_in_the_reference() -> None:
    page = (DEPLOY.parent / "docs" / "reference" / "status.md").read_text()
    assert [kind for kind in KINDS if f"| `{kind}` |" not in page] == []

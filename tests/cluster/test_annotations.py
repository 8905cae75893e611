"""Roost's own annotations on a Service: an address that stays where it is, and one on many nodes."""

import signal
from typing import Any

import pytest
from tests.cluster.clients import tcp, udp
from tests.cluster.nodes import KubeLan, by_hash
from tests.system.crowd import crowd
from tests.system.netns import NETNS, Namespace
from tests.system.speakers import Speaker, heard_by, until

pytestmark = [*NETNS, pytest.mark.timeout(120)]

NAMES = ("n1", "n2", "n3")
CLIENTS = 6


def annotate(lan: KubeLan, **annotations: str | None) -> None:
    """Change annotations of the Service `web`; None takes one off."""
    named = {f"roost.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
    lan.api.patch("/api/v1/namespaces/default/services/web", {"metadata": {"annotations": named}})


def named(lan: KubeLan, name: str) -> Speaker:
    return next(each for each in lan.speakers if each.name == name)


def away_and_back(lan: KubeLan, speaker: Speaker, after: int, vips: list[str], meanwhile: str) -> None:
    """End a speaker by a signal, wait until `meanwhile` answers, and start it again."""
    speaker.signal(signal.Signals(after))
    speaker.wait()
    for vip in vips:
        lan.settle_on(vip, {meanwhile})
    speaker.start()
    lan.whole()


def reached(lan: KubeLan, vips: list[str]) -> None:
    for vip in vips:
        assert tcp(lan.client, vip) in NAMES
        assert udp(lan.client, vip) in NAMES


def told(lan: KubeLan) -> list[str]:
    return sorted(each["node"] for each in lan.told("web"))


@pytest.mark.parametrize("after", [signal.SIGTERM, signal.SIGKILL], ids=["restart", "kill"])
def test_an_address_stays_where_it_is_until_the_annotation_says_otherwise(lan: KubeLan, after: int) -> None:
    vips = lan.service_of_both("web", annotations={"roost.io/failback": "never"})
    first, second, _ = by_hash(vips[0], *NAMES)
    for vip in vips:
        lan.settle_on(vip, {first})
    away_and_back(lan, named(lan, first), after, vips, second)
    until(lambda: told(lan) == [second], f"{second} is told to announce")
    for vip in vips:
        assert lan.answerers(vip) == {second}
    (shown,) = named(lan, first).status()["services"]
    assert (shown["failback"], shown["leader"]) == ("never", second)
    assert first in shown["why_kept"]
    reached(lan, vips)
    annotate(lan, failback="1s")
    for vip in vips:
        lan.settle_on(vip, {first})
    until(lambda: told(lan) == [first], f"{first} is told to announce")
    reached(lan, vips)


def test_the_holder_may_be_restarted_too_and_a_wrong_annotation_is_named(lan: KubeLan) -> None:
    vips = lan.service_of_both("web", annotations={"roost.io/failback": "never"})
    first, second, third = by_hash(vips[0], *NAMES)
    lan.settle_on(vips[0], {first})
    away_and_back(lan, named(lan, first), signal.SIGTERM, vips, second)
    away_and_back(lan, named(lan, third), signal.SIGTERM, vips, second)  # no holder: nothing moves
    away_and_back(lan, named(lan, second), signal.SIGTERM, vips, first)
    for vip in vips:
        assert lan.answerers(vip) == {first}
    annotate(lan, failback="sometimes")

    def warned() -> bool:
        warnings = named(lan, first).status()["config"]["warnings"]
        return any("sometimes" in each and "roost.io/failback" in each for each in warnings)

    until(warned, "the wrong annotation is named")
    (shown,) = named(lan, first).status()["services"]
    assert shown["failback"] == "always"


def ignored(lan: KubeLan) -> list[str]:
    """What events say of annotations of `web` that have no effect."""
    return [text for reason, text in lan.api.events("web") if reason == "annotationIgnored"]


def test_why_an_annotation_has_no_effect_is_an_event_and_a_problem(lan: KubeLan) -> None:
    vips = lan.service_of_both("web")
    lan.settle_on(vips[0], {lan.leader(vips[0]).name})
    annotate(lan, sharing="connections")
    until(
        lambda: any("roost.io/sharing: 'connections' is neither" in each for each in ignored(lan)), "a typo"
    )
    leader = lan.leader(vips[0])
    leader.signal(signal.SIGTERM)
    leader.wait()
    leader.start("--responder", "packet")
    try:
        lan.whole()
        annotate(lan, sharing="connection")
        begin = f'roost.io/sharing: connection: node "{leader.name}" takes all connections'
        until(lambda: any(each.startswith(begin) for each in ignored(lan)), "its kernel is not asked")
        (told,) = [each for each in leader.status()["problems"] if each["kind"] == "not spread"]
        assert "speaker.bpf of the chart, or take the annotation roost.io/sharing off" in told["cure"]
        lan.settle_on(vips[0], {leader.name})
        reached(lan, vips)
    finally:
        leader.signal(signal.SIGTERM)
        leader.wait()
        leader.start()
    lan.whole()
    until(
        lambda: not any(each["kind"] == "not spread" for each in leader.status()["problems"]), "it is spread"
    )


def asked(lan: KubeLan, clients: list[Namespace], vip: str) -> list[set[str]]:
    """Return who answers each client for an address, by name."""
    macs = {each.namespace.mac("eth0"): each.name for each in lan.speakers}
    return [{macs.get(mac, "?") for mac in heard_by(client, vip, 0.4)} for client in clients]


def test_an_address_on_all_nodes_and_what_they_weigh(lan: KubeLan) -> None:
    vips = lan.service_of_both("web", annotations={"roost.io/sharing": "per-client"})
    many = crowd(lan.net, lan, CLIENTS, vips[0])
    try:
        clients = list(many.clients)

        def one_each(*nodes: str) -> Any:
            found = [each for vip in vips for each in asked(lan, clients, vip)]
            return all(len(each) == 1 for each in found) and set().union(*found) == set(nodes)

        until(lambda: told(lan) == list(NAMES), "all nodes are told to announce")
        until(
            lambda: all(len(each) == 1 for vip in vips for each in asked(lan, clients, vip)),
            "each client has one answer",
        )
        reached(lan, vips)
        annotate(lan, sharing_weights="n1=0,n2=3")
        until(lambda: one_each("n2", "n3") or one_each("n2"), "n1 answers nobody")
        annotate(lan, sharing_weights="n1=0,n2=0")
        until(lambda: one_each("n3"), "n3 answers everybody")
        reached(lan, vips)
        lan.cut(named(lan, "n3"))
        until(
            lambda: one_each("n1", "n2") or one_each("n1") or one_each("n2"), "who weighs nothing stands in"
        )
        lan.heal(named(lan, "n3"))
        lan.whole()
        annotate(lan, sharing=None, sharing_weights=None)
        leader = by_hash(vips[0], *NAMES)[0]
        until(lambda: one_each(leader), "one node leads again")
        until(lambda: told(lan) == [leader], "one node is told to announce")
    finally:
        many.close()

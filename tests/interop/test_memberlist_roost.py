"""Clusters of Roost nodes over real sockets on loopback."""

import asyncio
import contextlib
import logging
import socket
from dataclasses import replace

import pytest
from tests.interop.clusters import BRISK, RoostPeer, member, roost, sees
from tests.interop.peers import PORT, loopback, until

from roost.decide.join_target import parse_target
from roost.membership.cluster import Cluster, Listener
from roost.model.node import Verdict
from roost.protocols.machine import Endpoint
from roost.protocols.words.codec import Word
from roost.protocols.words.draining import Ask
from roost.protocols.words.macs import Macs
from roost.protocols.words.metadata import Metadata
from roost.protocols.words.verdict import Ground
from roost.runtime.memberlist_transport import BindError


async def test_three_nodes_meet_and_part() -> None:
    labels = {"zone": "a"}
    async with (
        roost("n1") as first,
        roost("n2", join=[str(first.endpoint)]) as second,
        roost("n3", join=[str(second.endpoint)], metadata=Metadata(labels=labels)) as third,
    ):
        nodes = (first, second, third)
        for node in nodes:
            for name in ("n1", "n2", "n3"):
                await sees(node, name, Verdict.ALIVE)
        assert (await sees(first, "n3", Verdict.ALIVE)).metadata.labels == labels
        assert first.changes >= 2
        assert await third.leave(5)
        for node in (first, second):
            held = await sees(node, "n3", Verdict.LEAVING)
            assert not held.verdict.active
        await second.stop()
        held = await sees(first, "n2", Verdict.DEAD)
        assert held.evidence
        assert all(each.faults == () for each in (second, third))


async def test_a_node_that_was_gone_for_longer_than_it_is_remembered_is_found_again() -> None:
    """Neither side is configured to join the other: what was lost is tried again."""
    brief = replace(BRISK, gossip_to_the_dead_time=0.5, probe_interval=0.1, probe_timeout=0.05)
    host = loopback()
    async with roost("n1", profile=brief) as first:
        async with roost("n2", host=host, profile=brief, join=[str(first.endpoint)]):
            await sees(first, "n2", Verdict.ALIVE)
        await sees(first, "n2", Verdict.DEAD)
        await asyncio.sleep(1.5)
        async with roost("n2", host=host, profile=brief) as second:  # a fresh process that knows nobody
            await sees(first, "n2", Verdict.ALIVE)
            await sees(second, "n1", Verdict.ALIVE)


async def test_a_configured_peer_may_come_late() -> None:
    host = loopback()
    async with roost("n1", join=[f"{host}:{PORT}"]) as first:
        await until(lambda: first.settled, "alone, and settled after a while")
        assert [each.name for each in first.members()] == ["n1"]
        async with roost("n2", host=host) as second:
            await sees(first, "n2", Verdict.ALIVE)
            await sees(second, "n1", Verdict.ALIVE)


async def test_targets_that_are_changed_do_not_wait_for_the_interval() -> None:
    patient = replace(BRISK, rejoin_interval=3600.0)
    async with roost("n1", profile=patient) as first, roost("n2") as second:
        await asyncio.sleep(0.5)
        assert member(first, "n2") is None
        settings = replace(first.decider.state.settings, join=(parse_target(str(second.endpoint)),))
        first.configure(settings)
        await sees(first, "n2", Verdict.ALIVE)
        await sees(second, "n1", Verdict.ALIVE)


async def test_host_names_are_resolved_at_each_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, str] = {}
    real = socket.getaddrinfo

    def look_up(host: str, *args: object, **kwargs: object) -> object:
        if host == "peer.example":
            if host not in names:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            host = names[host]
        return real(host, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    async with roost("n1", join=[f"peer.example:{PORT}"]) as first, roost("n2") as second:
        await asyncio.sleep(1)
        assert member(first, "n2") is None
        assert second.endpoint is not None
        names["peer.example"] = second.endpoint.host
        await sees(first, "n2", Verdict.ALIVE)


async def test_being_synchronized_follows_the_members_of_the_first_exchange() -> None:
    """Whoever acts on it must find the peers among the members already."""
    heard: list[list[str]] = []
    async with roost("n1") as first:
        assert not first.settled
        second = Cluster(
            "n2",
            bind=Endpoint(loopback(), PORT),
            profile=BRISK,
            listener=Listener(
                members=lambda: heard.append([each.name for each in second.members()]),
                synchronized=lambda: heard.append(["synchronized"]),
            ),
        )
        await second.start()
        assert first.endpoint is not None
        second.join([first.endpoint])
        await until(lambda: first.settled and ["synchronized"] in heard, "both know by the exchange")
        await second.stop()
    assert heard[heard.index(["synchronized"]) - 1] == ["n1", "n2"]


async def test_without_membership_a_node_is_alone_and_settled() -> None:
    node = RoostPeer("n1", bind=None)
    await node.start()
    assert node.settled
    assert [(each.name, each.verdict) for each in node.members()] == [("n1", Verdict.ALIVE)]
    node.describe(Metadata(labels={"zone": "a"}))
    assert node.members()[0].metadata.labels == {"zone": "a"}
    node.join([Endpoint("192.0.2.1", PORT)])
    node.tell(["n2"], Ground("n1", Verdict.DEAD, ""))
    assert await node.leave(1)
    await node.stop()


async def test_words_reach_the_members_they_are_for_and_states_whoever_joins() -> None:
    heard: list[Word] = []
    async with roost("n1") as first:
        first.describe(Metadata(), [Macs((("n1", (bytes(6),)),))])
        second = Cluster(
            "n2", bind=Endpoint(loopback(), PORT), profile=BRISK, listener=Listener(word=heard.append)
        )
        await second.start()
        assert first.endpoint is not None
        second.join([first.endpoint])
        await sees(first, "n2", Verdict.ALIVE)
        first.tell(["n2", "nobody"], Ask("n1", "n2", None))
        await until(lambda: len(heard) >= 2, "n2 hears both")
        await second.stop()
    assert set(heard) == {Macs((("n1", (bytes(6),)),)), Ask("n1", "n2", None)}


async def test_a_verdict_from_outside_of_gossip_is_told_with_its_grounds() -> None:
    async with roost("n1") as first, roost("n2", join=[str(first.endpoint)]) as second:
        async with roost("n3", join=[str(first.endpoint)]):
            for node in (first, second):
                await sees(node, "n3", Verdict.ALIVE)
        first.declare(Ground("n3", Verdict.PROCESS_GONE, "its port is closed"))
        for node in (first, second):
            held = await sees(node, "n3", Verdict.PROCESS_GONE)
            assert held.evidence == "its port is closed"


async def test_a_second_node_of_the_same_name_is_refused_and_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "roost.membership")
    async with roost("n1") as first, roost("n2", join=[str(first.endpoint)]) as second:
        await sees(first, "n2", Verdict.ALIVE)
        async with roost("n2", join=[str(first.endpoint)]):
            await until(lambda: any(fault.kind == "name-conflict" for fault in first.faults), "n1 reports it")
            await asyncio.sleep(1)
        held = member(first, "n2")
        assert held is not None
        assert held.endpoint == second.endpoint
        lines = [record.getMessage() for record in caplog.records if "conflict" in record.getMessage()]
        assert 1 <= len(lines) <= 3, "one line per node and 10 s, however often it happens"


async def test_a_port_that_is_taken_says_which_and_what_to_do() -> None:
    async with roost("n1") as first:
        assert first.endpoint is not None
        second = Cluster("n2", bind=first.endpoint)
        with pytest.raises(BindError, match=rf"{first.endpoint}.*in use.*membership\.bind"):
            await second.start()
        await second.stop()


async def test_a_taken_udp_port_alone_is_as_bad() -> None:
    host = loopback()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((host, PORT))
        with pytest.raises(BindError, match="in use"):
            await Cluster("n1", bind=Endpoint(host, PORT)).start()


async def test_all_addresses_of_a_host_advertise_one_that_others_can_use() -> None:
    with contextlib.suppress(BindError):  # a host that has nothing but loopback says so
        async with roost("n1", host="0.0.0.0", port=0) as node:
            assert node.endpoint is not None
            assert not node.endpoint.host.startswith(("0.", "127."))
    async with roost("n2", host="::", port=0, advertise=Endpoint("127.0.0.1", 0)) as first:
        assert first.endpoint is not None
        assert first.endpoint.host == "127.0.0.1"
        async with roost("n3", join=[str(first.endpoint)]) as second:  # IPv4 on a dual-stack socket
            await sees(first, "n3", Verdict.ALIVE)
            await sees(second, "n2", Verdict.ALIVE)


async def test_a_stop_without_a_word_frees_the_port_at_once() -> None:
    host = loopback()
    for _ in range(3):
        async with roost("n1", host=host) as node:
            assert node.endpoint == Endpoint(host, PORT)

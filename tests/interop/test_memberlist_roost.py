"""Clusters of Roost nodes over real sockets on loopback."""

import asyncio
import contextlib
import logging
import socket
from dataclasses import replace

import pytest
from tests.interop.clusters import BRISK, member, roost, sees
from tests.interop.peers import PORT, loopback, until

from roost.membership.cluster import Cluster
from roost.model.node import Verdict
from roost.protocols.machine import Endpoint
from roost.protocols.words.metadata import Metadata
from roost.runtime.memberlist_transport import BindError


async def test_three_nodes_meet_and_part() -> None:
    changes: list[frozenset[str]] = []
    labels = {"zone": "a"}
    async with (
        roost("n1", on_change=changes.append) as first,
        roost("n2", join=[str(first.endpoint)]) as second,
        roost("n3", join=[str(second.endpoint)], metadata=Metadata(labels=labels)) as third,
    ):
        nodes = (first, second, third)
        for node in nodes:
            for name in ("n1", "n2", "n3"):
                await sees(node, name, Verdict.ALIVE)
        assert first.candidates()["n3"].node.labels == labels
        assert {name for names in changes for name in names} == {"n1", "n2", "n3"}
        assert await third.leave(5)
        for node in (first, second):
            held = await sees(node, "n3", Verdict.LEAVING)
            assert not held.verdict.active
        await second.stop()
        held = await sees(first, "n2", Verdict.DEAD)
        assert "n2" not in [name for name, each in first.candidates().items() if each.verdict.active]
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
        assert list(first.candidates()) == ["n1"]
        async with roost("n2", host=host) as second:
            await sees(first, "n2", Verdict.ALIVE)
            await sees(second, "n1", Verdict.ALIVE)


async def test_rejoin_now_does_not_wait_for_the_interval() -> None:
    host = loopback()
    patient = replace(BRISK, rejoin_interval=3600.0)
    async with roost("n1", profile=patient, join=[f"{host}:{PORT}"]) as first:
        await asyncio.sleep(0.5)
        async with roost("n2", host=host) as second:
            await asyncio.sleep(0.5)
            assert member(first, "n2") is None
            first.rejoin_now()
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


async def test_settled_follows_the_members_of_the_first_exchange() -> None:
    """Whoever acts on being settled must find the peers in the candidates already."""
    patient = replace(BRISK, settle_time=60.0)
    known: list[list[str]] = []
    async with roost("n1", profile=patient) as first:
        assert not first.settled
        host = loopback()
        second = Cluster(
            "n2",
            bind=Endpoint(host, PORT),
            profile=patient,
            join=[str(first.endpoint)],
            on_settled=lambda: known.append(sorted(second.candidates())),
        )
        await second.start()
        await until(lambda: first.settled and second.settled, "both are settled by the exchange")
        await second.stop()
    assert known == [["n1", "n2"]]


async def test_without_membership_a_node_is_alone_and_settled() -> None:
    settled: list[bool] = []
    node = Cluster("n1", bind=None, on_settled=lambda: settled.append(True))
    await node.start()
    assert node.settled
    assert settled == [True]
    assert [(name, each.verdict) for name, each in node.candidates().items()] == [("n1", Verdict.ALIVE)]
    node.rejoin_now()
    node.set_metadata(Metadata(labels={"zone": "a"}))
    assert node.candidates()["n1"].node.labels == {"zone": "a"}
    assert await node.leave(1)
    await node.stop()


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

"""What the cluster makes of user messages and states: decoded once, handed on, or counted."""

import logging

import msgpack
import pytest

from roost.membership.cluster import Cluster, Listener
from roost.model.node import Verdict
from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.effects import MemberChanged, UserData, UserState
from roost.protocols.memberlist.members import Member
from roost.protocols.memberlist.messages import CURRENT_VERSIONS, Status
from roost.protocols.words.codec import Word, encode, encode_state
from roost.protocols.words.draining import Ask
from roost.protocols.words.macs import Macs
from roost.protocols.words.verdict import Ground

PEER = Endpoint("192.0.2.12", 7946)


def listening() -> tuple[Cluster, list[Word]]:
    heard: list[Word] = []
    return Cluster("n1", bind=None, listener=Listener(word=heard.append)), heard


def test_words_are_handed_on() -> None:
    cluster, heard = listening()
    words = (Ask("n2", "n1", None), Ground("n1", Verdict.UNREACHABLE, ""), Ground("n3", Verdict.DEAD, ""))
    for word in words:
        cluster.effect(UserData(encode(word), PEER))
    assert tuple(heard) == words
    assert not cluster.counters


def test_words_that_come_with_a_state_are_handed_on_one_by_one() -> None:
    cluster, heard = listening()
    words: tuple[Word, ...] = (Macs((("n2", (b"\x02\0\0\0\0\2",)),)), Ask("n2", "n1", None))
    cluster.effect(UserState(encode_state(words), PEER))
    assert tuple(heard) == words


def test_what_is_not_understood_is_counted_by_its_cause() -> None:
    cluster, heard = listening()
    for payload in (msgpack.packb(["roost", "unheard of"]), b"serf", b""):
        cluster.effect(UserData(payload, PEER))
    cluster.effect(UserState(b"serf", PEER))
    assert heard == []
    assert dict(cluster.counters) == {"unknown_words": 1, "foreign_messages": 2, "foreign_states": 1}


async def test_who_is_cut_off_calls_nobody_dead(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "roost.membership")
    cluster, _ = listening()
    member = Member("n2", PEER, b"", 1, Status.DEAD, 0.0, CURRENT_VERSIONS, "no ack", b"\xc0\0\2\x0c")
    lost = MemberChanged("dead", member, "no ack", "")
    for isolated in (False, True, False):
        cluster.isolate(isolated=isolated)
        cluster.effect(lost)
    first, second, third = (record.getMessage() for record in caplog.records)
    assert first == third == "member n2: dead"
    assert "dead" not in second
    assert "cannot know" in second

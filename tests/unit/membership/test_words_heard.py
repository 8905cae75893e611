"""What the cluster makes of user messages: decoded once, handed on, or counted."""

import msgpack

from roost.membership.cluster import Cluster
from roost.model.node import Verdict
from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.effects import UserData
from roost.protocols.words.codec import Word, encode
from roost.protocols.words.draining import Ask
from roost.protocols.words.verdict import Ground

PEER = Endpoint("192.0.2.12", 7946)


def test_words_are_handed_on_and_grounds_about_this_node_are_told_apart() -> None:
    heard: list[Word] = []
    silent: list[bool] = []
    cluster = Cluster("n1", bind=None, on_message=heard.append, on_silent=lambda: silent.append(True))
    for word in (
        Ask("n2", "n1", None),
        Ground("n1", Verdict.UNREACHABLE, ""),
        Ground("n3", Verdict.DEAD, ""),
    ):
        cluster.effect(UserData(encode(word), PEER))
    assert heard == [Ask("n2", "n1", None)]
    assert silent == [True]
    assert not cluster.counters


def test_what_is_not_understood_is_counted_by_its_cause() -> None:
    heard: list[Word] = []
    cluster = Cluster("n1", bind=None, on_message=heard.append)
    for payload in (msgpack.packb(["roost", "unheard of"]), b"serf", b""):
        cluster.effect(UserData(payload, PEER))
    assert (heard, dict(cluster.counters)) == ([], {"unknown_words": 1, "foreign_messages": 2})

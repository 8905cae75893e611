"""What a reload may change: the rest keeps the value that the process was started with."""

from dataclasses import replace
from pathlib import Path

import pytest

from roost.protocols.machine import Endpoint
from roost.settings import AnnounceConfig, MembershipConfig, SpeakerSettings, StatusConfig, in_force

HERE = Endpoint("192.0.2.11", 7946)
THERE = Endpoint("192.0.2.12", 7946)
GOSSIP = MembershipConfig(bind=HERE, advertise=HERE, keys=(b"k" * 16,))
RUNNING = SpeakerSettings(
    node="n1",
    labels={},
    interfaces=None,
    membership=GOSSIP,
    status=StatusConfig(Path("/run/roost/n1.sock")),
    announce=AnnounceConfig(),
    termination_grace=10.0,
)


def test_what_a_restart_changes_keeps_its_value_and_is_named() -> None:
    wanted = replace(
        RUNNING,
        node="n2",
        announce=AnnounceConfig(responder="packet"),
        status=StatusConfig(Path("/run/roost/n2.sock")),
        membership=replace(GOSSIP, bind=THERE, advertise=THERE, join=(HERE,), label=b"x", profile="fast"),
    )
    assert in_force(RUNNING, wanted) == (
        RUNNING,
        frozenset(
            {"node", "status", "membership.bind", "membership.advertise", "announce.responder"}
            | {"membership.join", "membership.label", "membership.profile"}
        ),
    )


def test_what_a_running_speaker_can_change_is_taken() -> None:
    wanted = replace(
        RUNNING,
        labels={"rack": "a"},
        interfaces=("eth0",),
        announce=AnnounceConfig(gratuitous_rate=100),
        termination_grace=1.0,
        membership=replace(GOSSIP, keys=(b"n" * 16, b"k" * 16)),
    )
    assert in_force(RUNNING, wanted) == (wanted, frozenset())


@pytest.mark.parametrize(
    ("running", "wanted"),
    [(RUNNING, replace(RUNNING, membership=None)), (replace(RUNNING, membership=None), RUNNING)],
)
def test_membership_neither_comes_nor_goes(running: SpeakerSettings, wanted: SpeakerSettings) -> None:
    assert in_force(running, wanted) == (running, frozenset({"membership"}))

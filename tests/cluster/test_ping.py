"""A VIP that answers ping: the leader answers, one for one, through a handover; nobody where nobody leads."""

import signal
import time
from collections.abc import Iterator

import pytest
from tests.cluster.clients import Pings
from tests.cluster.nodes import KubeLan
from tests.system.netns import NETNS
from tests.system.speakers import until

pytestmark = [*NETNS, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def answering(two_networks: KubeLan) -> Iterator[KubeLan]:
    """The cluster with speakers that answer pings."""
    restart(two_networks, "--answer-ping")
    yield two_networks
    restart(two_networks)


@pytest.fixture
def lan(answering: KubeLan, lan: KubeLan) -> KubeLan:
    return lan


def quiet(lan: KubeLan, *vips: str) -> None:
    """Wait until no kernel forwards pings of these any more."""

    def known() -> bool:
        rules = [
            each.namespace.run("nft", "list", "ruleset").partition("roost_ping")[2] for each in lan.speakers
        ]
        return all(vip in each for each in rules for vip in vips)

    until(known, "the kernels leave pings alone")


def restart(cluster: KubeLan, *options: str) -> None:
    for speaker in cluster.running():
        speaker.signal(signal.SIGTERM)
        speaker.wait()
    cluster.start(*options)


@pytest.mark.parametrize("family", [4, 6])
def test_every_ping_is_answered_once_and_nothing_else_comes(lan: KubeLan, family: int) -> None:
    addresses = lan.service_of_both("web")
    vip = addresses[family == 6]
    leader = lan.leader(vip)
    quiet(lan, *addresses)
    with Pings(lan.client, vip) as pings:
        time.sleep(4)  # longer than a kernel asks the LAN before it calls a host unreachable
    assert pings.sent > 100
    assert (pings.lost, pings.twice, pings.errors) == (0, 0, [])
    assert pings.macs == {leader.namespace.mac("eth0").hex(":")}
    with Pings(lan.client, vip, size=1400) as large:
        time.sleep(0.3)
    assert (large.lost, large.twice) == (0, 0)


@pytest.mark.parametrize("family", [4, 6])
def test_a_planned_handover_loses_no_ping(lan: KubeLan, family: int) -> None:
    vip = lan.service_of_both("web")[family == 6]
    leader = lan.leader(vip)
    quiet(lan, vip)
    with Pings(lan.client, vip, 0.005) as pings:
        time.sleep(0.5)
        leader.signal(signal.SIGTERM)
        assert leader.wait() == 0
        leader.start("--answer-ping")
        lan.whole()
        until(lambda: vip in leader.answering(), "it leads again")
        time.sleep(0.5)
    assert len(pings.macs) == 2
    assert (pings.lost, pings.twice, pings.errors) == (0, 0, [])


@pytest.mark.parametrize("family", [4, 6])
def test_where_nobody_leads_no_ping_is_answered(lan: KubeLan, family: int) -> None:
    """Not even one that a stale neighbour entry brings to who led before."""
    vip = lan.service_of_both("web")[family == 6]
    leader = lan.leader(vip)
    mac = leader.namespace.mac("eth0").hex(":")
    lan.endpoints_of_both("web")
    lan.settle_on(vip, set())
    lan.client.ip(f"neigh replace {vip} lladdr {mac} dev eth0 nud permanent")
    try:
        with Pings(lan.client, vip) as pings:
            time.sleep(1)
        assert pings.sent > 20
        assert not pings.answers
    finally:
        lan.client.ip(f"neigh del {vip} dev eth0")


def test_after_the_leaders_death_the_next_one_answers(lan: KubeLan) -> None:
    vip = lan.service_of_both("web")[0]
    leader = lan.leader(vip)
    with Pings(lan.client, vip) as pings:
        time.sleep(0.3)
        lan.cut(leader)
        until(lambda: len(pings.macs) == 2, "another node answers")
        time.sleep(0.3)
    assert pings.twice == 0
    assert pings.lost < 100

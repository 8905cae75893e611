"""Waiting for the node's proxy before answering for what came by a handover."""

from ipaddress import ip_address

from roost.decide.handover import HOLD
from roost.decide.readiness import PATIENCE, Readiness
from roost.model.service import Service

VIP, OTHER = ip_address("192.0.2.200"), ip_address("192.0.2.201")
WEB = Service("web", (VIP,), (), health_port=32000)
MAIL = Service("mail", (OTHER,), (), health_port=32001)


def test_the_old_leader_is_still_there_when_the_new_ones_patience_ends() -> None:
    assert PATIENCE < HOLD


def test_an_address_is_awaited_until_the_proxy_knows_it() -> None:
    readiness = Readiness(patience=60)
    readiness.expect(WEB, "n1", 0.0)
    asked, now = 0, 0.0
    while asked < 5:
        services, freed = readiness.wake(now)
        asked += services == [WEB]
        assert readiness.awaited == {VIP}
        assert not freed
        due = readiness.next_wake()
        assert due is not None
        assert due > now
        now = due
    assert 0.1 < now < 1.0, "the proxy is asked several times a second, and not all the time"
    assert readiness.release("web") == {VIP}
    assert not readiness.awaited
    assert readiness.next_wake() is None


def test_a_proxy_that_never_knows_it_does_not_cost_the_address() -> None:
    readiness = Readiness(patience=1.0)
    readiness.expect(WEB, "n1", 10.0)
    assert readiness.wake(10.99)[1] == frozenset()
    assert readiness.wake(11.0)[1] == {VIP}
    assert not readiness.awaited


def test_nothing_is_awaited_once_the_old_leader_is_lost() -> None:
    readiness = Readiness()
    readiness.expect(WEB, "n1", 0.0)
    readiness.expect(MAIL, None, 0.0)
    assert readiness.release_from(lambda node: node == "n2") == frozenset()
    assert readiness.release_from(lambda node: node == "n1") == {VIP}
    assert readiness.awaited == {OTHER}, "who led that before is not known"


def test_what_was_not_waited_for_is_not_released() -> None:
    assert Readiness().release("web") == frozenset()


def test_endpoints_that_come_back_are_new_to_the_proxy() -> None:
    """It has forgotten them meanwhile, however lately it passed their traffic on."""
    here, away = (
        Service("web", (VIP,), (), endpoint_nodes=frozenset(nodes), health_port=32000)
        for nodes in ({"n1", "n2"}, {"n2"})
    )
    readiness = Readiness()
    readiness.take_services([here], "n1", 0.0)
    assert readiness.has_new_endpoints("web", 1.0)
    readiness.take_services([here], "n1", 50.0)
    assert not readiness.has_new_endpoints("web", 51.0)
    readiness.take_services([away], "n1", 60.0)
    readiness.take_services([here], "n1", 60.5)
    assert readiness.has_new_endpoints("web", 61.0)

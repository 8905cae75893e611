"""Fabrics that answer ARP for the dead, or shut a port that asks often: cuts are found, nobody is shut."""

import random

import pytest

from roost.protocols.memberlist.messages import Status
from roost.protocols.witness.timing import TIMINGS
from roost.simulator.network import Host, Network

INSPECTED = 15  # ARP packets/second and port, as Dynamic ARP Inspection has it


def lan(seed: int, hosts: int, arp_rate: float | None = 10.0) -> Network:
    network = Network(seed, "default", hosts=hosts, witnesses=TIMINGS["default"], arp_rate=arp_rate)
    network.settle()
    return network


def others(network: Network, victim: Host) -> list[Host]:
    return [host for host in network.hosts.values() if host is not victim]


def found(network: Network, victim: Host) -> float | None:
    return network.run_until(
        lambda: all(host.sees(victim.name) is Status.DEAD for host in others(network, victim)), 5.0
    )


@pytest.mark.parametrize("hosts", [2, 3, 5])
@pytest.mark.parametrize("seed", range(8))
def test_a_fabric_that_answers_arp_for_the_dead_hides_no_cut(seed: int, hosts: int) -> None:
    network = lan(seed, hosts)
    network.arp_proxy = True
    network.run(5.0 + random.Random(seed).random())
    assert not network.changes("dead")
    victim = list(network.hosts.values())[-1]  # of two, the first is on the LAN's larger side
    at = network.now
    network.partition([victim], others(network, victim))
    took = found(network, victim)
    assert took is not None
    assert took < 0.15
    network.run(0.02)  # what was declared in the last event is told by the next
    accused = {
        change.split(": ")[1] for change in network.changes("dead", at) if f"{victim.name}:" not in change
    }
    assert accused == {victim.name}


@pytest.mark.parametrize("hosts", [3, 4, 5])
@pytest.mark.parametrize("loss", [0.0, 0.02])
def test_a_port_that_inspects_arp_stays_open_through_a_minute_of_failures(hosts: int, loss: float) -> None:
    network = lan(hosts, hosts)
    network.arp_limit = INSPECTED
    network.udp_loss = loss
    network.look_for_the_lost()
    chance = random.Random(hosts)
    for _ in range(6):
        network.run(3.0 + chance.random())
        victim = chance.choice(list(network.hosts.values()))
        network.partition([victim], others(network, victim))
        took = found(network, victim)
        assert took is not None
        assert took < 0.15
        network.run(3.0)
        network.partition()
        network.run(3.0)
    assert [host.name for host in network.hosts.values() if host.shut] == []
    assert max(host.arp_most for host in network.hosts.values()) <= INSPECTED


def test_without_a_budget_such_a_port_shuts_where_hosts_answer_arp_alone() -> None:
    """The fabric is a real one: it does shut who asks as before."""
    network = Network(1, "default", hosts=3, witnesses=TIMINGS["default"], arp_rate=None)
    network.arp_only = {"n1", "n2", "n3"}
    network.arp_limit = INSPECTED
    network.join_all()
    network.run(3.0)
    assert any(host.shut for host in network.hosts.values())


@pytest.mark.parametrize("seed", range(5))
def test_hosts_that_answer_arp_alone_are_found_within_the_budget(seed: int) -> None:
    network = lan(seed, 3)
    network.arp_only = set(network.hosts)
    network.arp_limit = INSPECTED
    network.run(12.0)
    victim = network.hosts["n2"]
    network.kill(victim)
    took = found(network, victim)
    assert took is not None
    assert took < 1.0
    assert not any(host.shut for host in network.hosts.values())

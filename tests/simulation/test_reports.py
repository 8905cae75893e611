"""What users of the peers reported, as schedules on virtual time; each is named after its thread."""

import pytest

from roost.model.ranking import digest
from roost.protocols.memberlist.messages import Status
from roost.protocols.witness.timing import TIMINGS
from roost.simulator.network import Host, Network

VIPS = [f"192.0.2.{200 + number}" for number in range(12)]
SEEDS = range(5)


def cluster(seed: int, hosts: int = 3, loss: float = 0.0, late: float = 0.002) -> Network:
    network = Network(
        seed,
        "default",
        hosts=hosts,
        witnesses=TIMINGS["default"],
        udp_loss=loss,
        delay=(0.0, max(late - 0.002, 0.001)),
        lateness=(0.0, late),
    )
    network.settle()
    network.look_for_the_lost()
    network.run(2.0)
    return network


def leader(host: Host, vip: str) -> str:
    return min(host.active, key=lambda name: digest(name, vip))


def leads(network: Network) -> dict[str, set[str]]:
    """Who leads each address, by the word of the running nodes; one of them where all is well."""
    running = [host for host in network.hosts.values() if host.running]
    return {vip: {host.name for host in running if leader(host, vip) == host.name} for vip in VIPS}


@pytest.mark.parametrize("seed", SEEDS)
def test_metallb_584_a_leader_that_was_cut_off_leads_again_after_the_heal(seed: int) -> None:
    network = cluster(seed)
    before = leads(network)
    victim, *others = network.hosts.values()
    network.partition([victim], others)
    network.run(20.0)
    network.partition()
    took = network.run_until(lambda: leads(network) == before, 10.0)
    assert took is not None
    assert took < 1.0


@pytest.mark.parametrize("seed", SEEDS)
def test_metallb_589_after_a_split_of_a_minute_one_answers_within_a_second(seed: int) -> None:
    network = cluster(seed, hosts=4)
    hosts = list(network.hosts.values())
    network.partition(hosts[:2], hosts[2:])
    network.run(60.0)
    assert all(len(names) == 2 for names in leads(network).values()), "each side serves its own clients"
    network.partition()
    took = network.run_until(lambda: all(len(names) == 1 for names in leads(network).values()), 10.0)
    assert took is not None
    assert took < 1.0


@pytest.mark.parametrize("seed", SEEDS)
def test_cilium_48626_a_minute_in_which_the_whole_lan_is_gone_ends_as_it_began(seed: int) -> None:
    network = cluster(seed, hosts=5)
    before = leads(network)
    network.partition(*([host] for host in network.hosts.values()))
    network.run(60.0)
    network.partition()
    took = network.run_until(lambda: leads(network) == before, 10.0)
    assert took is not None
    assert took < 2.0
    network.run(30.0)
    assert leads(network) == before


@pytest.mark.parametrize("seed", SEEDS)
def test_kube_vip_318_a_follower_that_dies_moves_nothing(seed: int) -> None:
    network = cluster(seed)
    before = leads(network)
    follower = network.hosts["n2"]
    network.kill(follower)
    network.run(5.0)
    kept = {vip: names for vip, names in before.items() if names != {"n2"}}
    assert {vip: names for vip, names in leads(network).items() if vip in kept} == kept


@pytest.mark.parametrize("seed", SEEDS)
def test_kube_vip_748_two_nodes_fail_over(seed: int) -> None:
    network = cluster(seed, hosts=2)
    network.kill(network.hosts["n1"])
    took = network.run_until(lambda: all(names == {"n2"} for names in leads(network).values()), 10.0)
    assert took is not None
    assert took < 1.5


@pytest.mark.parametrize("seed", SEEDS)
def test_keepalived_421_late_and_lost_packets_make_no_second_master(seed: int) -> None:
    network = cluster(seed, loss=0.05, late=0.01)
    before = leads(network)
    begin = network.now
    while network.now < begin + 60.0:
        network.run(0.25)
        assert leads(network) == before
    assert not network.changes("dead", since=begin)


@pytest.mark.parametrize("seed", SEEDS)
def test_kube_vip_1747_a_process_that_stood_still_takes_part_again(seed: int) -> None:
    network = cluster(seed)
    before = leads(network)
    network.freeze(network.hosts["n1"], 10.0)
    network.run_until(lambda: network.hosts["n2"].sees("n1") is Status.DEAD, 10.0)
    took = network.run_until(lambda: leads(network) == before and not network.hosts["n1"].frozen, 20.0)
    assert took is not None

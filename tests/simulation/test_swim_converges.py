"""Clusters of real machines in virtual time: whatever happened, in the end all agree on the truth."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roost.protocols.memberlist.messages import Status
from roost.protocols.memberlist.profile import PROFILES
from roost.simulator.network import Network

SEEDS = range(6)


def _detection_bound(network: Network) -> float:
    """Seconds until all know of a death: probes to find it, the suspicion, and the word going round."""
    profile = network.profile
    return 12 * profile.probe_interval + 5 * profile.gossip_interval


@pytest.mark.parametrize(("hosts", "limit"), [(2, 0.1), (3, 0.2), (10, 0.5), (40, 30.0)])
@pytest.mark.parametrize("seed", SEEDS)
def test_all_know_all_soon_after_joining(seed: int, hosts: int, limit: float) -> None:
    network = Network(seed, hosts=hosts)
    assert network.settle(limit) <= limit  # gossip may miss one of very many; push/pull does not
    network.run(3.0)
    assert not network.changes("suspect")
    assert network.agreed()


@pytest.mark.parametrize("profile", ["fast", "default", "lan"])
@pytest.mark.parametrize("hosts", [3, 10])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_node_is_declared_dead_by_all_in_time(seed: int, hosts: int, profile: str) -> None:
    network = Network(seed, profile, hosts=hosts)
    network.settle()
    network.run(5.5 * network.profile.probe_interval)
    victim = network.hosts["n2"]
    network.kill(victim)
    took = network.run_until(lambda: network.agreed(Status.DEAD, about=victim), 30.0)
    assert took is not None
    assert took < _detection_bound(network)
    assert network.agreed()
    assert {change.split(": ")[1] for change in network.changes("suspect")} == {"n2"}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_node_killed_and_started_again_is_back_at_once(seed: int) -> None:
    network = Network(seed, hosts=5)
    network.settle()
    network.set_meta(network.hosts["n2"], b"raises the incarnation")
    network.run(1.0)
    network.kill(network.hosts["n2"])
    network.run(3.0)
    network.join(network.add("n2"), network.hosts["n3"])
    took = network.run_until(network.agreed, 5.0)
    assert took is not None
    assert took < 0.5


@pytest.mark.parametrize("seed", SEEDS)
def test_a_node_that_leaves_is_not_mistaken_for_dead(seed: int) -> None:
    network = Network(seed, hosts=10)
    network.settle()
    network.run(1.0)
    leaver = network.hosts["n4"]
    network.leave(leaver)
    took = network.run_until(lambda: network.agreed(Status.LEFT, about=leaver), 5.0)
    assert took is not None
    assert took < 0.5
    network.run_until(lambda: leaver.swim.has_left, 2.0)
    network.kill(leaver)
    network.run(3.0)
    assert not network.changes("dead")
    assert not network.changes("suspect")


@pytest.mark.parametrize("seed", SEEDS)
def test_metadata_reaches_all(seed: int) -> None:
    network = Network(seed, hosts=10)
    network.settle()
    network.set_meta(network.hosts["n7"], b"new")
    took = network.run_until(
        lambda: all(host.swim.members["n7"].meta == b"new" for host in network.hosts.values()), 12.0
    )
    assert took is not None
    assert took < 1.0


@pytest.mark.parametrize("seconds", [3.0, 40.0])
@pytest.mark.parametrize(("rejoining", "limit"), [(1, 20.0), (6, 1.0)])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_partition_heals_by_joining(seed: int, rejoining: int, limit: float, seconds: float) -> None:
    """One join is enough, at the latest with the next push/pulls; with all of them it is quick."""
    network = Network(seed, hosts=6)
    network.settle()
    hosts = list(network.hosts.values())
    network.partition(hosts[:3], hosts[3:])
    network.run(seconds)
    assert hosts[0].sees("n5") in (Status.DEAD, None)
    assert hosts[5].sees("n1") in (Status.DEAD, None)
    network.partition()
    for host, target in list(zip(hosts, reversed(hosts), strict=True))[:rejoining]:
        network.join(host, target)
    took = network.run_until(network.agreed, limit)
    assert took is not None
    healed = network.now
    network.run(5.0)
    assert network.agreed()
    assert not network.changes("dead", since=healed)


@pytest.mark.parametrize("profile", ["fast", "default", "lan"])
@pytest.mark.parametrize("hosts", [2, 3, 8])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_node_frozen_for_ten_seconds_comes_back_and_blames_nobody(
    seed: int, hosts: int, profile: str
) -> None:
    network = Network(seed, profile, hosts=hosts)
    network.settle()
    network.run(2.3 * network.profile.probe_interval)
    frozen = network.hosts["n1"]
    network.freeze(frozen, 10.0)
    network.run(9.9)
    assert network.agreed(Status.DEAD, about=frozen)
    network.run(0.1)
    network.join(frozen, network.hosts["n2"])
    took = network.run_until(network.agreed, 10.0)
    assert took is not None
    assert took < 2.0
    network.run(10.0)
    assert network.agreed()
    assert not [change for change in network.changes("dead") if change.startswith("n1:")]


@pytest.mark.parametrize("tcp", [True, False])
@pytest.mark.parametrize("hosts", [3, 10])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_fifth_of_all_packets_lost_does_no_lasting_damage(seed: int, hosts: int, *, tcp: bool) -> None:
    profile = replace(PROFILES["default"], disable_tcp_pings=not tcp)
    network = Network(seed, profile, hosts=hosts)
    network.settle()
    network.udp_loss = 0.2
    network.run(15.0)
    assert bool(network.changes("suspect")) is not tcp  # TCP does not lose
    network.udp_loss = 0.0
    took = network.run_until(network.agreed, 15.0)
    assert took is not None
    network.run(3.0)
    assert network.agreed()


@pytest.mark.parametrize("seed", SEEDS)
def test_without_any_udp_tcp_keeps_everybody_alive(seed: int) -> None:
    network = Network(seed, hosts=4)
    network.settle()
    network.udp_loss = 1.0
    network.run(10.0)
    assert network.agreed()
    assert not network.changes("dead")
    assert {fault.kind for host in network.hosts.values() for fault in host.faults} == {"tcp-only"}


@pytest.mark.parametrize("profile", ["fast", "default"])
@pytest.mark.parametrize("seed", SEEDS)
def test_busy_machines_do_not_bury_each_other(seed: int, profile: str) -> None:
    timeout = Network(0, profile).profile.probe_timeout
    network = Network(seed, profile, hosts=10, lateness=(0.0, 1.5 * timeout), delay=(0.0, 0.6 * timeout))
    network.settle()
    network.run(10.0)
    assert not network.changes("dead")
    assert network.agreed()


_spans = st.floats(0.05, 4.0)
_hosts = st.integers(1, 5).map("n{}".format)
_trouble = st.lists(
    st.one_of(
        st.tuples(st.just("run"), _spans),
        st.tuples(st.just("kill"), _hosts),
        st.tuples(st.just("restart"), _hosts),
        st.tuples(st.just("freeze"), _hosts, _spans),
        st.tuples(st.just("split"), st.integers(1, 4)),
        st.tuples(st.just("heal")),
        st.tuples(st.just("lose"), st.sampled_from([0.0, 0.1, 0.4])),
        st.tuples(st.just("meta"), _hosts),
    ),
    max_size=12,
)


def _make_trouble(network: Network, what: str, *arguments: object) -> None:
    hosts = list(network.hosts.values())
    match what, *arguments:
        case "run", float(seconds):
            network.run(seconds)
        case "kill", str(name):
            network.kill(network.hosts[name])
        case "restart", str(name):
            network.kill(network.hosts[name])
            network.add(name, meta=b"restarted")
        case "freeze", str(name), float(seconds):
            network.freeze(network.hosts[name], seconds)
        case "split", int(size):
            network.partition(hosts[:size], hosts[size:])
        case "heal", *_:
            network.partition()
        case "lose", float(share):
            network.udp_loss = share
        case "meta", str(name):
            network.set_meta(network.hosts[name], str(network.now).encode())
        case _:
            raise AssertionError(what)


@settings(max_examples=40)
@given(st.integers(0, 2**32), _trouble)
def test_after_any_trouble_all_agree_again(seed: int, trouble: list[tuple[object, ...]]) -> None:
    network = Network(seed, hosts=5)
    network.settle()
    for what, *arguments in trouble:
        _make_trouble(network, str(what), *arguments)
    network.partition()
    network.udp_loss = 0.0
    network.run(5.0)  # the frozen thaw
    running = [host for host in network.hosts.values() if host.running]
    for host in running:
        network.join(host, *network.hosts.values())
    took = network.run_until(network.agreed, 20.0)
    assert took is not None
    network.run(5.0)
    assert network.agreed()
    for host in running:
        for other in running:
            seen, own = host.swim.members[other.name], other.swim.members[other.name]
            assert (seen.meta, seen.incarnation) == (own.meta, own.incarnation)
        assert all(
            host.sees(name) is not Status.ALIVE for name in network.hosts if not network.hosts[name].running
        )

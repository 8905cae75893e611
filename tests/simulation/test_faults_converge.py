"""Whatever befalls a cluster with witnesses: at rest each address has one answerer on each side."""

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from roost.model.ranking import digest
from roost.protocols.witness.timing import TIMINGS
from roost.simulator.network import Host, Network

VIPS = [f"192.0.2.{200 + number}" for number in range(8)]
REST = 20.0  # seconds: SWIM's own verdicts, after 13 where a node stood still that is cut off, and the rejoin

faults = st.lists(
    st.tuples(
        st.sampled_from(["cut", "halve", "mute", "heal", "freeze", "kill", "lossy", "clean"]),
        st.integers(0, 4),
        st.floats(0.0, 2.0),
    ),
    max_size=6,
)


def leader(host: Host, vip: str) -> str:
    """Who leads an address as `host` sees it: the election's own order over the members it has."""
    return min(host.active, key=lambda name: digest(name, vip))


def answerers(hosts: Iterable[Host], vip: str) -> set[str]:
    return {host.name for host in hosts if leader(host, vip) == host.name}


def befall(network: Network, what: str, number: int) -> list[set[str]] | None:
    """Do something to host `number`; the sides of the LAN from now on, or None if they stay as they are."""
    hosts = list(network.hosts.values())
    victim = hosts[number]
    match what:
        case "cut":
            network.partition([victim], [host for host in hosts if host is not victim])
            return [{victim.name}, {host.name for host in hosts if host is not victim}]
        case "halve":
            network.partition(hosts[:2], hosts[2:])
            return [{host.name for host in hosts[:2]}, {host.name for host in hosts[2:]}]
        case "mute":
            network.partition()
            network.mute(victim)
            return [{host.name for host in hosts if host is not victim}]
        case "heal":
            network.partition()
            return [{host.name for host in hosts}]
        case "freeze":
            if not victim.frozen:
                network.freeze(victim, 3.0)
        case "kill":
            if sum(host.running for host in hosts) > 2:
                network.kill(victim)
        case "lossy" | "clean":
            network.udp_loss = 0.1 if what == "lossy" else 0.0
    return None


@given(seed=st.integers(0, 2**32), schedule=faults)
@settings(max_examples=40)
def test_at_rest_each_side_has_one_answerer_for_each_address(
    seed: int, schedule: list[tuple[str, int, float]]
) -> None:
    network = Network(seed, "default", hosts=5, witnesses=TIMINGS["default"])
    network.settle()
    network.duplicated = 0.05
    network.look_for_the_lost()
    network.run(1.0)
    sides = [{host.name for host in network.hosts.values()}]
    for what, number, wait in schedule:
        sides = befall(network, what, number) or sides
        network.run(wait)
    network.udp_loss = 0.0
    network.run(REST)
    for side in sides:
        running = [network.hosts[name] for name in side if network.hosts[name].running]
        for vip in VIPS if running else ():
            assert len(answerers(running, vip)) == 1, (vip, {host.name: host.active for host in running})


@given(seed=st.integers(0, 2**32), number=st.integers(0, 4), loss=st.sampled_from([0.0, 0.05]))
@settings(max_examples=30)
def test_nothing_moves_but_from_the_node_that_failed(seed: int, number: int, loss: float) -> None:
    network = Network(seed, "default", hosts=5, witnesses=TIMINGS["default"], udp_loss=loss)
    network.settle()
    network.run(2.0)
    hosts = list(network.hosts.values())
    victim = hosts[number]
    others = [host for host in hosts if host is not victim]
    before = {vip: leader(victim, vip) for vip in VIPS}
    network.kill(victim)
    took = network.run_until(lambda: all(victim.name not in host.active for host in others), 5.0)
    assert took is not None
    assert took < 0.5, "the profile's bound, with some loss"
    for vip in VIPS:
        expected = {before[vip]} if before[vip] != victim.name else answerers(others, vip)
        assert answerers(others, vip) == expected
        assert len(expected) == 1


@given(seed=st.integers(0, 2**32), seconds=st.floats(0.1, 5.0))
@settings(max_examples=20)
def test_a_frozen_process_alone_never_makes_its_kernel_dead_to_witnesses_before_swim(
    seed: int, seconds: float
) -> None:
    """Its kernel answers on: only SWIM and the lifeline may judge the process."""
    network = Network(seed, "default", hosts=5, witnesses=TIMINGS["default"])
    network.settle()
    network.run(2.0)
    at = network.now
    network.freeze(network.hosts["n3"], seconds)
    network.run(seconds + 5.0)
    dead = [
        change
        for host in network.hosts.values()
        for when, change in host.changes
        if change.kind == "dead" and when > at
    ]
    assert not any("probes in" in change.evidence for change in dead)

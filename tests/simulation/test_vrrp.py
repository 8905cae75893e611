"""Virtual routers against themselves under drawn faults: at rest one master, and every client reaches it."""

from dataclasses import replace

import pytest

from roost.simulator.faults import Schedule, ServiceSpec, draw
from roost.simulator.product import make_decider
from roost.simulator.world import World

REST = 6.0  # seconds without a fault: three intervals, gratuitous frames, and a restarted process
SERVICES = tuple(ServiceSpec(f"v{vrid}", f"198.51.100.{vrid}", vrid=vrid) for vrid in (10, 11))


def drawn(seed: int) -> Schedule:
    """Faults of hosts and of the LAN, over three nodes and two virtual routers."""
    schedule = draw(seed, faults=20, nodes=3)
    faults = tuple(each for each in schedule.faults if not each.service)  # those have other services
    return replace(schedule, services=SERVICES, faults=faults)


def masters(world: World, address: object) -> set[str]:
    return {
        name
        for name, host in world.hosts.items()
        if host.process is not None and address in host.process.hands.answering
    }


@pytest.mark.parametrize("seed", range(4))
def test_at_rest_there_is_one_master(seed: int) -> None:
    world = World(drawn(seed), make_decider, record=True)
    rested, at, end = 0, 0.0, world.schedule.seconds + 2 * REST
    while at < end:
        at += 0.5
        world.run_until(at)
        if world.quiet < REST or at < REST:
            continue
        rested += 1
        for spec in SERVICES:
            found = masters(world, spec.ip)
            lately = [f"{each.at:.2f} {each.who} {each.what} {each.text}" for each in world.record[-80:]]
            told = "\n".join(lately)
            assert len(found) == 1, f"{spec.name} at {at} s: {sorted(found)}\n{told}"
            macs = {world.hosts[name].mac for name in found}
            for client in world.clients:
                entry = client.entries.get(spec.ip)
                if entry is not None and entry.mac is not None and not client.deaf:
                    assert entry.mac in macs, f"{client.name} follows another at {at} s\n{told}"
    assert rested

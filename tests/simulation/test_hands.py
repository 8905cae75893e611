"""What a simulated host does for its process reaches that as it would on a real one."""

from roost.decide.decider import Decider
from roost.simulator.faults import Fault, Schedule, ServiceSpec
from roost.simulator.product import make_decider
from roost.simulator.world import World


def test_a_process_that_was_frozen_hears_how_its_addresses_are_and_not_how_they_were() -> None:
    """Its configuration came meanwhile, and before that another address was taken away and given back."""
    services = (
        ServiceSpec("s0", "198.18.0.100", balanced=True),
        ServiceSpec("s1", "198.18.0.101", shared=True),
    )
    faults = (
        Fault("config", 5.0, 1.0, level=0.5, service="s0"),
        Fault("freeze", 5.8, 3.0, "n2"),
        Fault("refuse", 7.0, 0.3, "n2", service="s1"),
    )
    world = World(Schedule(1, 2, 1, 1, "default", services, faults, 12.0), make_decider, record=False)
    world.run_until(5.7)
    process = world.hosts["n2"].process
    assert process is not None
    assert isinstance(process.decider, Decider)
    assert [each.name for each in process.desired.services] == ["s1"]
    world.run_until(10.0)
    assert [each.name for each in process.desired.services] == ["s0", "s1"]
    assert process.decider.state.delivery.ready == process.host.kernel.delivered
    assert len(process.host.kernel.delivered) == 2


def test_a_process_that_is_frozen_while_it_starts_starts_when_it_runs_again() -> None:
    """A host that stands still does nothing: what peers tell it later is not of before."""
    faults = (Fault("kill", 5.0, 0.1, "n2"), Fault("freeze", 5.2, 4.0, "n2"))
    schedule = Schedule(1, 2, 1, 1, "default", (ServiceSpec("s0", "198.18.0.100"),), faults, 12.0)
    world = World(schedule, make_decider, record=False)
    world.run_until(9.1)
    assert world.hosts["n2"].process is None
    world.run_until(9.3)
    assert world.hosts["n2"].process is not None

"""What a simulated kernel with the responder answers: what clients ask, and not what peers do."""

from ipaddress import ip_address

from roost.simulator.client import Client
from roost.simulator.faults import Fault, Schedule, ServiceSpec
from roost.simulator.host import Host
from roost.simulator.lan import Claim, Question
from roost.simulator.product import make_decider
from roost.simulator.world import World

VIP = "198.18.0.100"
HUNG = 5.0


def answered(world: World, leader: Host, asker: Host | Client, now: float) -> bool:
    """Tell whether `asker` gets an answer to what it asks at `now`; nodes ask with no address of theirs."""
    heard: list[Claim] = []
    source = asker.address if isinstance(asker, Client) else None
    world.run_until(now)
    leader.hear_question(Question(ip_address(VIP), source, asker.mac, asker.port, heard.append, direct=True))
    world.run_until(now + 0.05)
    return bool(heard)


def test_a_kernel_goes_on_answering_clients_and_leaves_peers_to_the_process() -> None:
    """Peers take an answer for a sign of life, and the process may hang."""
    faults = (Fault("freeze", HUNG, 5.0, "n1"), Fault("freeze", HUNG, 5.0, "n2"))
    services = (ServiceSpec("web", VIP),)
    world = World(Schedule(1, 2, 1, 1, "default", services, faults, 10.0, kernel=True), make_decider)
    world.run_until(HUNG - 1.0)
    hosts = sorted(world.hosts.values(), key=lambda host: bool(host.process and host.process.answering()))
    peer, leader = hosts
    assert answered(world, leader, peer, HUNG - 0.5)
    assert answered(world, leader, world.clients[0], HUNG - 0.4)
    assert not answered(world, leader, peer, HUNG + 0.1)
    assert answered(world, leader, world.clients[0], HUNG + 0.15)

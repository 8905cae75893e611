"""What a simulated kernel does with connections that are spread, as the program of the product does."""

from ipaddress import ip_address

from roost.decide.effects import SpreadOut
from roost.model.flow import TCP, Flow
from roost.model.sharing import SLOTS
from roost.model.spreading import ME, Spread, Station
from roost.simulator.spreading import STAYS, Spreading

VIP = ip_address("192.0.2.200")
FLOW = Flow(TCP, ip_address("192.0.2.90"), 40_000, VIP, 80)
CLIENT, PEER = bytes(5) + b"\x90", bytes(5) + b"\x02"
OTHER = ME + 1


def test_what_begins_here_since_nobody_knows_where_its_node_is_stays_when_that_comes() -> None:
    kernel = Spreading()
    kernel.until = 100.0
    spread = Spread(bytes([OTHER]) * SLOTS, bytes([OTHER]), returns=True)
    kernel.spread_out = SpreadOut({VIP: spread})
    assert kernel.onward(FLOW, CLIENT, (), 1.0, begins=True) == STAYS
    kernel.spread_out = SpreadOut({VIP: spread}, {(1, OTHER): Station(PEER)})
    assert kernel.onward(FLOW, CLIENT, {FLOW}, 2.0, begins=False) == STAYS
    another = Flow(TCP, FLOW.client, 40_001, VIP, 80)
    assert kernel.onward(another, CLIENT, (), 2.0, begins=True) == PEER


def test_where_hosts_track_connections_what_is_not_known_here_is_passed_on_by_that() -> None:
    """It is noted for no node: by its slot it would go to one that does not have it."""
    kernel = Spreading()
    kernel.until = 100.0
    spread = Spread(bytes([OTHER]) * SLOTS, bytes([OTHER]), passes_on=True)
    kernel.spread_out = SpreadOut({VIP: spread}, {(1, OTHER): Station(PEER)})
    assert kernel.onward(FLOW, CLIENT, (), 1.0, begins=False) == STAYS
    assert kernel.onward(FLOW, CLIENT, (), 2.0, begins=True) == PEER
    assert kernel.onward(FLOW, CLIENT, (), 3.0, begins=False) == PEER

"""What is done for clients when addresses come to a node and go."""

from collections.abc import Mapping
from ipaddress import ip_address

from tests.unit.decide.builders import link, mac

from roost.decide.clients.clients import Clients
from roost.decide.effects import Follow, Teach, Tell
from roost.model.address import IPAddress
from roost.protocols.machine import Effect
from roost.protocols.words.sightings import News, Sighting, Sightings

VIP, OTHER = ip_address("192.0.2.200"), ip_address("192.0.2.201")
CLIENT = Sighting(VIP, ip_address("192.0.2.101"), mac(101))
FAR = Sighting(VIP, ip_address("198.51.100.1"), mac(102))
PEERS = frozenset({"n2", "n3", "n4"})


class Node:
    """Node n1's clients; `leads` are its addresses, n2 leads the others, n3 and n4 come next."""

    def __init__(self, *leads: IPAddress) -> None:
        self.leads: set[IPAddress] = set(leads)
        self.clients = Clients("n1", self._answerers)
        self.first = self.follow(0.0)

    def _answerers(self, address: IPAddress, _: bytes) -> tuple[str, ...]:
        return ("n1", "n2", "n3", "n4") if address in self.leads else ("n2", "n1", "n3", "n4")

    def follow(self, now: float, peers: frozenset[str] = PEERS) -> list[Effect]:
        passed_on = {VIP, OTHER} - self.leads
        return self.clients.follow(self.leads, passed_on, peers, [link()], now)


def told(effects: list[Effect]) -> Mapping[str, set[Sighting]]:
    found: dict[str, set[Sighting]] = {}
    for effect in effects:
        if isinstance(effect, Tell) and isinstance(effect.word, Sightings):
            for name in effect.to:
                found.setdefault(name, set()).update(effect.word.sightings)
    return found


def test_a_new_client_of_a_leader_is_taught_to_the_kernel_and_told_to_two_successors() -> None:
    node = Node(VIP)
    assert node.clients.new(CLIENT) == [Teach(2, CLIENT.client, CLIENT.mac)]
    assert node.clients.new(CLIENT) == [], "no news"
    assert told(node.clients.wake(0.5)) == {"n2": {CLIENT}, "n3": {CLIENT}}
    assert told(node.clients.wake(1.0)) == {}


def test_a_client_beyond_a_router_is_not_the_kernels_neighbour() -> None:
    node = Node(VIP)
    assert node.clients.new(FAR) == []
    assert list(node.clients.table.of([VIP])) == [FAR]


def test_clients_of_others_are_remembered_for_the_day_that_the_address_comes() -> None:
    node = Node()
    assert node.clients.new(CLIENT) == []
    node.clients.told([FAR, Sighting(ip_address("203.0.113.1"), CLIENT.client, CLIENT.mac)])
    assert len(node.clients.table) == 2, "what is nobody's address is not worth a row"
    node.leads = {VIP}
    assert Teach(2, CLIENT.client, CLIENT.mac) in node.follow(1.0)


def test_a_peer_that_comes_hears_of_all_clients() -> None:
    node = Node(VIP)
    node.clients.new(CLIENT)
    node.clients.wake(0.5)
    node.follow(1.0, PEERS | {"n5"})
    assert told(node.clients.wake(1.0)) == {"n2": {CLIENT}, "n3": {CLIENT}}


def test_packets_for_a_lost_address_are_followed_and_their_senders_told_to_its_leader() -> None:
    node = Node(VIP, OTHER)
    node.leads = {OTHER}
    assert Follow(frozenset({VIP})) in node.follow(1.0)
    effects = node.clients.came(3, [CLIENT], 1.1)
    assert effects == [Tell(("n2",), Sightings(News.STALE, (CLIENT,)))]
    assert node.clients.came(3, [CLIENT], 1.11) == []
    assert node.clients.followed.packets == 6


def test_what_others_lead_since_it_was_looked_at_last_is_followed_when_it_is_left() -> None:
    node = Node(VIP, OTHER)
    assert node.clients.left([VIP], {OTHER}, {VIP}, 1.0) == [Follow(frozenset({VIP}))]
    assert node.clients.followed.addresses == {VIP}


def test_a_node_that_comes_follows_what_others_lead_from_the_first() -> None:
    """Clients from before its own start may still send here."""
    assert Node().first == [Follow(frozenset({VIP, OTHER}))]


def test_following_ends_by_itself() -> None:
    node = Node()
    effects: list[Effect] = []
    now = 0.0
    while (due := node.clients.next_wake()) is not None and now < 100.0:
        now = max(now, due)
        effects += node.clients.wake(now)
    assert effects == [Follow(frozenset())]
    assert 60.0 <= now <= 61.0


def test_a_client_that_still_sends_elsewhere_is_remembered_and_taught() -> None:
    node = Node(VIP)
    assert node.clients.stale([CLIENT]) == [Teach(2, CLIENT.client, CLIENT.mac)]
    assert list(node.clients.table.of([VIP])) == [CLIENT]

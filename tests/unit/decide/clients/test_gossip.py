"""Which clients the successors are told of, in bounded words."""

from ipaddress import IPv4Address

from roost.decide.clients.gossip import ClientGossip
from roost.decide.effects import Tell
from roost.protocols.words.sightings import News, Sighting, Sightings

VIP = IPv4Address("192.0.2.200")


def sightings(count: int) -> list[Sighting]:
    return [Sighting(VIP, IPv4Address("198.18.0.1") + number, bytes(6)) for number in range(count)]


def test_each_successor_hears_of_each_client_once() -> None:
    gossip = ClientGossip(lambda _vip: ["n2", "n3"])
    gossip.add([*sightings(3), *sightings(3)])
    told = gossip.round()
    word = Sightings(News.KNOWN, tuple(sightings(3)))
    assert told == [Tell(("n2",), word), Tell(("n3",), word)]
    assert gossip.round() == []


def test_many_clients_take_several_rounds_of_bounded_size() -> None:
    gossip = ClientGossip(lambda _vip: ["n2"])
    gossip.add(sightings(1000))
    rounds = []
    while told := gossip.round():
        words = [tell.word for tell in told]
        rounds.append(sum(len(word.sightings) for word in words if isinstance(word, Sightings)))
    assert rounds == [200] * 5


def test_what_is_too_much_is_let_go() -> None:
    gossip = ClientGossip(lambda _vip: ["n2"])
    gossip.add(sightings(10_000))
    assert sum(len(gossip.round()) > 0 for _ in range(100)) == 21


def test_without_a_successor_nothing_is_sent() -> None:
    gossip = ClientGossip(lambda _vip: [])
    gossip.add(sightings(3))
    assert gossip.round() == []
    assert not gossip.waiting

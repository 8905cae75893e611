"""Which addresses are looked at after they were lost, and how often their clients are told."""

import itertools
from ipaddress import IPv4Address

from roost.decide.clients.followed import Backoff, Followed
from roost.protocols.words.sightings import Sighting

VIP, OTHER = IPv4Address("192.0.2.200"), IPv4Address("192.0.2.201")
MAC = bytes.fromhex("020000000002")
CLIENT = Sighting(VIP, IPv4Address("192.0.2.101"), MAC)


def test_a_client_that_sends_on_is_told_less_and_less_often() -> None:
    backoff = Backoff()
    told = [step for step in range(3000) if backoff.due(CLIENT, step * 0.01)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(told)]
    assert told[0] == 0
    assert gaps == sorted(gaps)
    assert gaps[:3] == [4, 8, 16]
    assert max(gaps) == 500


def test_the_memory_is_bounded_and_forgets_the_oldest() -> None:
    backoff = Backoff()
    clients = [Sighting(VIP, IPv4Address(number), MAC) for number in range(2000)]
    for client in clients:
        assert backoff.due(client, 0.0)
    assert backoff.due(clients[0], 0.0), "forgotten"
    assert not backoff.due(clients[-1], 0.0)


def test_a_lost_address_is_looked_at_for_a_minute() -> None:
    followed = Followed()
    followed.lost([VIP], 100.0)
    followed.keep({VIP}, 159.9)
    assert followed.addresses == {VIP}
    assert followed.keep({VIP}, 160.0)
    assert not followed.addresses


def test_packets_prolong_the_look() -> None:
    followed = Followed()
    followed.lost([VIP], 100.0)
    followed.came(3, [], 159.0)
    assert not followed.keep({VIP}, 168.0)
    assert followed.addresses == {VIP}
    followed.keep({VIP}, 169.0)
    assert not followed.addresses
    assert (followed.packets, followed.last_packet) == (3, 159.0)


def test_what_no_other_node_leads_any_more_is_left_alone() -> None:
    followed = Followed()
    followed.lost([VIP, OTHER], 100.0)
    assert followed.keep({OTHER}, 101.0)
    assert followed.addresses == {OTHER}


def test_senders_for_other_addresses_are_nobodys_concern() -> None:
    followed = Followed()
    followed.lost([OTHER], 100.0)
    assert followed.came(1, [CLIENT], 100.5) == []
    followed.lost([VIP], 101.0)
    assert followed.came(1, [CLIENT], 101.5) == [CLIENT]
    assert followed.came(0, [CLIENT], 101.5) == [], "told a moment ago"

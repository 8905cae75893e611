"""The table of clients is bounded, fair, and forgets who was not seen for longest."""

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from roost.decide.clients.table import ClientTable
from roost.protocols.words.sightings import Sighting

VIPS = [IPv4Address("192.0.2.200") + number for number in range(4)]
CLIENTS = IPv4Address("198.18.0.0")


def sighting(vip: int, client: int, mac: int = 1) -> Sighting:
    return Sighting(VIPS[vip], CLIENTS + client, mac.to_bytes(6, "big"))


def test_a_client_is_news_once_and_again_with_another_hardware_address() -> None:
    table = ClientTable()
    assert table.note(sighting(0, 1))
    assert not table.note(sighting(0, 1))
    assert table.note(sighting(0, 1, mac=2))
    assert table.note(sighting(1, 1))
    assert list(table.of([VIPS[0]])) == [sighting(0, 1, mac=2)]


def test_those_seen_last_come_first() -> None:
    table = ClientTable()
    for client in (1, 2, 3, 1):
        table.note(sighting(0, client))
    assert [each.client - int(CLIENTS) for each in table.of([VIPS[0]])] == [
        IPv4Address(1),
        IPv4Address(3),
        IPv4Address(2),
    ]


def test_a_flood_for_one_address_does_not_push_out_the_clients_of_others() -> None:
    table = ClientTable()
    table.note(sighting(1, 1))
    for client in range(20_000):
        table.note(sighting(0, client))
    assert list(table.of([VIPS[1]])) == [sighting(1, 1)]
    assert len(table) <= 513


def test_addresses_that_are_gone_take_their_clients_along() -> None:
    table = ClientTable()
    table.note(sighting(0, 1))
    table.note(sighting(1, 1))
    table.keep([VIPS[1]])
    assert (len(table), list(table.of(VIPS))) == (1, [sighting(1, 1)])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2000)), max_size=200))
def test_the_count_is_what_is_there(steps: list[tuple[int, int]]) -> None:
    table = ClientTable()
    for vip, client in steps:
        table.note(sighting(vip, client))
    assert len(table) == len(list(table.of(VIPS))) == len(set(steps))

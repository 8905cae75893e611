"""Which hardware addresses belong to which nodes."""

from tests.unit.decide.builders import mac

from roost.decide.address_book import AddressBook
from roost.protocols.words.macs import Macs


def test_a_hardware_address_is_its_nodes_until_another_one_has_it() -> None:
    book = AddressBook("n1")
    book.note("n2", [mac(2), mac(3)])
    book.note("n3", [mac(3)])
    assert (book.name_of(mac(2)), book.name_of(mac(3)), book.name_of(mac(9))) == ("n2", "n3", None)


def test_nobody_says_what_is_this_nodes_own() -> None:
    book = AddressBook("n1")
    book.note("n1", [mac(1)])
    assert book.name_of(mac(1)) is None


def test_it_is_bounded_and_who_is_known_stays() -> None:
    book = AddressBook("n1")
    book.note("n2", [mac(2)])
    book.note("mallory", (number.to_bytes(6, "big") for number in range(10_000)))
    assert len(book.names) == 1024
    assert book.name_of(mac(2)) == "n2"


def test_all_of_it_is_told() -> None:
    book = AddressBook("n1")
    book.note("n3", [mac(3)])
    book.note("n2", [mac(2), mac(4)])
    assert book.words() == [Macs((("n2", (mac(2), mac(4))), ("n3", (mac(3),))))]

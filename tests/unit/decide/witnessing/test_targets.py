"""Where a peer's kernel can be asked."""

from ipaddress import ip_address

from tests.unit.decide.builders import link, mac, member

from roost.decide.effects import Target
from roost.decide.witnessing.targets import can_ask, kernel_target

V6 = ip_address("2001:db8::12")


def test_on_the_first_link_that_reaches_it() -> None:
    links = [link(address="198.51.100.1/24", index=1), link(index=2), link(index=3)]
    assert kernel_target(member(2), links) == Target("n2", ip_address("192.0.2.12"), 2, mac(2))


def test_the_first_of_its_links_with_an_address_that_is_reached() -> None:
    told = member(2, macs=(mac(7), mac(8)), addresses=(None, ip_address("192.0.2.99")))
    assert kernel_target(told, [link()]) == Target("n2", ip_address("192.0.2.99"), 2, mac(8))


def test_nowhere_without_an_address_or_a_common_subnet() -> None:
    assert kernel_target(member(2, addresses=()), [link()]) is None
    assert kernel_target(member(2), [link(address="198.51.100.1/24")]) is None
    assert kernel_target(member(2), []) is None


def test_ipv6_takes_a_link_that_has_it_too() -> None:
    assert can_ask(link(address="fe80::1/64"), V6)
    assert not can_ask(link(), V6)
    assert can_ask(link(), ip_address("192.0.2.12"))

"""Packets for each address, counted while somebody looks: the kernel counts all and shows some."""

from collections.abc import Callable, Collection
from ipaddress import IPv4Address, ip_address

import pytest
from tests.unit.decide.builders import link, mac

from roost.deliver import meters, traffic
from roost.deliver.traffic import Traffic
from roost.model.address import IPAddress
from roost.model.link import Link

ONE, TWO = ip_address("192.0.2.200"), ip_address("192.0.2.201")


class Meter:
    """A kernel's meter: `came` packets, of which those for `shown` are shown at the next look."""

    made: list["Meter"] = []  # noqa: RUF012 - emptied by each test

    def __init__(
        self,
        _: Link,
        addresses: Collection[IPAddress],
        on_packet: Callable[[bytes], None],
        beside: Collection[bytes],
    ) -> None:
        assert not beside
        self.addresses = frozenset(addresses)
        self.came, self.shown, self.closed = 0, list[IPAddress](), False
        self._on_packet = on_packet
        Meter.made.append(self)

    def set_addresses(self, addresses: Collection[IPAddress], beside: Collection[bytes]) -> None:
        assert not beside
        self.addresses = frozenset(addresses)

    def read(self) -> int:
        for address in self.shown:
            self._on_packet(packet(address))
        came, self.came, self.shown = self.came, 0, []
        return came

    def close(self) -> None:
        self.closed = True


def packet(to: IPAddress) -> bytes:
    header = bytes.fromhex("45000014000000004001") + bytes(2) + IPv4Address("192.0.2.9").packed + to.packed
    return mac(1) + mac(9) + b"\x08\x00" + header


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> list[Meter]:
    Meter.made = []
    monkeypatch.setattr(meters, "TrafficMeter", Meter)
    return Meter.made


async def test_of_many_packets_each_address_gets_its_share_of_those_shown() -> None:
    counted = Traffic()
    assert counted.look([ONE, TWO], [link()]) == {ONE: 0, TWO: 0}
    (meter,) = Meter.made
    meter.came, meter.shown = 4, [ONE, ONE, ONE, TWO]
    assert counted.look([ONE, TWO], [link()]) == {ONE: 3, TWO: 1}
    meter.came, meter.shown = 4000, [ONE, TWO, TWO, TWO]
    assert counted.look([ONE, TWO], [link()]) == {ONE: 1003, TWO: 3001}
    counted.close()


async def test_addresses_and_links_are_followed() -> None:
    counted = Traffic()
    counted.look([ONE], [link()])
    counted.look([TWO], [link()])
    assert [meter.addresses for meter in Meter.made] == [frozenset({TWO})]
    assert counted.look([], [link()]) == {}
    assert Meter.made[0].closed
    counted.close()


async def test_nothing_is_counted_when_nobody_has_looked_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setattr(traffic, "_LOOKED_AT", 0.05)
    counted = Traffic()
    counted.look([ONE], [link()])
    async with asyncio.timeout(5):
        while not Meter.made[0].closed:
            await asyncio.sleep(0.01)

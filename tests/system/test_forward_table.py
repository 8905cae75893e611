"""The table of balanced services in a kernel: each change is one transaction, and `nft` can read it."""

from collections.abc import Iterator
from ipaddress import ip_address

import pytest
from tests.system.netns import NETNS, Namespace, network

from roost.decide.forwarding.ruleset import Ruleset, Shared
from roost.deliver.forwarding.table import NAME, ForwardTable
from roost.model.forwarding import Target, Virtual
from roost.model.slots import SIZES, Slots
from roost.runtime.nftables import NfTables

pytestmark = NETNS

PLACES = {
    4: ("192.0.2.200", "198.51.100.", "ip"),
    6: ("2001:db8::200", "2001:db8:1::", "ip6"),
}


@pytest.fixture
def host() -> Iterator[Namespace]:
    with network() as net:
        host = net.add("host")
        with host.entered():
            yield host


class Wanted:
    """Rulesets of one family, shared out by one `Slots`."""

    def __init__(self, version: int) -> None:
        vip, self.prefix, self.family = PLACES[version]
        self.vip = ip_address(vip)
        self.slots = Slots()

    def target(self, number: int) -> Target:
        return Target(ip_address(f"{self.prefix}{number}"), 8080)

    def ruleset(self, *weights: int, ports: tuple[int, ...] = (80,), size: int = SIZES[0]) -> Ruleset:
        targets = {self.target(number): weight for number, weight in enumerate(weights, 1)}
        shared = tuple(
            Shared((Virtual(self.vip, 6, port), Virtual(self.vip, 17, port)), owners)
            for port in ports
            if (owners := self.slots.share(port, targets, size))
        )
        back = {(target, 6): Target(self.vip, 80) for target in targets}
        return Ruleset(shared, back, frozenset(), frozenset({self.vip}))


def generation() -> int:
    return int.from_bytes(NfTables("any", 2).generation())


@pytest.mark.parametrize("version", [4, 6])
def test_each_change_is_one_transaction_and_only_what_changes_is_told(host: Namespace, version: int) -> None:
    wanted, table = Wanted(version), ForwardTable(version)
    steps = (
        (wanted.ruleset(1, 1, 1), 1021 + 2 + 3 + 1),
        (wanted.ruleset(1, 1, 1), 0),
        (wanted.ruleset(1, 0, 1), None),
        (wanted.ruleset(1, 1, 1), None),
        (wanted.ruleset(1, 1, 1, ports=(80, 81)), 1021 + 2),
        (wanted.ruleset(1, 1, 1, ports=(81,)), 2),
        (wanted.ruleset(0, 0, 0), 2),
        (wanted.ruleset(1, 1, 1, size=SIZES[1]), 4093 + 2),
        (wanted.ruleset(1, 1, 1), 1021 + 4),
    )
    for ruleset, count in steps:
        before = generation()
        changed = table.follow(ruleset)
        assert generation() - before == (1 if changed else 0)
        assert table.differs() == ""
        if count is None:
            moved = [slot for slot in ruleset.shared[0].slots if slot == wanted.target(2)]
            assert 0 < changed < 2 * 1021 / 2, len(moved)
        else:
            assert changed == count
    listed = host.run("nft", "list", "table", wanted.family, NAME)
    assert "jhash" in listed
    assert str(wanted.vip) in listed
    table.remove()
    assert host.run("nft", "list", "ruleset") == ""


def test_what_another_program_changes_is_found_and_put_right(host: Namespace) -> None:
    wanted, table = Wanted(4), ForwardTable(4)
    ruleset = wanted.ruleset(1, 1)
    for spoil in (
        ("flush", "map", "ip", NAME, "pool-0"),
        ("flush", "chain", "ip", NAME, "leaving"),
        ("delete", "element", "ip", NAME, "held", "{ 192.0.2.200 }"),
        ("delete", "table", "ip", NAME),
        ("flush", "ruleset"),
    ):
        table.follow(ruleset)
        assert table.differs() == ""
        host.run("nft", *spoil)
        assert "had been changed" in table.differs()
    table.follow(ruleset)
    host.run("nft", "add", "table", "ip", "other")
    assert table.differs() == "", "that is nobody's business"


def test_a_successor_takes_the_table_over_in_one_transaction(host: Namespace) -> None:
    wanted = Wanted(4)
    ForwardTable(4).follow(wanted.ruleset(1, 1))
    before = generation()
    table = ForwardTable(4)
    table.follow(wanted.ruleset(1, 0))
    assert generation() - before == 1
    assert table.differs() == ""

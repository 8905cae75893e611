"""Allocation: MetalLB's rules in vectors, and what may never happen, whatever the order of calls."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from roost.model.allocation import AllocationError, Allocator, Claim, Family
from roost.model.pool import UNCOUNTABLE, Pool, Restriction, capacity
from roost.model.service import LabelSelector


def pool(name: str, *networks: str, auto: bool = True, buggy: bool = False, **restriction: Any) -> Pool:
    limit = Restriction(**restriction) if restriction else None
    return Pool(name, tuple(ip_network(each) for each in networks), auto, buggy, limit)


TEAM = (LabelSelector((("team", "metallb"),)),)
POOLS = (
    pool("pool1", "1.2.3.0/31"),
    pool("pool2", "3.4.5.6/32", auto=False),
    pool("pool3", "1000::/127"),
    pool("pool6", "7.8.9.0/31", namespaces=frozenset({"test-ns1"}), priority=10),
    pool("pool7", "10.11.12.0/31", namespaces=frozenset({"test-ns1"}), priority=11),
    pool("pool8", "13.14.15.0/31", selectors=TEAM, priority=9),
    pool("pool9", "16.17.18.0/31", namespaces=frozenset({"test-ns2"})),
    pool("pool10", "19.20.21.0/31", selectors=TEAM, priority=8),
    pool("pool11", "22.23.24.0/31", namespaces=frozenset({"test-ns1"}), selectors=TEAM, priority=8),
    pool("pool12", "25.26.27.0/31", namespaces=frozenset({"test-ns1"}), selectors=TEAM, priority=5),
)


def claim(name: str = "s", namespace: str = "default", **fields: Any) -> Claim:
    return Claim(f"{namespace}/{name}", namespace, **fields)


def texts(allocator: Allocator, service: str) -> list[str]:
    held = allocator.held_by(service)
    return [str(address) for address in held.addresses] if held else []


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (claim(), "1.2.3.0"),
        (claim(namespace="test-ns1"), "7.8.9.0"),
        (claim(namespace="test-ns2"), "16.17.18.0"),
        (claim(labels={"team": "metallb"}), "19.20.21.0"),
        (claim(namespace="test-ns1", labels={"team": "metallb"}), "25.26.27.0"),
    ],
)
def test_the_pool_meant_for_a_service_comes_first(asked: Claim, expected: str) -> None:
    found = Allocator(POOLS).allocate(asked, Family.IPV4, 0)
    assert [str(address) for address in found.addresses] == [expected]


def test_an_exhausted_pinned_pool_gives_way_to_the_general_ones() -> None:
    allocator = Allocator(POOLS)
    found = [allocator.allocate(claim(str(at), "test-ns2"), Family.IPV4, 0).pool for at in range(3)]
    assert found == ["pool9", "pool9", "pool1"]


def test_a_pool_annotation_reaches_a_pool_that_gives_nothing_by_itself() -> None:
    assert Allocator(POOLS).allocate(claim(), Family.IPV4, 0, pool="pool2").pool == "pool2"


@pytest.mark.parametrize(
    ("name", "family", "error"),
    [
        ("ghost", Family.IPV4, 'unknown pool "ghost"'),
        ("pool1", Family.IPV6, "no available IPs in pool pool1"),
        ("pool6", Family.IPV4, "pool6 is not open"),
    ],
)
def test_a_pool_annotation_that_cannot_be_followed(name: str, family: Family, error: str) -> None:
    with pytest.raises(AllocationError, match=error):
        Allocator(POOLS).allocate(claim(), family, 0, pool=name)


def test_dual_stack_wants_both_of_one_pool_unless_one_is_enough() -> None:
    allocator = Allocator(POOLS)
    with pytest.raises(AllocationError, match="no available IPs"):
        allocator.allocate(claim(), Family.DUAL, 0)
    assert [str(a) for a in allocator.allocate(claim(), Family.DUAL, 0, optional=6).addresses] == ["1000::"]
    both = Allocator([*POOLS, pool("pool5", "192.0.2.0/31", "2001:db8::/127")])
    found = both.allocate(claim(), Family.DUAL, 0, optional=4)
    assert [str(address) for address in found.addresses] == ["192.0.2.0", "2001:db8::"]


def test_addresses_that_old_clients_refuse_are_left_out() -> None:
    allocator = Allocator(
        [
            pool("buggy", "1.2.4.0/31", "1.2.4.254/31", buggy=True),
            pool("plain", "1.2.3.0/31", "1.2.3.254/31"),
        ]
    )
    found = {str(allocator.allocate(claim(str(at)), Family.IPV4, 0).addresses[0]) for at in range(6)}
    assert found == {"1.2.3.0", "1.2.3.1", "1.2.3.254", "1.2.3.255", "1.2.4.1", "1.2.4.254"}
    with pytest.raises(AllocationError):
        allocator.allocate(claim("seventh"), Family.IPV4, 0)


@pytest.mark.parametrize(
    ("changed", "refused"),
    [
        ({}, "both use TCP port 80"),
        ({"ports": frozenset({("TCP", 443)}), "sharing": "other"}, "sharing keys"),
        ({"ports": frozenset({("TCP", 443)}), "backend": "app=b"}, "selectors differ"),
        ({"ports": frozenset({("TCP", 443)}), "sharing": ""}, "not both have a sharing key"),
        ({"ports": frozenset({("TCP", 443)})}, None),
        ({"ports": frozenset({("UDP", 80)})}, None),
    ],
)
def test_sharing(changed: dict[str, object], refused: str | None) -> None:
    allocator = Allocator([pool("p", "1.2.4.0/24")])
    base: dict[str, Any] = {"sharing": "share", "backend": "app=a", "ports": frozenset({("TCP", 80)})}
    allocator.assign(claim("s4", **base), [ip_address("1.2.4.3")])
    second = claim("s3", **(base | changed))
    if refused:
        with pytest.raises(AllocationError, match=refused):
            allocator.assign(second, [ip_address("1.2.4.3")])
        assert texts(allocator, "default/s3") == []
        return
    allocator.assign(second, [ip_address("1.2.4.3")])
    assert allocator.usage("p").ipv4 == 1


def test_a_sole_user_may_change_its_sharing_and_one_of_two_only_its_ports() -> None:
    allocator = Allocator([pool("p", "1.2.4.0/24")])
    vip = [ip_address("1.2.4.3")]
    allocator.assign(claim("a", sharing="x", ports=frozenset({("TCP", 1)})), vip)
    allocator.assign(claim("a", sharing="y", ports=frozenset({("TCP", 1)})), vip)
    allocator.assign(claim("b", sharing="y", ports=frozenset({("TCP", 2)})), vip)
    allocator.assign(claim("b", sharing="y", ports=frozenset({("TCP", 3)})), vip)
    with pytest.raises(AllocationError):
        allocator.assign(claim("b", sharing="z", ports=frozenset({("TCP", 3)})), vip)
    assert texts(allocator, "default/b") == ["1.2.4.3"]


def test_services_with_one_key_pack_onto_the_lowest_address() -> None:
    allocator = Allocator([pool("p", "1.2.4.0/30")])
    allocator.allocate(claim("alone"), Family.IPV4, 0)
    for port in (1, 2, 3):
        found = allocator.allocate(
            claim(str(port), sharing="k", ports=frozenset({("TCP", port)})), Family.IPV4, 0
        )
        assert str(found.addresses[0]) == "1.2.4.1"


def test_both_addresses_must_be_of_one_pool() -> None:
    allocator = Allocator([pool("a", "1.2.4.0/24"), pool("b", "1000::/124")])
    with pytest.raises(AllocationError, match="not allowed in config"):
        allocator.assign(claim(), [ip_address("1.2.4.5"), ip_address("1000::4")])


@pytest.mark.parametrize(
    ("pools", "kept"),
    [
        ([pool("a", "1.2.3.2/31")], None),
        ([pool("new", "1.2.3.0/24")], "new"),
        ([pool("x", "1.2.3.0/31"), pool("y", "1.2.3.2/31")], "x"),
        ([pool("a", "1.2.3.0/24", buggy=True)], None),
        ([], None),
    ],
)
def test_what_is_held_follows_the_pools(pools: list[Pool], kept: str | None) -> None:
    allocator = Allocator([pool("a", "1.2.3.0/24")])
    allocator.allocate(claim(), Family.IPV4, 0)
    lost = allocator.set_pools(pools)
    held = allocator.held_by("default/s")
    assert (held.pool if held else None) == kept
    assert lost == (() if kept else ("default/s",))


def test_a_released_address_rests_but_not_for_its_own_service() -> None:
    """metallb#778: the lowest free address is not the next one given."""
    allocator = Allocator([pool("p", "1.2.4.4/31")], quarantine=60)
    allocator.allocate(claim("a"), Family.IPV4, 0)
    allocator.release("default/a", 10)
    assert str(allocator.allocate(claim("b"), Family.IPV4, 11).addresses[0]) == "1.2.4.5"
    with pytest.raises(AllocationError):
        allocator.allocate(claim("c"), Family.IPV4, 12)
    assert allocator.next_wake(12) == 70
    assert str(allocator.allocate(claim("a"), Family.IPV4, 13).addresses[0]) == "1.2.4.4"
    allocator.release("default/a", 20)
    assert allocator.next_wake(80) is None
    assert str(allocator.allocate(claim("c"), Family.IPV4, 80).addresses[0]) == "1.2.4.4"


def test_an_address_that_somebody_is_still_seen_with_goes_to_nobody_else() -> None:
    allocator = Allocator([pool("p", "1.2.4.4/31")])
    vip = [ip_address("1.2.4.4")]
    allocator.hold_back(vip, "default/a")
    with pytest.raises(AllocationError, match="just being released by default/a"):
        allocator.assign(claim("b"), vip)
    assert str(allocator.allocate(claim("b"), Family.IPV4, 0).addresses[0]) == "1.2.4.5"
    allocator.assign(claim("a"), vip)
    allocator.release("default/a", 0)
    assert allocator.let_go("default/a")
    assert not allocator.let_go("default/a")
    allocator.assign(claim("c"), vip)
    allocator.hold_back(vip, "default/a")  # seen with it by mistake: who holds it keeps it
    allocator.assign(claim("c"), vip)


@pytest.mark.parametrize(
    ("given", "v4", "v6"),
    [
        (pool("p", "1.2.3.0/24", "2.3.4.128/25"), 384, 0),
        (pool("p", "1.2.3.0/24", "2.3.4.128/25", buggy=True), 381, 0),
        (pool("p", "1.2.3.0/31", "1000::/127", buggy=True), 1, 2),
        (pool("p", "1000::/64", "2000::/127"), 0, UNCOUNTABLE),
        (pool("p", "10.0.0.0/16", buggy=True), 65536 - 512, 0),
    ],
)
def test_capacity(given: Pool, v4: int, v6: int) -> None:
    assert (capacity(given, 4), capacity(given, 6)) == (v4, v6)


class Life(RuleBasedStateMachine):
    """Services come, go and change; pools change. What is held never contradicts the rules."""

    SERVICES = st.sampled_from([f"s{at}" for at in range(6)])
    POOL_SETS = st.sampled_from(
        [
            (pool("a", "192.0.2.0/30", "2001:db8::/126"),),
            (pool("a", "192.0.2.0/31"), pool("b", "192.0.2.2/31", "2001:db8::/127")),
            (pool("b", "192.0.2.0/30", buggy=True),),
        ]
    )

    @initialize(pools=POOL_SETS)
    def begin(self, pools: tuple[Pool, ...]) -> None:
        self.allocator = Allocator(pools, quarantine=5)
        self.now = 0.0

    @rule(
        name=SERVICES,
        family=st.sampled_from(Family),
        optional=st.sampled_from([0, 4, 6]),
        sharing=st.sampled_from(["", "k", "l"]),
        backend=st.sampled_from(["", "app=a"]),
        port=st.integers(1, 2),
    )
    def allocate(
        self, name: str, family: Family, optional: int, sharing: str, backend: str, port: int
    ) -> None:
        asked = claim(name, sharing=sharing, backend=backend, ports=frozenset({("TCP", port)}))
        before = self.allocator.held_by(asked.service)
        try:
            found = self.allocator.allocate(asked, family, self.now, optional=optional)
        except AllocationError:
            assert self.allocator.held_by(asked.service) == before
        else:
            assert self.allocator.held_by(asked.service) == found

    @rule(name=SERVICES)
    def release(self, name: str) -> None:
        self.allocator.release(f"default/{name}", self.now)

    @rule(pools=POOL_SETS)
    def change(self, pools: tuple[Pool, ...]) -> None:
        self.allocator.set_pools(pools)

    @rule(seconds=st.floats(0, 6))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.allocator.next_wake(self.now)

    @invariant()
    def nobody_shares_against_the_rules(self) -> None:
        if not hasattr(self, "allocator"):
            return
        held = [each for at in range(6) if (each := self.allocator.held_by(f"default/s{at}"))]
        for one in held:
            assert all(self.allocator.pools[one.pool].contains(address) for address in one.addresses)
            for other in held:
                if one is not other and set(one.addresses) & set(other.addresses):
                    a, b = one.claim, other.claim
                    assert a.sharing
                    assert (a.sharing, a.backend) == (b.sharing, b.backend)
                    assert not a.ports & b.ports
        used = {address for each in held for address in each.addresses}
        usages = [self.allocator.usage(name) for name in self.allocator.pools]
        assert sum(usage.ipv4 + usage.ipv6 for usage in usages) == len(used)


TestLife = Life.TestCase

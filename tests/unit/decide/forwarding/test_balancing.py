"""Usable backends, quorum, sorry servers, weights, and whether this node is fit."""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address, ip_interface
from typing import Any

from tests.unit.decide.builders import link
from tests.unit.model.builders import EVERYWHERE

from roost.decide.forwarding.backends import Key
from roost.decide.forwarding.balancing import Balancing, ruleset_of
from roost.decide.forwarding.ruleset import Ruleset
from roost.model.check import Result
from roost.model.event import Event
from roost.model.fitness import FIT
from roost.model.forwarding import Backend, Forward, HealthCheck, Target, Virtual
from roost.model.service import Port, Service
from roost.model.slots import Slots

VIP, VIP6 = ip_address("192.0.2.200"), ip_address("2001:db8::200")
GATEWAY = ip_address("198.51.100.254")
ONE, TWO, THREE = (Backend(ip_address(f"198.51.100.{number}"), 8080) for number in (1, 2, 3))
HEALTH = HealthCheck("tcp", rise=2, fall=2)
WELL, ILL = Result(ok=True, why="it accepts connections"), Result(ok=False, why="Connection refused")


def web(*backends: Backend, name: str = "web", addresses: tuple[Any, ...] = (VIP,), **told: Any) -> Service:
    told = {"gateways": (GATEWAY,), "health": HEALTH, **told}
    forward = Forward(backends or (ONE, TWO), **told)
    ports = (Port(80), Port(53, "UDP"))
    every = (*addresses, *forward.gateways)
    return Service(name, every, (EVERYWHERE,), deliver="forward", ports=ports, forward=forward)


class Node:
    """Balancing of one node, and the time."""

    def __init__(self, *services: Service, remembered: Mapping[Key, bool] | None = None) -> None:
        self.balancing = Balancing(remembered or {})
        self.events: list[Event] = self.balancing.want(services, 0.0)
        self.now = 0.0

    def want(self, *services: Service) -> None:
        self.events = self.balancing.want(services, self.now)

    def hear(self, backend: Backend, *results: Result, service: str = "web") -> None:
        for result in results:
            self.now += 1.0
            self.events = self.balancing.checked(Key(service, backend.target(80)), result, self.now, self.now)

    def ruleset(self) -> Ruleset:
        return ruleset_of(self.balancing.pools(), Slots())

    def served_by(self, port: int = 80, protocol: int = 6, address: Any = VIP) -> set[str]:
        virtual = Virtual(address, protocol, port)
        found = [each.slots for each in self.ruleset().shared if virtual in each.virtuals]
        return {str(each) for slots in found for each in slots}

    @property
    def unfit(self) -> dict[str, str]:
        found = self.balancing.fitness()
        return {name: each.why if each else "?" for name, each in found.items() if each != FIT}


A, B, C = "198.51.100.1:8080", "198.51.100.2:8080", "198.51.100.3:8080"


def test_a_backend_is_used_until_it_fails_so_often_in_a_row_and_again_when_it_is_well() -> None:
    node = Node(web())
    assert node.served_by() == {A, B}
    node.hear(ONE, WELL, ILL)
    assert node.served_by() == {A, B}
    node.hear(ONE, ILL)
    assert node.served_by() == {B}
    assert [(each.text, each.facts["backend"]) for each in node.events] == [
        ("a backend is down: Connection refused", A)
    ]
    state = node.balancing.states[Key("web", ONE.target(80))]
    assert (state.state, state.why, state.since) == ("down", "Connection refused", 3.0)
    node.hear(ONE, WELL)
    assert node.served_by() == {B}
    node.hear(ONE, WELL)
    assert node.served_by() == {A, B}


def test_with_alpha_it_has_to_prove_itself() -> None:
    node = Node(web(health=replace(HEALTH, alpha=True)))
    assert node.served_by() == set()
    node.hear(TWO, WELL)
    assert node.served_by() == set()
    node.hear(TWO, WELL)
    assert node.served_by() == {B}
    node.hear(ONE, ILL)
    assert node.unfit == {}, "it has not lost any"


def test_a_successor_knows_who_was_well_and_who_was_not() -> None:
    alpha = web(health=replace(HEALTH, alpha=True))
    node = Node(alpha)
    node.hear(ONE, WELL, WELL)
    successor = Node(alpha, remembered=node.balancing.remember())
    assert successor.served_by() == {A}
    assert successor.events == []


def test_weights_and_none() -> None:
    node = Node(web(ONE, replace(TWO, weight=3), replace(THREE, weight=0)))
    (tcp, _) = node.ruleset().shared
    shares = {each: tcp.slots.count(each.target(80)) for each in (ONE, TWO, THREE)}
    assert shares[THREE] == 0
    assert 2 < shares[replace(TWO)] / shares[ONE] < 4


def test_what_is_known_outlives_another_weight_but_not_another_backend() -> None:
    node = Node(web())
    node.hear(ONE, ILL, ILL)
    node.want(web(replace(ONE, weight=5), TWO))
    assert node.served_by() == {B}
    node.want(web(TWO))
    node.want(web())
    assert node.served_by() == {A, B}


def test_a_drained_backend_still_finds_its_way_back() -> None:
    node = Node(web(replace(ONE, weight=0), TWO))
    back = node.ruleset().back
    assert back[(ONE.target(80), 6)] == Target(VIP, 80)
    assert back[(ONE.target(80), 17)] == Target(VIP, 53)
    node = Node(web(source="masquerade", gateways=()))
    assert node.ruleset().back == {}
    assert (ONE.target(80), 6) in node.ruleset().masqueraded


def test_below_the_quorum_the_sorry_server_serves_if_there_is_one() -> None:
    sorry = (Backend(ip_address("198.51.100.9"), 8080),)
    node = Node(web(quorum=2, sorry=sorry))
    node.hear(ONE, ILL)  # the first result of all decides
    assert node.served_by() == {"198.51.100.9:8080"}
    assert node.unfit == {"web": "1 of 2 IPv4 backends are usable, of weight 1, not 2"}
    assert "too few backends" in node.events[-1].text
    node.hear(TWO, WELL)
    node.hear(ONE, WELL, WELL, WELL, WELL, WELL)
    assert node.served_by() == {A, B}
    assert node.unfit == {}
    without = Node(web(quorum=2))
    without.hear(ONE, ILL, ILL)
    assert without.served_by() == {B}, "one is better than none"


def test_a_node_that_reaches_nobody_is_unfit_and_leaves_connections_where_they_are() -> None:
    node = Node(web())
    before = node.ruleset()
    node.hear(ONE, ILL, ILL)
    node.hear(TWO, ILL, ILL)
    assert node.ruleset() == before
    assert node.unfit == {"web": "0 of 2 IPv4 backends are usable"}
    alpha = Node(web(health=replace(HEALTH, alpha=True)))
    assert alpha.served_by() == set(), "nobody has proven itself"


def test_a_node_that_was_cut_off_is_fit_once_it_has_asked_all_again() -> None:
    node = Node(web(ONE, TWO, THREE))
    node.hear(THREE, ILL, ILL)
    node.hear(ONE, WELL, ILL, ILL)
    node.hear(TWO, ILL, ILL)
    node.hear(ONE, WELL, WELL)
    assert node.unfit == {"web": "its backends are coming back"}
    assert node.served_by() == {A, B, C}
    node.hear(TWO, WELL)
    node.now += 10
    node.hear(THREE, ILL)
    assert node.events, "the kernel is to be told"
    assert node.served_by() == {A, B}
    assert node.unfit == {"web": "its backends are coming back"}, "the second is coming"
    node.hear(TWO, WELL)
    node.hear(THREE, ILL)
    assert node.unfit == {}
    assert node.served_by() == {A, B}


def test_a_check_that_began_while_the_node_was_cut_off_says_nothing_of_afterwards() -> None:
    node = Node(web())
    for each in (ONE, TWO):
        node.hear(each, WELL, ILL, ILL)
    began = node.now
    node.hear(ONE, WELL, WELL)
    assert node.unfit == {"web": "its backends are coming back"}
    node.balancing.checked(Key("web", TWO.target(80)), ILL, began, node.now)
    assert node.served_by() == {A, B}, "it waited in vain for an answer from before"
    node.balancing.checked(Key("web", TWO.target(80)), ILL, node.now, node.now)
    assert node.served_by() == {A}


def test_a_file_that_drained_all_makes_nobody_doubt_when_it_is_put_right() -> None:
    for health in (None, HEALTH):
        node = Node(web(replace(ONE, weight=0), health=health))
        node.hear(ONE, WELL)
        assert node.unfit.keys() == {"web"}
        node.want(web(ONE, health=health))
        node.now += 10
        node.hear(ONE, WELL)
        assert node.unfit == {}


def test_each_family_has_its_own_backends() -> None:
    six = Backend(ip_address("2001:db8:1::1"), 8080)
    gateways = (GATEWAY, ip_address("2001:db8:1::254"))
    node = Node(web(ONE, six, addresses=(VIP, VIP6), gateways=gateways))
    assert node.served_by() == {A}
    assert node.served_by(address=VIP6) == {"[2001:db8:1::1]:8080"}
    node.hear(six, ILL, ILL)
    assert node.served_by() == {A}
    assert node.unfit == {"web": "0 of 1 IPv6 backends are usable"}


def test_services_that_share_a_gateway_are_unfit_together() -> None:
    """One node leads them all, or answers would go astray."""
    node = Node(web(), web(THREE, name="other", addresses=(ip_address("192.0.2.201"),)))
    node.hear(ONE, WELL)
    node.hear(THREE, ILL, ILL, service="other")
    assert node.unfit == {}
    node.hear(ONE, ILL, ILL)
    node.hear(TWO, ILL, ILL)
    assert node.unfit.keys() == {"web", "other"}


def test_a_node_that_has_yet_to_ask_is_not_known_to_be_fit() -> None:
    node = Node(web())
    assert node.served_by() == {A, B}, "if it has to lead all the same"
    assert node.unfit == {"web": "?"}
    node.hear(ONE, ILL)
    assert node.unfit == {"web": "?"}
    node.hear(TWO, WELL)
    assert node.unfit == {}
    node.want(web(THREE))
    assert node.unfit == {}, "a reload does not make it doubtful again"
    assert Node(web(health=None)).unfit == {}


def test_a_link_without_carrier_is_known_at_once() -> None:
    node = Node(web(health=None))
    eth1 = replace(link(1), index=3, name="eth1", addresses=(ip_interface("198.51.100.101/24"),))
    node.balancing.set_links((link(1), eth1))
    assert node.unfit == {}
    node.balancing.set_links((link(1), replace(eth1, carrier=False)))
    assert node.unfit == {"web": "eth1, the link to the backends, is down"}


def test_who_is_asked_where() -> None:
    node = Node(web(health=replace(HEALTH, port=9000)))
    asked = {str(key.target): str(check.target) for key, check in node.balancing.checks().items()}
    assert asked == {A: "198.51.100.1:9000", B: "198.51.100.2:9000"}
    assert Node(web(health=None)).balancing.checks() == {}


def test_flows_to_a_backend_that_is_down_are_to_be_forgotten() -> None:
    node = Node(web())
    node.hear(ONE, ILL, ILL)
    assert node.balancing.pools().down == {(ONE.target(80), 6), (ONE.target(80), 17)}


def test_a_node_whose_backends_have_to_prove_themselves_waits_for_the_verdict_on_each() -> None:
    alpha = replace(HEALTH, alpha=True)
    node = Node(web(ONE, TWO, THREE, health=alpha))
    assert node.balancing.fitness() == {"web": None}
    node.hear(ONE, WELL, WELL)
    assert node.served_by() == {A}
    assert node.balancing.fitness() == {"web": None}, "the others may be well"
    node.hear(TWO, WELL)
    node.hear(THREE, ILL)
    assert node.balancing.fitness() == {"web": None}, "one is on its way"
    node.hear(TWO, WELL)
    assert node.balancing.fitness() == {"web": FIT}
    four = replace(ONE, address=ip_address("198.51.100.4"))
    node.want(web(ONE, TWO, THREE, four, health=alpha))
    assert node.balancing.fitness() == {"web": FIT}, "a new backend does not cost the lead"


def test_a_node_none_of_whose_backends_proves_itself_is_unfit() -> None:
    node = Node(web(health=replace(HEALTH, alpha=True)))
    node.hear(ONE, ILL)
    assert node.balancing.fitness() == {"web": None}
    node.hear(TWO, ILL)
    assert node.unfit == {"web": "0 of 2 IPv4 backends are usable"}

"""`deliver: forward` in the file: what it means, and one clear error for what it cannot."""

from collections.abc import Callable
from ipaddress import ip_address, ip_interface
from typing import Any

import pytest
import yaml

from roost.model.forwarding import Backend, Forward, HealthCheck
from roost.standalone import Loaded, Problem, environment_problems
from roost.standalone.config import SpeakerConfig

GATEWAY = "198.51.100.254"


def service(**changed: Any) -> dict[str, Any]:
    """One that is good, with other keys as told; None takes a key out."""
    good = {
        "name": "web",
        "addresses": ["192.0.2.200"],
        "deliver": "forward",
        "ports": [{"port": 80}],
        "backends": [{"address": "198.51.100.6", "port": 8080}, {"address": "198.51.100.7", "port": 8080}],
        "forward": {"gateway": GATEWAY},
    }
    return {key: value for key, value in (good | changed).items() if value is not None}


Load = Callable[..., tuple[SpeakerConfig | None, list[Problem]]]


@pytest.fixture
def read(load_text: Callable[[str], Loaded]) -> Load:
    def read(*services: dict[str, Any], **more: Any) -> tuple[SpeakerConfig | None, list[Problem]]:
        loaded = load_text(yaml.safe_dump({"node": "n1", "services": list(services), **more}))
        return loaded.config, list(loaded.problems)

    return read


def test_all_that_it_can_say(read: Load) -> None:
    health = {
        "https": "/healthz",
        "host": "www.example.org",
        "expect": "200,204",
        "match": "fine",
        "caFile": "/etc/ca.pem",
        "port": 8443,
        "interval": "500ms",
        "timeout": 2,
        "rise": 3,
        "fall": 4,
        "alpha": True,
    }
    forward = {
        "gateway": [GATEWAY, "2001:db8:1::254"],
        "quorum": 2,
        "sorry": {"address": "198.51.100.9", "port": 8081},
        "health": health,
    }
    backends = [{"address": "198.51.100.6"}, {"address": "2001:db8:1::6", "weight": 0}]
    config, problems = read(
        service(addresses=["192.0.2.200", "2001:db8::200"], backends=backends, forward=forward)
    )
    assert problems == []
    assert config is not None
    (web,) = config.desired().services
    assert web.deliver == "forward"
    assert [str(each) for each in web.addresses] == [
        "192.0.2.200",
        "2001:db8::200",
        GATEWAY,
        "2001:db8:1::254",
    ]
    assert web.forward == Forward(
        backends=(Backend(ip_address("198.51.100.6")), Backend(ip_address("2001:db8:1::6"), weight=0)),
        gateways=(ip_address(GATEWAY), ip_address("2001:db8:1::254")),
        quorum=2,
        sorry=(Backend(ip_address("198.51.100.9"), 8081),),
        health=HealthCheck(
            "https",
            interval=0.5,
            timeout=2.0,
            rise=3,
            fall=4,
            alpha=True,
            port=8443,
            path="/healthz",
            host="www.example.org",
            status=((200, 200), (204, 204)),
            match="fine",
            ca_file="/etc/ca.pem",
        ),
    )


def test_a_port_may_stand_behind_the_address(read: Load) -> None:
    one, six = {"address": "198.51.100.6:8080"}, {"address": "[2001:db8:1::6]:8080", "weight": 3}
    forward = {"source": "masquerade", "sorry": {"address": "198.51.100.9:8081"}}
    addresses = ["192.0.2.200", "2001:db8::200"]
    config, problems = read(service(addresses=addresses, backends=[one, six], forward=forward))
    assert (config is not None, problems) == (True, [])
    assert config is not None
    told = config.services[0].forward
    assert told is not None
    assert told.backends == (
        Backend(ip_address("198.51.100.6"), 8080),
        Backend(ip_address("2001:db8:1::6"), 8080, weight=3),
    )
    assert told.sorry == (Backend(ip_address("198.51.100.9"), 8081),)


def test_backends_of_a_service_that_is_local_on_purpose_are_a_warning(read: Load) -> None:
    config, problems = read(service(deliver="local"))
    assert config is not None
    assert config.services[0].forward is None
    assert [(each.severity, each.field) for each in problems] == [
        ("warning", "services[0].backends"),
        ("warning", "services[0].forward"),
    ]


def test_nodes_agree_on_where_clients_go_and_not_on_how_backends_are_asked(read: Load) -> None:
    def digest(**forward: Any) -> str:
        config, _ = read(service(forward={"gateway": GATEWAY, **forward}))
        assert config is not None
        return config.digest

    assert digest() == digest(health={"tcp": True})
    assert digest() != digest(quorum=2)


@pytest.mark.parametrize(
    ("changed", "field", "cause"),
    [
        ({"backends": None}, "deliver", "has nobody to forward to"),
        ({"ports": None}, "deliver", "needs to know the ports"),
        ({"ports": [{"port": 80, "protocol": "SCTP"}]}, "ports[0]", "SCTP cannot be balanced"),
        ({"ports": [{"port": 80}, {"port": 80}]}, "ports[1]", "is there already"),
        ({"deliver": None, "forward": None}, "backends", "of deliver: forward alone"),
        ({"backends": [{"address": "198.51.100.6:80", "port": 80}]}, "backends[0]", "has two ports"),
        ({"backends": [{"address": "198.51.100.6:0"}]}, "backends[0].address", "0"),
        ({"backends": [{"address": "198.51.100.6:http"}]}, "backends[0].address", "is not an IP address"),
        ({"backends": [{"address": "127.0.0.1:80"}]}, "backends[0].address", "a loopback address"),
        ({"forward": {"gateway": GATEWAY, "source": "masquerade"}}, "forward.gateway", "has no use"),
        ({"forward": {"health": {"tcp": True}}}, "forward.gateway", "lacks a gateway of IPv4"),
        ({"forward": {"gateway": "2001:db8:1::254"}}, "forward.gateway", "no address of this service is"),
        ({"forward": {"gateway": "198.51.100.6"}}, "forward.gateway", "is a backend"),
        ({"forward": {"gateway": "192.0.2.200"}}, "forward.gateway", "is an address of service web"),
        (
            {"forward": {"gateway": GATEWAY, "health": {"tcp": True, "http": "/"}}},
            "forward.health",
            "tcp and http are two kinds",
        ),
        ({"forward": {"gateway": GATEWAY, "health": {"rise": 2}}}, "forward.health", "asks nothing"),
        (
            {"forward": {"gateway": GATEWAY, "health": {"tcp": True, "match": "x"}}},
            "forward.health",
            "match is of http and https and udp",
        ),
        ({"forward": {"gateway": GATEWAY, "sorry": {"address": "::2"}}}, "forward.sorry", "is IPv6"),
        ({"backends": [{"address": "2001:db8::6"}]}, "backends[0]", "is IPv6, and no address"),
        ({"addresses": ["192.0.2.200", "2001:db8::200"]}, "addresses[1]", "no backend is IPv6"),
        ({"backends": [{"address": "198.51.100.6", "port": 0}]}, "backends[0].port", "0 is not"),
        ({"backends": [{"address": "127.0.0.1"}]}, "backends[0].address", "a loopback address"),
        ({"backends": [{"address": "192.0.2.200"}]}, "backends[0]", "is an address of service web"),
        ({"backends": [{"address": "198.51.100.6"}] * 2}, "backends[1]", "is backend 0 again"),
        ({"backends": [{"address": "198.51.100.6", "weight": -1}]}, "backends[0].weight", "-1 is not"),
    ],
)
def test_one_error_names_the_field(read: Load, changed: dict[str, Any], field: str, cause: str) -> None:
    config, problems = read(service(**changed))
    assert config is None
    told = [each for each in problems if each.field == f"services[0].{field}" and cause in each.cause]
    assert told, problems
    assert told[0].cure


def test_a_packet_in_mid_stream_has_to_say_whose_it_is(read: Load) -> None:
    other = service(name="other", addresses=["192.0.2.201"])
    _, problems = read(service(), other)
    assert [each.field for each in problems] == ["services[1].backends[0]", "services[1].backends[1]"]
    assert "answers for 192.0.2.200 port 80 already" in problems[0].cause
    masqueraded = {"source": "masquerade"}
    _, problems = read(service(forward=masqueraded), other | {"forward": masqueraded})
    assert problems == []
    _, problems = read(service(ports=[{"port": 80}, {"port": 81}]))
    assert len(problems) == 2, "two ports and one backend port"


def test_services_that_share_a_gateway_have_to_be_led_by_one_node(read: Load) -> None:
    other = service(name="other", addresses=["192.0.2.201"], backends=[{"address": "198.51.100.8"}])
    config, problems = read(service(), other)
    assert problems == []
    assert config is not None
    first, second = config.desired().services
    assert first.elected_on == second.elected_on == ip_address(GATEWAY)
    _, (problem,) = read(service(), other | {"nodes": ["n1"]})
    assert "nodes differs" in problem.cause


LINKS = [("eth0", ip_interface("192.0.2.11/24")), ("eth1", ip_interface("198.51.100.101/24"))]


@pytest.mark.parametrize(
    ("changed", "field", "cause"),
    [
        ({"forward": {"gateway": "203.0.113.1"}}, "forward.gateway", "in no subnet"),
        ({"forward": {"gateway": "198.51.100.101"}}, "forward.gateway", "this host's own address on eth1"),
        ({"backends": [{"address": "203.0.113.6"}]}, "backends[0]", "not in the gateway's subnet"),
        ({"backends": [{"address": "198.51.100.101"}]}, "backends[0]", "nothing is forwarded to it"),
        ({"addresses": ["198.51.100.200"]}, "addresses[0]", "is in the backends' subnet"),
    ],
)
def test_what_does_not_fit_the_host(read: Load, changed: dict[str, Any], field: str, cause: str) -> None:
    config, problems = read(service(**changed))
    assert problems == []
    assert config is not None
    found = environment_problems(config, LINKS)
    assert [each.field for each in found if cause in each.cause] == [f"services[0].{field}"]


def test_what_fits_the_host_says_nothing(read: Load) -> None:
    config, _ = read(service())
    assert config is not None
    assert environment_problems(config, LINKS) == ()

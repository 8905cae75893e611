"""`election: {vrrp: ...}`: what it means, and what is refused with its place."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from roost.model.virtual_router import VirtualRouter
from roost.standalone.config import SpeakerConfig
from roost.standalone.loader import load

SERVICE = "services:\n- name: web\n  addresses: [{addresses}]\n  election: {{vrrp: {{{vrrp}}}}}\n"


def text(vrrp: str, addresses: str = "192.0.2.200") -> str:
    return SERVICE.format(addresses=addresses, vrrp=vrrp)


def good(tmp_path: Path, document: str) -> SpeakerConfig:
    path = tmp_path / "roost.yaml"
    path.write_text(document)
    loaded = load(path)
    assert loaded.config is not None, loaded.problems
    return loaded.config


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    said = (
        "vrid: 51, version: 2, priority: 150, interval: 2s, interface: eth0, preempt: 5s, "
        "peers: [192.0.2.12], virtualMac: true, auth: {pass: '1234'}, group: g"
    )
    (service,) = good(tmp_path, text(said)).desired().services
    assert service.vrrp == VirtualRouter(
        51,
        version=2,
        priority=150,
        interval=200,
        interface="eth0",
        preempt_delay=5.0,
        peers=(ip_address("192.0.2.12"),),
        virtual_mac=True,
        auth=b"1234\0\0\0\0",
        group="g",
    )
    assert "1234" not in repr(service)


def test_little_is_enough(tmp_path: Path) -> None:
    config = good(tmp_path, text("vrid: 51"))
    assert config.membership is None
    assert config.services[0].vrrp == VirtualRouter(51)
    assert good(tmp_path, text("vrid: 51, preempt: false, checksum: rfc9568")).services[
        0
    ].vrrp == VirtualRouter(51, preempt=False, plain_checksum=True)


def test_hash_can_be_written_out(tmp_path: Path) -> None:
    document = "services:\n- name: web\n  addresses: [192.0.2.200]\n  election: hash\n"
    assert good(tmp_path, document).services[0].vrrp is None


def test_nodes_agree_whatever_their_priority_and_peers(tmp_path: Path) -> None:
    one = good(tmp_path, text("vrid: 51, priority: 150, peers: [192.0.2.12]")).digest
    assert good(tmp_path, text("vrid: 51, priority: 50, peers: [192.0.2.11]")).digest == one
    assert good(tmp_path, text("vrid: 52, priority: 150")).digest != one
    assert good(tmp_path, text("vrid: 51, interval: 2s")).digest != one


WRONG = [
    ("vrid: 0", "vrid", "whole number from 1 to 255"),
    ("priority: 100", "vrid", "is missing"),
    ("vrid: 51, vird: 5", "vird", "did you mean vrid"),
    ("vrid: 51, version: 4", "version", "whole number from 2 to 3"),
    ("vrid: 51, priority: 256", "priority", "whole number"),
    ("vrid: 51, interval: 1ms", "interval", "out of range"),
    ("vrid: 51, interval: 0.015", "interval", "whole centiseconds"),
    ("vrid: 51, interval: 41s", "interval", "longer than version 3 can say"),
    ("vrid: 51, version: 2, interval: 0.5", "interval", "whole seconds"),
    ("vrid: 51, preempt: maybe", "preempt", "not a duration"),
    ("vrid: 51, peers: []", "peers", "is empty"),
    ("vrid: 51, peers: [224.0.0.18]", "peers[0]", "multicast"),
    ("vrid: 51, virtualMac: 1", "virtualMac", "neither true nor false"),
    ("vrid: 51, auth: {pass: secret}", "auth", "not known to version 3"),
    ("vrid: 51, version: 2, auth: {pass: 123456789}", "auth.pass", "is not a text"),
    ("vrid: 51, version: 2, auth: {pass: '123456789'}", "auth.pass", "more than 8 bytes"),
    ("vrid: 51, checksum: rfc1071", "checksum", "not a choice"),
]


@pytest.mark.parametrize(("vrrp", "key", "cause"), WRONG)
def test_what_is_wrong_is_named_with_its_key(tmp_path: Path, vrrp: str, key: str, cause: str) -> None:
    path = tmp_path / "roost.yaml"
    path.write_text(text(vrrp))
    (problem,) = load(path).problems
    assert problem.field == f"services[0].election.vrrp.{key}"
    assert problem.line == 4
    assert cause in str(problem)
    assert "123456789" not in str(problem)


def test_what_spans_addresses_services_and_interfaces(tmp_path: Path) -> None:
    path = tmp_path / "roost.yaml"
    path.write_text("""\
interfaces: [eth0]
services:
- {name: a, addresses: [192.0.2.1, '2001:db8::1'], election: {vrrp: {vrid: 1, version: 2}}}
- {name: b, addresses: [192.0.2.2, '2001:db8::2'], election: {vrrp: {vrid: 2, peers: [192.0.2.12]}}}
- {name: c, addresses: [192.0.2.3], election: {vrrp: {vrid: 2}}}
- {name: d, addresses: [192.0.2.4], election: {vrrp: {vrid: 4, interface: eth1}}}
- {name: e, addresses: [192.0.2.5], election: {vrrp: {vrid: 5, group: g, priority: 150}}}
- {name: f, addresses: [192.0.2.6], election: {vrrp: {vrid: 6, group: g}}}
- {name: g, addresses: ['fe80::7'], election: hash}
- {name: h, addresses: ['2001:db8::8'], election: {vrrp: {vrid: 1}}}
- {name: i, addresses: [192.0.2.9], election: vrrp}
""")
    found = [(problem.line, problem.field) for problem in load(path).problems]
    assert found == [(11, "services[8].election")]
    path.write_text(path.read_text().replace("election: vrrp}", "election: hash}"))
    found = [(problem.line, problem.field) for problem in load(path).problems]
    assert found == [
        (3, "services[0].addresses[1]"),
        (4, "services[1].election.vrrp.peers"),
        (5, "services[2].election.vrrp.vrid"),
        (6, "services[3].election.vrrp.interface"),
        (8, "services[5].election.vrrp"),
        (9, "services[6].addresses[0]"),
        (10, "services[7].election.vrrp.vrid"),
    ]


def test_a_virtual_mac_is_answered_with_where_the_adverts_go(tmp_path: Path) -> None:
    path = tmp_path / "roost.yaml"
    service = "services: [{name: a, addresses: [192.0.2.1], interfaces: [eth1], election: {vrrp: {%s}}}]\n"
    path.write_text(service % "vrid: 1, interface: eth0")
    assert load(path).problems == ()
    path.write_text(service % "vrid: 1, interface: eth0, virtualMac: true")
    assert [each.field for each in load(path).problems] == ["services[0].election.vrrp.interface"]


def test_between_roost_peers_alone_hash_is_recommended(tmp_path: Path) -> None:
    head = "membership: {bind: 192.0.2.11, join: [192.0.2.12, 192.0.2.13]}\n"
    path = tmp_path / "roost.yaml"
    path.write_text(head + text("vrid: 51, peers: [192.0.2.12, 192.0.2.13]"))
    loaded = load(path)
    assert loaded.config is not None
    (problem,) = loaded.problems
    assert (problem.severity, problem.field) == ("warning", "services[0].election.vrrp.peers")
    assert "election: hash" in str(problem)
    path.write_text(head + text("vrid: 51, peers: [192.0.2.12, 192.0.2.99]"))
    assert not load(path).problems

"""Join targets as operators write them."""

import pytest

from roost.decide.join_target import DEFAULT_PORT, JoinTarget, parse_target
from roost.protocols.machine import Endpoint


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("192.0.2.1", "192.0.2.1", DEFAULT_PORT),
        ("192.0.2.1:7", "192.0.2.1", 7),
        (" n1.example:65535 ", "n1.example", 65535),
        ("n1", "n1", DEFAULT_PORT),
        ("2001:db8::1", "2001:db8::1", DEFAULT_PORT),
        ("[2001:db8::1]", "2001:db8::1", DEFAULT_PORT),
        ("[2001:db8::1]:7", "2001:db8::1", 7),
    ],
)
def test_accepted(text: str, host: str, port: int) -> None:
    assert parse_target(text) == JoinTarget(host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":7946",
        "n1:",
        "n1:0",
        "n1:65536",
        "n1:seven",
        "n1:\u0667",
        "[2001:db8::1",
        "[::1]7",
        "[::1]:",
        "a b",
        "fe80::1%eth0",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no join target"):
        parse_target(text)


def test_only_addresses_have_an_endpoint_at_once() -> None:
    assert parse_target("[2001:DB8:0::1]:7").endpoint == Endpoint("2001:db8::1", 7)
    assert parse_target("n1.example").endpoint is None

"""What nodes say of themselves in gossip: compact, bounded, and harmless whatever strangers write."""

import json
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost import __version__
from roost.model.address import IPAddress, IPNetwork
from roost.protocols.words.metadata import Metadata, MetadataError, encode, parse

LABELS = st.dictionaries(st.text(max_size=10), st.text(max_size=10), max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


OWN = st.none() | st.ip_addresses().filter(lambda ip: not ip.is_multicast and not ip.is_unspecified)


@given(
    LABELS,
    st.lists(st.binary(min_size=6, max_size=6), max_size=4),
    st.lists(OWN, max_size=2),
    st.none() | st.tuples(st.text(min_size=1, max_size=15)),
    st.text("0123456789abcdef", max_size=16),
    st.booleans(),
    st.integers(0, 9),
    st.none() | st.tuples(st.ip_addresses().map(ip_network)),
)
def test_what_is_encoded_is_parsed(
    labels: dict[str, str],
    macs: list[bytes],
    addresses: list[IPAddress | None],
    links: tuple[str, ...] | None,
    digest: str,
    draining: bool,
    waits: int,
    networks: tuple[IPNetwork, ...] | None,
) -> None:
    metadata = Metadata(
        "1.2.3",
        labels,
        tuple(macs),
        tuple(addresses),
        links,
        digest,
        draining=draining,
        waits=waits,
        networks=networks,
    )
    try:
        encoded = encode(metadata)
    except UnicodeEncodeError:
        return  # lone surrogates, which no file can hold
    assert parse(encoded) == metadata


def test_the_form_on_the_wire() -> None:
    own, macs = IPv4Address("192.0.2.11"), (bytes.fromhex("020000000001"),)
    metadata = Metadata("1.2.3", {"zone": "a"}, macs, (own, None), ("eth0",), "3f2a")
    expected = (
        b'{"roost":"1.2.3","labels":{"zone":"a"},"macs":["020000000001"],'
        b'"ips":["192.0.2.11",""],"links":["eth0"],"config":"3f2a"}'
    )
    assert encode(metadata) == expected
    assert encode(Metadata("1.2.3")) == b'{"roost":"1.2.3"}'
    assert parse(encode(Metadata())).version == __version__


@given(st.binary(max_size=600) | JSON.map(lambda value: json.dumps(value).encode()))
def test_strangers_may_write_anything(meta: bytes) -> None:
    assert isinstance(parse(meta), Metadata)


@given(JSON, JSON, JSON)
def test_parts_of_another_shape_are_left_out(labels: object, macs: object, digest: object) -> None:
    meta = json.dumps({"roost": "9", "labels": labels, "macs": macs, "config": digest}).encode()
    parsed = parse(meta)
    assert parsed.version in ("9", "")  # "" when it is longer than gossip can carry
    assert all(isinstance(text, str) for pair in parsed.labels.items() for text in pair)
    assert all(len(mac) == 6 for mac in parsed.macs)


@pytest.mark.parametrize(
    "meta", [b"", b"\xff\x81\xa4role\xa1x", b"[" * 512, b'{"labels":{}}', b'{"roost":1}', b'"roost"']
)
def test_who_is_no_roost_node_has_no_version(meta: bytes) -> None:
    assert parse(meta) == Metadata(version="")


def test_labels_that_do_not_fit_name_the_cure() -> None:
    labels = {f"example.com/label-{number}": "value" for number in range(30)}
    with pytest.raises(
        MetadataError, match=r"30 labels and 0 interfaces take \d+ bytes.*limit of 512; shorten"
    ):
        encode(Metadata(labels=labels))


def test_marks_of_services_by_vrrp_take_only_room_that_is_left() -> None:
    marks = ("3f2a", "9c01")
    assert parse(encode(Metadata(vrrp=marks))).vrrp == marks
    crowded = Metadata(labels={"a": "b" * 465}, vrrp=marks)
    assert parse(encode(crowded)) == Metadata(labels=crowded.labels)


@pytest.mark.parametrize("told", ["3f2a", {"3f2a": 1}, [1, None, "x" * 400], None])
def test_marks_of_another_shape_are_left_out(told: object) -> None:
    assert parse(json.dumps({"roost": "9", "vrrp": told}).encode()).vrrp == ()


def test_an_address_of_any_form_comes_back_as_it_was() -> None:
    mapped = IPv6Address("::ffff:192.0.2.11")  # `canonical` would make this one IPv4
    assert parse(encode(Metadata(addresses=(mapped,)))).addresses == (mapped,)


def test_names_that_no_interface_can_have_are_left_out() -> None:
    """Expressions of this node are matched with them, which may take long for long ones."""
    told = json.dumps({"roost": "1", "links": ["eth0", "a" * 16, "a" * 400, 5, "a" * 15]}).encode()
    assert parse(told).interfaces == ("eth0", "a" * 15)

"""What a node gossips about itself, in memberlist's 512 bytes."""

from ipaddress import ip_network
from typing import Any

from tests.unit.decide.builders import link, mac

from roost.decide.effects import Describe
from roost.decide.settings import DeciderSettings
from roost.decide.standing.self_description import LINKS_TOLD, Description, own_metadata
from roost.model.link import Link
from roost.protocols.words.metadata import Metadata, encode

SETTINGS = DeciderSettings(node="n1", labels={"zone": "a"})


def told(*links: Link, settings: DeciderSettings = SETTINGS, **state: Any) -> Metadata:
    facts: dict[str, Any] = {
        "digest": "",
        "draining": False,
        "drain_stands": False,
        "deaf": False,
        "blind": False,
        "outdated": False,
        "waits": 0,
        "unable": False,
        "unfit": False,
        "vrrp": (),
    }
    return own_metadata(links, settings, **{**facts, **state})


def test_its_links_with_the_address_that_its_kernel_answers_for() -> None:
    metadata = told(link(1, address="fe80::1/64 2001:db8::11/64 192.0.2.11/24"))
    assert metadata.macs == (mac(1),)
    assert [str(each) for each in metadata.addresses] == ["192.0.2.11"]
    assert metadata.interfaces == ("eth0",)
    assert metadata.labels == {"zone": "a"}
    assert metadata.networks is None


def test_a_global_address_before_a_local_one_and_none_where_there_is_none() -> None:
    addresses = told(link(1, address="fe80::1/64 2001:db8::11/64"), link(2, address="")).addresses
    assert [str(each) for each in addresses] == ["2001:db8::11", "None"]


def test_subnets_are_told_where_services_are_bound_to_them() -> None:
    settings = DeciderSettings(node="n1", only_on_subnet=True)
    metadata = told(link(1, address="192.0.2.11/24 192.0.2.12/24 fe80::1/64"), settings=settings)
    assert metadata.networks == (ip_network("192.0.2.0/24"),)


def test_many_links_still_fit_into_gossip() -> None:
    links = [link(number, index=number, name=f"bond0.{number}") for number in range(100)]
    metadata = told(
        *links,
        draining=True,
        drain_stands=True,
        deaf=True,
        blind=True,
        outdated=True,
        waits=99,
        digest="f" * 16,
    )
    assert len(metadata.macs) == LINKS_TOLD
    assert len(encode(metadata)) <= 512


def test_only_changes_are_gossiped() -> None:
    description = Description()
    assert description.of(told(link()), ()) == [Describe(told(link()))]
    assert description.of(told(link()), ()) == []
    assert description.of(told(link(), draining=True), ()) == [Describe(told(link(), draining=True))]

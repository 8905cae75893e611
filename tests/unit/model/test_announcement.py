"""On which links an address is answered, also where several services want it."""

import pytest

from roost.model.announcement import Announcement

MAC = bytes.fromhex("00005e000133")


def test_without_interfaces_on_every_link() -> None:
    assert Announcement().allows("eth0")
    assert Announcement(("eth.*",)).allows("eth0")
    assert not Announcement(("eth",)).allows("eth0")
    assert not Announcement(()).allows("eth0")


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        (("eth0",), ("eth1",), ("eth0", "eth1")),
        (("eth0", "eth1"), ("eth1",), ("eth0", "eth1")),
        (("eth0",), None, None),
        (None, ("eth0",), None),
        ((), ("eth0",), ("eth0",)),
    ],
)
def test_two_services_want_the_links_of_either(
    one: tuple[str, ...] | None, other: tuple[str, ...] | None, together: tuple[str, ...] | None
) -> None:
    assert Announcement(one).joined(Announcement(other)) == Announcement(together)


def test_the_hardware_address_stays_with_the_first() -> None:
    assert Announcement(("eth0",), MAC).joined(Announcement(("eth1",))).mac == MAC

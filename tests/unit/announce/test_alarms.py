"""Claims of strangers are alarms, and no way to fill a disk."""

import logging
from ipaddress import IPv4Address

import pytest

from roost.announce.announcer import Announcer
from roost.model.address import IPAddress

VIPS = [IPv4Address(f"192.0.2.{last}") for last in range(100, 200)]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("roost"), "propagate", True)
    return caplog


def _mac(number: int) -> bytes:
    return bytes.fromhex("0200") + number.to_bytes(4, "big")


async def _hear(addresses: list[IPv4Address], count: int) -> Announcer:
    announcer = Announcer(interfaces=None, rate=1000, refresh=None, on_claim=lambda *_: None)
    announced: dict[IPAddress, tuple[str, ...] | None] = dict.fromkeys(addresses)
    announcer.set_known(frozenset(addresses))
    announcer.set_announcements(announced)
    for number in range(count):
        announcer._heard(addresses[number % len(addresses)], _mac(number), "eth0")
    announcer.close()
    return announcer


async def test_ever_new_hardware_addresses_share_one_line(log: pytest.LogCaptureFixture) -> None:
    announcer = await _hear(VIPS[:1], 5000)
    assert len(log.messages) == 1
    assert len(announcer.alarms) == 256


async def test_all_addresses_together_have_few_lines(log: pytest.LogCaptureFixture) -> None:
    await _hear(VIPS, 5000)
    assert len(log.messages) == 16

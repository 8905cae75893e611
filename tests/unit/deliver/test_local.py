"""What a host cannot hold now is tried again, and nothing that goes wrong is lost."""

import logging
from ipaddress import ip_address
from pathlib import Path

import pytest

from roost.deliver.local import Delivery
from roost.model.address import IPAddress
from roost.runtime.local_delivery import LocalDeliveryError, RefusedAddressesError

ONE, TWO = ip_address("192.0.2.200"), ip_address("2001:db8::200")
BOTH: frozenset[IPAddress] = frozenset({ONE, TWO})


class Host:
    """A host that refuses and fails as it is told."""

    def __init__(self) -> None:
        self.wanted: frozenset[IPAddress] = frozenset()
        self.refused: dict[IPAddress, str] = {}
        self.failure: Exception | None = None
        self.looks = 0

    async def set_addresses(self, addresses: frozenset[IPAddress]) -> None:
        self.wanted = addresses
        self._do()

    async def verify(self, *, guard_only: bool = False) -> tuple[str, ...]:
        self.looks += 1
        self._do()
        return ()

    def _do(self) -> None:
        if self.failure is not None:
            raise self.failure
        if reasons := {address: why for address, why in self.refused.items() if address in self.wanted}:
            raise RefusedAddressesError(reasons)


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def calls() -> list[frozenset[IPAddress]]:
    return []


@pytest.fixture
def delivery(
    tmp_path: Path, host: Host, calls: list[frozenset[IPAddress]], monkeypatch: pytest.MonkeyPatch
) -> Delivery:
    made = Delivery(tmp_path, lambda: calls.append(made.ready))
    monkeypatch.setattr(made, "_host", host)
    return made


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("roost"), "propagate", True)
    caplog.set_level(logging.INFO, "roost.speaker")
    return caplog


async def test_a_refused_address_is_ready_once_the_host_can_hold_it(
    delivery: Delivery, host: Host, calls: list[frozenset[IPAddress]], log: pytest.LogCaptureFixture
) -> None:
    host.refused = {ONE: f"{ONE} is already an address of this host"}
    await delivery.follow(BOTH)
    assert delivery.ready == {TWO}
    assert delivery.undeliverable == host.refused
    await delivery.verify(guard_only=True)
    assert len(log.messages) == 1, "an unchanged refusal is told once"
    host.refused = {}
    await delivery.verify(guard_only=True)
    assert delivery.ready == BOTH
    assert not delivery.undeliverable
    assert calls[-1] == BOTH
    assert log.messages[1:] == ["held at last, and answered for"]
    await delivery.verify(guard_only=True)
    assert host.looks == 1, "what is well is only looked at"


async def test_an_address_that_cannot_be_put_back_is_not_ready(delivery: Delivery, host: Host) -> None:
    await delivery.follow(BOTH)
    host.refused = {ONE: "taken"}
    await delivery.verify()
    assert delivery.ready == {TWO}


@pytest.mark.parametrize("failure", [LocalDeliveryError("no guard"), OSError(105, "No buffer space")])
async def test_a_failure_is_told_once_and_tried_again(
    delivery: Delivery, host: Host, log: pytest.LogCaptureFixture, failure: Exception
) -> None:
    host.failure = failure
    await delivery.follow(BOTH)
    await delivery.verify(guard_only=True)
    assert not delivery.ready
    assert len(log.messages) == 1
    assert failure.args[-1] in log.messages[0]
    host.failure = None
    await delivery.verify(guard_only=True)
    assert delivery.ready == BOTH


async def test_the_start_hears_of_a_failure(delivery: Delivery, host: Host) -> None:
    host.failure = LocalDeliveryError("no guard")
    with pytest.raises(LocalDeliveryError):
        await delivery.set(BOTH)

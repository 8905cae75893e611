"""The controller, killed at any request: no address is ever given to two services that do not share it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.controller.fake_api import FakeApi, Stopped

from roost.controller.controller import Controller
from roost.controller.settings import ControllerSettings
from roost.kubernetes.client import Api, ApiError

SETTINGS = ControllerSettings("metallb-system", "test", elect=False)
POOL = "/apis/metallb.io/v1beta1/namespaces/metallb-system/ipaddresspools/p"


def path(name: str) -> str:
    return f"/api/v1/namespaces/default/services/{name}"


def service(name: str, *, key: str = "", **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "annotations": {"metallb.io/allow-shared-ip": key} if key else {},
            **metadata,
        },
        "spec": {
            "type": "LoadBalancer",
            "clusterIPs": ["198.18.0.9"],
            "ports": [{"port": ord(name[-1]), "protocol": "TCP"}],
        },
        "status": {},
    }


def ingress(api: FakeApi, name: str) -> list[str]:
    status = api.objects.get(path(name), {}).get("status", {})
    return [each["ip"] for each in status.get("loadBalancer", {}).get("ingress", ())]


def holders(api: FakeApi) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for key, item in api.objects.items():
        if "/services/" in key:
            name = item["metadata"]["name"]
            for ip in ingress(api, name):
                found.setdefault(ip, set()).add(name)
    return found


def nobody_shares_by_mistake(api: FakeApi) -> None:
    for names in holders(api).values():
        keys = {
            api.objects[path(name)]["metadata"]["annotations"].get("metallb.io/allow-shared-ip", "")
            for name in names
        }
        assert len(names) == 1 or (len(keys) == 1 and keys != {""}), names


async def work(api: FakeApi, seconds: float = 0.15, served: Sequence[str] = "") -> None:
    """Run a controller for so long, or until it is killed, or all of `served` have addresses."""
    task = asyncio.create_task(Controller(cast("Api", api), SETTINGS).run())
    end = asyncio.get_running_loop().time() + seconds
    while not task.done() and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.01)
        if served and all(ingress(api, name) for name in served):
            break
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def cluster(names: str = "abcd") -> FakeApi:
    api = FakeApi()
    pool = {"metadata": {"name": "p", "namespace": "metallb-system"}, "spec": {"addresses": ["192.0.2.0/30"]}}
    api.set(POOL, pool)
    for name in names:
        api.set(path(name), service(name, key="k" if name in "cd" else ""))
    return api


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 16), st.booleans()), min_size=1, max_size=3), st.booleans())
def test_killed_at_any_request_it_gives_no_address_twice(
    deaths: list[tuple[int, bool]],
    deletion: bool,
) -> None:
    async def story() -> None:
        api = cluster()
        api.on_set = lambda: nobody_shares_by_mistake(api)
        for at, (request, after_effect) in enumerate(deaths):
            api.requests, api.stop_at, api.after_effect = 0, request, after_effect
            before = {name: ingress(api, name) for name in "abcd" if path(name) in api.objects}
            with suppress(BaseExceptionGroup, Stopped):
                await work(api)
            nobody_shares_by_mistake(api)
            for name, held in before.items():
                if held and path(name) in api.objects:
                    assert ingress(api, name) == held
            if deletion and at == 0 and path("a") in api.objects:
                item = api.objects[path("a")]
                item["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
                api.set(path("a"), item)
                api.set(path("e"), service("e"))
        api.stop_at = None
        await work(api)
        nobody_shares_by_mistake(api)
        left = [item["metadata"]["name"] for key, item in api.objects.items() if "/services/" in key]
        assert all(ingress(api, name) for name in left)
        assert ("a" in left) is not deletion

    asyncio.run(story())


@pytest.mark.parametrize(
    "error",
    [
        ApiError(409, "changed meanwhile", "Conflict"),
        ApiError(500, "etcd has no leader", "InternalError"),
        ApiError(0, "no answer"),
        ApiError(410, "too old", "Expired"),
    ],
)
@pytest.mark.parametrize("request_number", [1, 3, 5, 7, 9])
async def test_an_error_at_any_request_is_got_over(error: ApiError, request_number: int) -> None:
    api = cluster()
    api.refusals[request_number] = error
    await work(api, 5.0, "abcd")
    assert all(ingress(api, name) for name in "abcd")
    nobody_shares_by_mistake(api)


@pytest.mark.parametrize("request_number", range(4, 12))
async def test_a_write_whose_answer_is_lost_is_looked_up(request_number: int) -> None:
    api = cluster()
    api.on_set = lambda: nobody_shares_by_mistake(api)
    api.lost_answers = {request_number}
    task = asyncio.create_task(work(api, 5.0, "abcdf"))
    await asyncio.sleep(0.05)
    api.set(path("f"), service("f", key="k"))  # a trigger for all that wait, in the midst of it
    await task
    assert all(ingress(api, name) for name in "abcdf")


async def test_an_address_goes_on_only_when_nobody_is_seen_with_it_any_more() -> None:
    api = cluster("abef")
    await work(api, 5.0, "abef")
    api.set(path("waits"), service("waits"))
    api.on_set = lambda: nobody_shares_by_mistake(api)
    for name in "ab":
        api.slow[path(name)] = 0.2
        item = api.objects[path(name)]
        item["spec"]["type"] = "ClusterIP"
        api.set(path(name), item)
    await work(api, 5.0, ["waits"])
    assert not ingress(api, "a")


async def test_waiting_services_are_served_in_the_order_of_their_age() -> None:
    api = cluster("")
    for name, age in (("y", "2026-01-02"), ("x", "2026-01-03"), *((n, "2026-01-01") for n in "abef")):
        api.set(path(name), service(name, creationTimestamp=f"{age}T00:00:00Z"))
    task = asyncio.create_task(work(api, 1.5))
    await asyncio.sleep(0.4)
    assert not ingress(api, "x")
    assert not ingress(api, "y")
    item = api.objects[path("e")]
    item["metadata"]["deletionTimestamp"] = "2026-01-04T00:00:00Z"
    api.set(path("e"), item)
    await asyncio.sleep(0.4)
    assert ingress(api, "y")
    assert not ingress(api, "x")
    await task

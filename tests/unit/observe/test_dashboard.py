"""The page of many speakers: whom it believes, who may act, and who is asked."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from roost.observe.web.dashboard import Dashboard
from roost.observe.web.gathering import Gathering, Place, PlaceError
from roost.observe.web.hosts import is_ours
from roost.observe.web.hub import Hub, message
from roost.runtime.http import Request, Response

HOST = "127.0.0.1:7480"


class Speaker:
    """A place whose speaker says what a test puts into `says`; None ends its stream."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.says: asyncio.Queue[Mapping[str, Any] | None] = asyncio.Queue()
        self.asked: list[str] = []
        self.error: PlaceError | None = None

    def begins(self, name: str, /, **sections: Any) -> None:
        self.says.put_nowait({"hello": {"me": name}})
        for section, values in sections.items():
            shown = "self" if section == "own" else section
            self.says.put_nowait({"source": name, "set": {shown: values}})
        self.says.put_nowait({"ready": True})

    async def live(self) -> AsyncGenerator[bytes, None]:
        while (said := await self.says.get()) is not None:
            data = message(said)
            yield data[:7]  # parts need not be messages
            yield data[7:] + b": alive\n\n"

    async def ask(self, target: str) -> Mapping[str, Any]:
        self.asked.append(target)
        if self.error:
            raise self.error
        return {"by": self.name}

    async def drain(self, node: str, *, wish: bool) -> Mapping[str, Any]:
        self.asked.append(f"drain {node} {wish}")
        if self.error:
            raise self.error
        return {"node": node}


@asynccontextmanager
async def gathered(*speakers: Speaker) -> AsyncGenerator[tuple[Hub, Gathering], None]:
    hub = Hub(dict, {"events": 100})

    async def find() -> Sequence[Place]:
        return speakers

    gathering = Gathering(hub, find)
    task = asyncio.create_task(gathering.run())
    try:
        yield hub, gathering
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def whole(hub: Hub) -> dict[str, dict[str, Any]]:
    """All that a reader is told now: source -> section -> values, and what was told by kind."""
    await asyncio.sleep(0.05)
    reader = hub.read()
    found: dict[str, dict[str, Any]] = {}
    async for part in reader:
        told = json.loads(part.partition(b"data: ")[2])
        if "ready" in told:
            break
        if "source" in told:
            for section, values in {**told.get("set", {}), **told.get("tell", {})}.items():
                found.setdefault(told["source"], {})[section] = values
    await reader.aclose()
    return found


async def test_each_speaker_is_shown_by_its_own_name_and_followed() -> None:
    one, two = Speaker("a-socket"), Speaker("n2")
    async with gathered(one, two) as (hub, _):
        one.begins("n1", services={"web": {"leader": "n1"}})
        two.begins("n2", services={"web": {"leader": "n1"}})
        await asyncio.sleep(0.05)
        one.says.put_nowait({"source": "n1", "set": {"services": {"web": None, "mail": {"leader": "n2"}}}})
        found = await whole(hub)
        assert found["n1"]["services"] == {"mail": {"leader": "n2"}}
        assert found["n1"]["reach"] == {"why": "", "place": "a-socket"}
        assert found["n2"]["services"] == {"web": {"leader": "n1"}}
        assert "a-socket" not in found


async def test_a_speaker_that_ends_is_kept_and_said_to_be_silent_and_replaced_when_it_is_back() -> None:
    one = Speaker("n1")
    async with gathered(one) as (hub, _):
        one.begins("n1", services={"web": {"leader": "n1"}, "old": {"leader": "n1"}})
        one.says.put_nowait({"source": "n1", "tell": {"events": [{"time": "T1", "text": "first"}]}})
        one.says.put_nowait(None)
        found = await whole(hub)
        assert found["n1"]["reach"]["why"] == "it ended"
        assert found["n1"]["services"].keys() == {"web", "old"}
        one.says.put_nowait({"hello": {"me": "n1"}})
        one.says.put_nowait({"source": "n1", "set": {"services": {"web": {"leader": "n2"}}}})
        events = [{"time": "T1", "text": "first"}, {"time": "T2", "text": "second"}]
        one.says.put_nowait({"source": "n1", "tell": {"events": events}})
        await asyncio.sleep(0.6)
        assert (await whole(hub))["n1"]["services"].keys() == {"web", "old"}, "not before all is told"
        one.says.put_nowait({"ready": True})
        found = await whole(hub)
        assert found["n1"]["services"] == {"web": {"leader": "n2"}}
        assert found["n1"]["reach"]["why"] == ""
        assert [each["text"] for each in found["n1"]["events"]] == ["first", "second"], "each once"


@pytest.mark.parametrize("said", [{"tell": {"other": []}}, {"hello": {}}, {"source": "n1", "set": [1]}, [1]])
async def test_what_is_not_understood_costs_its_own_stream_alone(said: Any) -> None:
    one, two = Speaker("n1"), Speaker("n2")
    async with gathered(one, two) as (hub, _):
        one.says.put_nowait(said)
        two.begins("n2")
        await asyncio.sleep(0.05)
        two.says.put_nowait({"source": "n2", "set": {"self": {"node": "n2"}}})
        found = await whole(hub)
        assert "not understood" in found["n1"]["reach"]["why"]
        assert found["n2"]["self"] == {"node": "n2"}


async def answer(
    dashboard: Dashboard, path: str, *, method: str = "GET", token: str = "", host: str = HOST
) -> tuple[int, Any]:
    path, _, query = path.partition("?")
    values = {name: [value] for name, _, value in (each.partition("=") for each in query.split("&") if each)}
    found = await dashboard.handle(Request(method, path, values, token=token, host=host))
    assert isinstance(found, Response)
    return found.status, json.loads(found.body)


async def test_only_the_token_acts() -> None:
    one = Speaker("n1")
    async with gathered(one) as (hub, gathering):
        dashboard = Dashboard(hub, gathering, "127.0.0.1")
        await asyncio.sleep(0.02)
        for token in ("", "guess", dashboard.token[:-1], dashboard.token + "x"):
            assert (await answer(dashboard, "/v1/act/drain/n2", method="POST", token=token))[0] == 403
        assert one.asked == []
        done = await answer(dashboard, "/v1/act/drain/n2", method="POST", token=dashboard.token)
        assert done == (200, {"node": "n2"})
        await answer(dashboard, "/v1/act/undrain/n2", method="POST", token=dashboard.token)
        assert one.asked == ["drain n2 True", "drain n2 False"]
        assert (await answer(dashboard, "/v1/act/drain/n2"))[0] == 404, "not by looking"
        assert (await answer(dashboard, "/v1/act/rm/n2", method="POST", token=dashboard.token))[0] == 404


async def test_a_page_that_only_shows_takes_no_token() -> None:
    one = Speaker("n1")
    async with gathered(one) as (hub, gathering):
        dashboard = Dashboard(hub, gathering, "127.0.0.1", {})
        await asyncio.sleep(0.02)
        assert (await answer(dashboard, "/v1/act/drain/n2", method="POST", token=dashboard.token))[0] == 404
        assert one.asked == []


async def test_the_token_is_not_in_the_page_nor_in_what_it_is_told() -> None:
    one = Speaker("n1")
    async with gathered(one) as (hub, gathering):
        dashboard = Dashboard(hub, gathering, "127.0.0.1")
        one.begins("n1", own={"node": "n1"})
        assert dashboard.token not in json.dumps(await whole(hub))
        for path in ("/", "/page.js"):
            found = await dashboard.handle(Request("GET", path, host=HOST))
            assert isinstance(found, Response)
            assert dashboard.token.encode() not in found.body + str(found.headers).encode()


async def test_questions_go_to_who_answers_and_its_own_refusal_is_final() -> None:
    one, two = Speaker("n1"), Speaker("n2")
    async with gathered(one, two) as (hub, gathering):
        dashboard = Dashboard(hub, gathering, "127.0.0.1")
        one.begins("n1")
        two.begins("n2", own={"cut_off": True})
        await asyncio.sleep(0.05)
        assert await answer(dashboard, "/v1/explain/192.0.2.200") == (200, {"by": "n1", "asked": "n1"}), (
            "not who was cut off"
        )
        one.error = PlaceError("no answer")
        assert await answer(dashboard, "/v1/what-if?down=n1") == (200, {"by": "n2", "asked": "n2"})
        assert two.asked == ["/v1/what-if?down=n1"]
        one.error = PlaceError("no service has that name", 404)
        assert await answer(dashboard, "/v1/explain/x y") == (404, {"error": "no service has that name"})
        assert one.asked[-1] == "/v1/explain/x%20y"
        one.error = two.error = PlaceError("no answer")
        assert (await answer(dashboard, "/v1/explain/x"))[0] == 502
        for path in ("/v1/status", "/metrics", "/v1/forget/n1"):
            assert (await answer(dashboard, path))[0] == 404


async def test_another_name_than_its_own_is_refused_whoever_leads_it_here() -> None:
    async with gathered() as (hub, gathering):
        dashboard = Dashboard(hub, gathering, "127.0.0.1")
        for host in ("evil.example", "evil.example:7480", "", "localhost.evil.example:7480"):
            assert (await answer(dashboard, "/v1/explain/x", host=host))[0] == 421
            token = dashboard.token
            status, _ = await answer(dashboard, "/v1/act/drain/n1", method="POST", token=token, host=host)
            assert status == 421


@pytest.mark.parametrize(
    ("told", "listens", "ours"),
    [
        ("localhost:7480", "127.0.0.1", True),
        ("127.0.0.1:7480", "127.0.0.1", True),
        ("[::1]:7480", "::1", True),
        ("192.0.2.7:7480", "0.0.0.0", True),
        ("roost.example:7480", "roost.example", True),
        ("other.example:7480", "roost.example", False),
        ("[", "127.0.0.1", False),
        ("a@127.0.0.1", "127.0.0.1", True),
    ],
)
def test_names_of_this_server(told: str, listens: str, ours: bool) -> None:
    assert is_ours(told, (listens,)) is ours


async def test_a_speaker_that_says_nonsense_is_asked_again() -> None:
    """Nesting without end is no mistake that the JSON reader calls one."""

    class Nonsense(Speaker):
        tried = 0

        async def live(self) -> AsyncGenerator[bytes, None]:
            self.tried += 1
            yield b"data: " + (b"[" * 100_000 if self.tried == 1 else b"{}") + b"\n\n"

    speaker = Nonsense("n1")
    async with gathered(speaker):
        async with asyncio.timeout(10):
            while speaker.tried < 2:
                await asyncio.sleep(0.01)


async def test_other_origins_get_no_leave() -> None:
    """A page of somebody else may send what needs no leave (a form), and gets none for a token's header."""
    async with gathered() as (hub, gathering):
        dashboard = Dashboard(hub, gathering, "127.0.0.1")
        for method in ("OPTIONS", "PUT", "DELETE", "TRACE"):
            answered = await dashboard.handle(Request(method, "/v1/act/drain/n1", host=HOST))
            assert isinstance(answered, Response)
            assert answered.status == 405
            assert answered.headers["allow"] == "GET, HEAD, POST"
            assert not any(name.startswith("access-control") for name in answered.headers)
        form = Request("POST", "/v1/act/drain/n1", body=b"wish=true", host=HOST)
        refused = await dashboard.handle(form)
        assert isinstance(refused, Response)
        assert refused.status == 403

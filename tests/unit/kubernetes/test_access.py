"""Who may read metrics: what the API server says counts, and is remembered for a while."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from roost.kubernetes.access import Access
from roost.kubernetes.client import ApiError
from roost.runtime.http import Request, Response


class Reviews:
    """Says yes to the tokens in `users`, and lets the users in `allowed` read; counts questions."""

    def __init__(self) -> None:
        self.users = {"good": "reader", "other": "stranger"}
        self.asked: list[Mapping[str, Any]] = []
        self.fails = False

    async def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(body)
        if self.fails:
            raise ApiError(403, "forbidden")
        if path.endswith("tokenreviews"):
            user = self.users.get(body["spec"]["token"])
            told = {"username": user, "groups": ["g"], "uid": "u", "extra": {"k": ["v"]}}
            return {"status": {"authenticated": True, "user": told} if user else {}}
        assert path.endswith("subjectaccessreviews")
        spec = body["spec"]
        assert spec["nonResourceAttributes"] == {"path": "/metrics", "verb": "get"}
        assert (spec["groups"], spec["uid"], spec["extra"]) == (["g"], "u", {"k": ["v"]})
        return {"status": {"allowed": spec["user"] == "reader"}}


async def handler(request: Request) -> Response:
    return Response(200, request.path.encode())


def test_a_token_that_may_read_opens_metrics_alone() -> None:
    async def run() -> None:
        reviews = Reviews()
        guarded = Access(reviews).guard(handler, "/metrics")  # type: ignore[arg-type]

        async def status(token: str, path: str = "/metrics") -> int:
            answer = await guarded(Request("GET", path, token=token))
            assert isinstance(answer, Response)
            return answer.status

        assert await status("", "/healthz") == 200
        assert await status("") == 401
        assert await status("x" * 9000) == 401
        assert not reviews.asked
        assert [await status(token) for token in ("good", "other", "bad")] == [200, 403, 401]
        assert len(reviews.asked) == 5  # an unknown token has no access to ask about
        assert [await status(token) for token in ("good", "other", "bad")] == [200, 403, 401]
        assert len(reviews.asked) == 5
        reviews.fails = True
        assert await status("new") == 503
        assert await status("good") == 200

    asyncio.run(run())


def test_what_is_remembered_is_bounded_and_not_the_token() -> None:
    async def run() -> None:
        access = Access(Reviews())  # type: ignore[arg-type]
        for at in range(400):
            assert await access.judge(f"secret-{at}", "/metrics") == 401
        known = access._known
        assert len(known) <= 256
        assert "secret" not in str(known)

    asyncio.run(run())


@pytest.mark.parametrize("header", ["Bearer abc", "bearer abc"])
def test_a_token_does_not_show_in_a_requests_text(header: str) -> None:
    assert "abc" not in repr(Request("GET", "/metrics", token=header.partition(" ")[2]))

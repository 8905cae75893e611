"""Wishes that reach a speaker over its socket."""

import json
from typing import Any, cast
from unittest.mock import Mock

import pytest

from roost.runtime.http import Request
from roost.speaker.api import Api, Views


def api(wishes: list[bool | None]) -> Api:
    def drain(node: str, *, wish: bool | None) -> dict[str, Any]:
        wishes.append(wish)
        return {"node": node}

    return Api(cast("Views", Mock(drain=drain)), may_change=True)


@pytest.mark.parametrize("asked", [{}, {"wish": ["maybe"]}, {"wish": ["True"]}, {"wish": ["true", "false"]}])
async def test_a_wish_that_is_none_is_refused_with_what_may_be_wished(asked: dict[str, list[str]]) -> None:
    wishes: list[bool | None] = []
    answer = await api(wishes).handle(Request("POST", "/v1/drain/n1", asked))
    assert answer.status == 400
    assert "true" in json.loads(answer.body)["error"]
    assert "false" in json.loads(answer.body)["error"]
    assert wishes == []


@pytest.mark.parametrize(("asked", "wish"), [("true", True), ("false", False)])
async def test_a_wish_is_passed_on_and_reading_wishes_nothing(asked: str, *, wish: bool) -> None:
    wishes: list[bool | None] = []
    for method in ("POST", "GET"):
        answer = await api(wishes).handle(Request(method, "/v1/drain/n1", {"wish": [asked]}))
        assert (answer.status, json.loads(answer.body)) == (200, {"node": "n1"})
    assert wishes == [wish, None]

"""Explanations and what-ifs for people: texts from elsewhere are only texts, and whole in a pipe."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from roost.cli import drain, explain, forget, what_if
from roost.cli.exits import Exit, Failure

HOSTILE = "[red]n2[/red] [/] \x1b[31m"
PLAIN = "[red]n2[/red] [/] ?[31m"

EXPLANATION: dict[str, Any] = {
    "service": HOSTILE,
    "addresses": ["192.0.2.200"],
    "leader": HOSTILE,
    "since": "2026-01-01T00:00:00Z",
    "change": HOSTILE,
    "places": [
        {
            "position": 1,
            "node": HOSTILE,
            "verdict": "alive",
            "score": 0,
            "digest": "0" * 64,
            "why": HOSTILE * 9,
        }
    ],
    "exclusions": [{"node": HOSTILE, "why": HOSTILE}],
    "judged_by_swim_alone": [HOSTILE],
    "passing_on": [{"address": "192.0.2.200", "node": HOSTILE, "connections": 3}],
    "problems": [HOSTILE],
}
CHECKS: list[dict[str, Any]] = [
    {
        "check": HOSTILE,
        "state": "failing",
        "since": "2026-01-01T00:00:00Z",
        "against": 2,
        "weight": -50,
        "why": HOSTILE,
        "output": f"first\n{HOSTILE}",
    },
    {
        "check": "b",
        "state": "not known yet",
        "since": None,
        "against": 0,
        "weight": None,
        "why": "",
        "output": "",
    },
]
MOVES: dict[str, Any] = {
    "moves": [
        {
            "service": HOSTILE,
            "addresses": ["192.0.2.200"],
            "before": HOSTILE,
            "after": None,
            "why": HOSTILE * 9,
        }
    ],
    "staying": 3,
    "total": 4,
}


def run(monkeypatch: pytest.MonkeyPatch, module: Any, answer: Any, *arguments: str) -> str:
    monkeypatch.setattr(module, "ask", lambda *_, **__: answer)
    monkeypatch.setattr(module, "asks_cluster", lambda _: False, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    done = CliRunner().invoke(module.command, list(arguments))
    assert done.exit_code == 0, done.output
    return done.stdout


def test_an_explanation(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run(monkeypatch, explain, EXPLANATION, "web")
    assert "\x1b" not in shown
    assert shown.count(PLAIN) == 3 + 1 + 9 + 2 + 1 + 1 + 1
    assert len(shown.splitlines()) == 1 + 2 + 1 + 1 + 1 + 1
    assert json.loads(run(monkeypatch, explain, EXPLANATION, "web", "--json")) == EXPLANATION


def test_an_explanation_of_a_shared_address(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = {"sharing": {"by": "client"}, "mute": ["n3"], "leader": "n1", "exclusions": [], "service": "web"}
    places = [
        {"position": at, "node": f"n{at}", "verdict": "alive", "weight": at, "share": at / 6, "why": "shares"}
        for at in (1, 2, 3)
    ]
    more = {"places": places, "problems": [], "passing_on": [], "judged_by_swim_alone": [], "change": "-"}
    shown = run(monkeypatch, explain, EXPLANATION | shared | more, "web")
    assert "is shared by n1 17% n2 33% n3 50%" in shown
    assert "n3 does not answer its share" in shown


def test_a_what_if_of_a_shared_address(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = {"before": {"n1": 0.5, "n2": 0.5}, "after": {"n1": 1.0}}
    move = {"service": "web", "addresses": ["192.0.2.200"], "before": "n1", "after": "n1", "why": "-"}
    answer = {"moves": [move | {"shares": shares}], "staying": 0, "total": 1}
    shown = run(monkeypatch, what_if, answer, "--down", "n2")
    assert "n1 50% n2 50%  n1 100%" in shown


def test_a_what_if_of_an_address_whose_connections_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = {"before": {"n1": 0.5, "n2": 0.5}, "after": {"n2": 1.0}}
    move = {"service": "web", "addresses": ["192.0.2.200"], "before": "n1", "after": "n2", "why": "-"}
    spread = move | {"shares": shares, "sharing": {"by": "connection"}}
    answer = {"moves": [spread], "staying": 0, "total": 1}
    shown = run(monkeypatch, what_if, answer, "--down", "n1")
    assert "n1, over n1 50% n2 50%  n2, over n2 100%" in shown
    nobody = {"moves": [spread | {"after": None, "shares": shares | {"after": {}}}], "staying": 0, "total": 1}
    assert "nobody" in run(monkeypatch, what_if, nobody, "--down", "n1")


def test_checks_are_explained_with_what_they_said_last(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run(monkeypatch, explain, {**EXPLANATION, "checks": CHECKS}, "web")
    assert "\x1b" not in shown
    lines = [line for line in shown.splitlines() if PLAIN in line and "here" not in line]
    assert f"{PLAIN}  failing        2026-01-01T00:00:00Z  -50     {PLAIN} (2 in a row)" in lines
    assert f"{PLAIN} said: {PLAIN}" in lines
    assert "b  " in shown


@pytest.mark.parametrize(("known", "told"), [(False, "not known here"), (True, "nobody")])
def test_a_what_if_that_nobody_here_can_answer(
    monkeypatch: pytest.MonkeyPatch, *, known: bool, told: str
) -> None:
    move = {"service": "web", "addresses": ["192.0.2.200"], "before": "n1", "after": None, "why": "-"}
    answer = {"moves": [move | {"shares": None, "known": known}], "staying": 0, "total": 1}
    assert told in run(monkeypatch, what_if, answer, "--down", "n1")


def test_a_what_if(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run(monkeypatch, what_if, MOVES, "--down", "n1")
    assert "\x1b" not in shown
    assert shown.count(PLAIN) == 2 + 9
    assert len(shown.splitlines()) == 3


def test_a_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    done = {"node": HOSTILE, "known": True, "draining": True, "leads": 0, "packets": 3, "quiet": 2.0}
    shown = run(monkeypatch, drain, done | {"connections": 0}, "n2")
    assert shown.startswith(PLAIN)
    assert len(shown.splitlines()) == 1


def test_a_forgotten_member(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, forget, {"node": HOSTILE, "forgotten": True}, "n2") == f"{PLAIN} is forgotten\n"


def test_with_a_cluster_nodes_are_deleted_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forget, "asks_cluster", lambda _: True)
    done = CliRunner().invoke(forget.command, ["n2"])
    assert (done.exit_code, "delete the Node object" in done.stderr) == (1, True)


def test_with_a_cluster_a_lost_node_is_refused_before_its_object_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wished: list[bool] = []

    def refuse(*_: object, **__: object) -> None:
        raise Failure("n2 is lost (dead): it leads nothing to drain", Exit.INVALID)

    monkeypatch.setattr(drain, "asks_cluster", lambda _: True)
    monkeypatch.setattr(drain, "ask", refuse)
    monkeypatch.setattr(drain, "wish_drain", lambda _, *, wish: wished.append(wish))
    assert CliRunner().invoke(drain.command, ["n2"]).exit_code == 1
    assert wished == []
    assert CliRunner().invoke(drain.command, ["n2", "--undo"]).exit_code == 1
    assert wished == [False], "what was written is taken back, whatever the node"

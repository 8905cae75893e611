"""`roost status` for people: what is wrong comes first, and texts from elsewhere are only texts."""

from typing import Any

import pytest
from click.testing import CliRunner

from roost.cli import status as cli

SINCE = "2026-01-01T00:00:00Z"
HOSTILE = "[red]n2[/red] [/] [link=http://x]"


def status(**changed: Any) -> dict[str, Any]:
    """What a speaker of one service says."""
    service = {
        "name": "web",
        "addresses": ["192.0.2.200"],
        "leader": "n1",
        "since": SINCE,
        "answering": True,
        "interfaces": ["eth0"],
        "connections": {"192.0.2.200": 3},
        "passing_on": [],
        "problems": [],
    }
    well = {
        "node": "n1",
        "version": "0",
        "started_at": SINCE,
        "problems": [],
        "settled": True,
        "draining": False,
        "profile": "default",
        "members": [
            {"name": "n1", "address": "192.0.2.11", "verdict": "alive", "since": SINCE, "evidence": ""}
        ],
        "services": [service],
        "interfaces": [],
        "alarms": [],
    }
    return {**well, **changed}


def shown(monkeypatch: pytest.MonkeyPatch, said: dict[str, Any]) -> str:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(cli, "ask", lambda *_: said)
    done = CliRunner().invoke(cli.command, [])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_node_that_is_well_shows_itself_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, status()).startswith("n1  roost 0")


def test_connections_that_another_node_holds_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    said = status()
    said["services"][0]["passing_on"] = [{"address": "192.0.2.200", "node": "n2", "connections": 17}]
    assert "passing on to n2: 17 connections" in shown(monkeypatch, said)


def test_problems_come_first_with_kind_and_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    said = status(
        problems=[
            {"kind": "no gossip", "text": "gossip has never reached anybody: look for a firewall"},
            {"kind": "cut off", "text": "nobody is heard on the LAN: this node takes over nothing"},
        ]
    )
    assert shown(monkeypatch, said).splitlines()[:3] == [
        "no gossip: gossip has never reached anybody: look for a firewall",
        "cut off: nobody is heard on the LAN: this node takes over nothing",
        f"n1  roost 0  up since {SINCE}  profile default",
    ]


def test_texts_from_elsewhere_are_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    said = status(problems=[{"kind": "lost member", "text": HOSTILE}])
    said["node"] = HOSTILE
    said["services"][0] |= {
        "name": HOSTILE,
        "leader": HOSTILE,
        "problems": [HOSTILE],
        "interfaces": [HOSTILE],
    }
    said["members"][0] |= {"name": HOSTILE, "evidence": HOSTILE}
    said["interfaces"] = [{"name": HOSTILE, "announcing": False, "reason": HOSTILE}]
    said["alarms"] = [
        {
            "kind": "peer",
            "address": "192.0.2.200",
            "mac": "02:00:00:00:00:02",
            "peer": HOSTILE,
            "interface": HOSTILE,
            "count": 1,
            "last": SINCE,
        }
    ]
    assert "".join(shown(monkeypatch, said).split()).count("".join(HOSTILE.split())) == 12

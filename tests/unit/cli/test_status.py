"""`roost status` for people: what is wrong comes first, and texts from elsewhere are only texts."""

import json
from pathlib import Path
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
        "not_passing_on": "",
        "profile": "default",
        "members": [
            {"name": "n1", "address": "192.0.2.11", "verdict": "alive", "since": SINCE, "evidence": ""}
        ],
        "services": [service],
        "interfaces": [],
    }
    return {**well, **changed}


def shown(monkeypatch: pytest.MonkeyPatch, said: dict[str, Any]) -> str:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(cli, "ask", lambda *_: said)
    done = CliRunner().invoke(cli.command, [])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_node_that_is_well_says_so_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, status()).splitlines()[:2] == [
        "no problems",
        f"n1  roost 0  up since {SINCE}  profile default",
    ]


def problem(kind: str, text: str, severity: str = "critical") -> dict[str, str]:
    return {"kind": kind, "severity": severity, "text": text, "cure": f"cure of {kind}"}


BROKEN = [
    problem("no gossip", "gossip has never reached anybody"),
    problem("lost member", "n2 is dead", "warning"),
]


def test_a_service_that_this_node_is_unfit_for_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    said = status()
    for fitness, told in (
        ({"fit": True, "weight": 0, "why": ""}, ""),
        ({"fit": True, "weight": -50, "why": ""}, "weight -50 here"),
        (
            {"fit": False, "weight": 0, "why": "interface up1: it is down"},
            "unfit here: interface up1: it is down",
        ),
    ):
        said["services"][0]["fitness"] = fitness
        line = next(line for line in shown(monkeypatch, said).splitlines() if line.startswith("web "))
        assert line.endswith(f"3     {told}".rstrip())


def test_connections_that_another_node_holds_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    said = status()
    said["services"][0]["passing_on"] = [{"address": "192.0.2.200", "node": "n2", "connections": 17}]
    assert "passing on to n2: 17 connections" in shown(monkeypatch, said)


def test_why_connections_are_not_passed_on_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    why = "connections cannot be passed on when an address moves: the process lacks CAP_NET_ADMIN"
    for problems in ([], [problem("not passing on", why, "warning")]):
        assert shown(monkeypatch, status(not_passing_on=why, problems=problems)).count(why) == 1


def test_problems_come_first_with_kind_and_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, status(problems=BROKEN)).splitlines()[:5] == [
        "problems: 2",
        "✗ critical  no gossip: gossip has never reached anybody -> cure of no gossip",
        "◐ warning   lost member: n2 is dead -> cure of lost member",
        "",
        f"n1  roost 0  up since {SINCE}  profile default",
    ]


NOTE = {"kind": "draining", "text": "n2 is drained", "cure": "undo it"}


def test_what_goes_on_as_wished_is_a_note_and_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    said = status(notes=[NOTE])
    assert shown(monkeypatch, said).splitlines()[:2] == [
        "no problems",
        "note: draining: n2 is drained -> undo it",
    ]
    code, line = checked(monkeypatch, said)
    assert (code, line.startswith("OK - n1: "), "; draining: n2 is drained |" in line) == (0, True, True)
    assert json.loads(checked(monkeypatch, said, "--json")[1])["notes"] == [NOTE]


def test_texts_from_elsewhere_are_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    said = status(problems=[problem("lost member", HOSTILE)])
    said["node"] = HOSTILE
    said["services"][0] |= {
        "name": HOSTILE,
        "leader": HOSTILE,
        "problems": [HOSTILE],
        "interfaces": [HOSTILE],
        "passing_on": [{"address": "192.0.2.200", "node": HOSTILE, "connections": None}],
    }
    said["members"][0] |= {"name": HOSTILE, "evidence": HOSTILE}
    said["interfaces"] = [{"name": HOSTILE, "announcing": False, "reason": HOSTILE}]
    assert "".join(shown(monkeypatch, said).split()).count("".join(HOSTILE.split())) == 11


# -- status --check --------------------------------------------------------------------------------


def checked(monkeypatch: pytest.MonkeyPatch, said: dict[str, Any], *options: str) -> tuple[int, str]:
    monkeypatch.setattr(cli, "ask", lambda *_: said)
    done = CliRunner().invoke(cli.command, ["--check", *options])
    assert done.stderr == ""
    return done.exit_code, done.stdout


def test_check_is_one_line_in_nagios_words(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = "members=1 alive=1 services=1 led=1"
    assert checked(monkeypatch, status()) == (
        0,
        f"OK - n1: 1 members alive, 1 services, 1 led here | problems=0 {figures}\n",
    )
    assert checked(monkeypatch, status(problems=BROKEN)) == (
        1,
        "CRITICAL - n1: 2 problems: no gossip: gossip has never reached anybody; lost member: n2 is dead"
        f" | problems=2 {figures}\n",
    )
    code, line = checked(monkeypatch, status(problems=BROKEN[1:]))
    assert (code, line.startswith("WARNING - n1: 1 problem: lost member")) == (1, True)


def test_check_stays_one_line_whatever_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    said = status(problems=[problem("lost member", "a\nb|c\x1b[31m" + "x" * 5000)])
    _, line = checked(monkeypatch, said)
    assert line.count("\n") == 1
    assert line.count("|") == 1
    assert "\x1b" not in line
    assert "x" * 5000 in line


def test_check_in_json_has_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    code, text = checked(monkeypatch, status(problems=BROKEN), "--json")
    report = json.loads(text)
    assert (code, report["state"], report["problems"], report["figures"]["problems"]) == (
        1,
        "CRITICAL",
        BROKEN,
        2,
    )


def test_check_says_on_stdout_that_no_speaker_answers(tmp_path: Path) -> None:
    for options in ([], ["--json"]):
        done = CliRunner().invoke(cli.command, ["--check", "--socket", str(tmp_path / "none.sock"), *options])
        assert (done.exit_code, done.stderr) == (4, "")
        assert "CRITICAL" in done.stdout
        assert "no speaker answers" in done.stdout
    report = json.loads(done.stdout)
    assert (report["state"], report["problems"], report["figures"]) == ("CRITICAL", [], {})


def test_check_looks_once() -> None:
    assert CliRunner().invoke(cli.command, ["--check", "--watch"]).exit_code == 2

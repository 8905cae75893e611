"""`roost check`: lines for people, JSON for programs, exit codes for both."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from roost.cli import main

GOOD = "node: n1\nservices: [{name: web, addresses: [192.0.2.1, 2001:db8::1]}]\n"
BAD = "nod: n1\nterminationGrace: soon\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "roost.yaml"


def test_a_good_file(file: Path) -> None:
    file.write_text(GOOD)
    result = CliRunner().invoke(main, ["check", str(file)])
    assert result.exit_code == 0
    assert result.output == f"{file}: good: node n1, services: 1, addresses: 2\n"


def test_every_problem_on_a_line(file: Path) -> None:
    file.write_text(BAD)
    result = CliRunner().invoke(main, ["check", str(file)])
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0] == f"{file}:1:1: error: nod: is not a known key (did you mean node?)"
    assert lines[1].startswith(f"{file}:2:19: error: terminationGrace: 'soon' is not a duration (")
    assert lines[2:] == [f"{file}: 2 errors"]


def test_json(file: Path) -> None:
    file.write_text(BAD)
    result = CliRunner().invoke(main, ["check", "--json", str(file)])
    assert result.exit_code == 1
    answer = json.loads(result.output)
    assert answer["ok"] is False
    assert answer["problems"][0] == {
        "severity": "error",
        "file": str(file),
        "line": 1,
        "column": 1,
        "field": "nod",
        "cause": "is not a known key",
        "cure": "did you mean node?",
    }
    file.write_text(GOOD)
    good = CliRunner().invoke(main, ["check", "--json", str(file)])
    assert (good.exit_code, json.loads(good.output)) == (0, {"ok": True, "problems": []})


def test_a_missing_file_is_a_problem_and_no_argument_a_usage_error(file: Path) -> None:
    missing = CliRunner().invoke(main, ["check", str(file)])
    assert missing.exit_code == 1
    assert "No such file" in missing.output
    assert CliRunner().invoke(main, ["check"]).exit_code == 2


def test_check_loads_no_part_of_the_running_speaker() -> None:
    script = "import sys, roost.cli.check; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"pyroute2", "rich", "asyncio", "cryptography", "prometheus_client", "roost.speaker"}
    assert heavy.isdisjoint(loaded)

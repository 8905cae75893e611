"""`roost sim --campaign` and `--replay` as commands; what they play is in tests/simulation."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from roost.cli.sim import command
from roost.simulator.faults import Fault, Schedule, ServiceSpec

SERVICES = (ServiceSpec("s1", "198.18.0.100"),)


def test_a_campaign_says_in_a_line_of_json_how_it_went(tmp_path: Path) -> None:
    failed = tmp_path / "failed.json"
    arguments = ["--campaign", "5", "--seed", "1", "--json", "--failed", str(failed)]
    first, second = (CliRunner().invoke(command, arguments) for _ in range(2))
    assert first.exit_code == 0, first.output
    told = json.loads(first.stdout)
    assert told["steps"] >= 5
    assert told["violations"] == 0
    assert 0.0 <= told["longest_silence_s"] <= 0.5
    assert 0.0 <= told["longest_two_s"] <= 1.0
    assert told["steps_per_cpu_s"] > 0
    again = json.loads(second.stdout)
    del told["steps_per_cpu_s"], again["steps_per_cpu_s"]
    assert told == again, "the same seed tells the same"
    assert not failed.exists()


def test_a_campaign_of_the_fast_profile(tmp_path: Path) -> None:
    arguments = ["--campaign", "2", "--profile", "fast", "--nodes", "2", "--json"]
    done = CliRunner().invoke(command, [*arguments, "--failed", str(tmp_path / "failed.json")])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("profile", ["swim", "lan", "wan"])
def test_a_campaign_of_a_profile_without_witnesses_is_refused(profile: str) -> None:
    done = CliRunner().invoke(command, ["--campaign", "5", "--profile", profile])
    assert done.exit_code == 2
    assert "--campaign knows the profiles default and fast" in " ".join(done.output.split())


def test_a_replay_tells_what_happened(tmp_path: Path) -> None:
    fault = Fault("kill", 4.0, 1.0, "n1")
    path = tmp_path / "schedule.json"
    path.write_text(Schedule(1, 2, 1, 1, "default", SERVICES, (fault,), 8.0).as_json())
    done = CliRunner().invoke(command, ["--replay", str(path)])
    assert done.exit_code == 0, done.output
    assert any("n1" in line and "kill for 1 s" in line for line in done.stdout.splitlines())
    told = CliRunner().invoke(command, ["--replay", str(path), "--json"])
    assert json.loads(told.stdout) == {"steps": 1, "violation": None}


def test_what_is_no_schedule_is_not_replayed(tmp_path: Path) -> None:
    path = tmp_path / "schedule.json"
    path.write_text("[]")
    done = CliRunner().invoke(command, ["--replay", str(path)])
    assert done.exit_code == 1
    assert "not a schedule" in done.output
    assert CliRunner().invoke(command, ["--replay", str(tmp_path / "missing")]).exit_code == 2

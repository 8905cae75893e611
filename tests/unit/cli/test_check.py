"""`roost check`: lines for people, JSON for programs, exit codes for both."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from roost.cli import main

GOOD = "node: n1\nservices: [{name: web, addresses: [192.0.2.1, 2001:db8::1]}]\n"
MANIFEST = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: a}
spec: {addresses: [192.0.2.0/28]}
"""
BAD = "nod: n1\nterminationGrace: soon\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "roost.yaml"


def test_a_good_file(file: Path) -> None:
    file.write_text(GOOD)
    result = CliRunner().invoke(main, ["check", str(file)])
    assert result.exit_code == 0
    assert result.output == (
        f"{file}: good: node n1, services: 1, addresses: 2\n"
        f"{file}: not held against the addresses of this host: its name is not n1 (node)\n"
    )


def test_on_its_own_host_a_file_is_held_against_the_hosts_addresses(file: Path) -> None:
    services = "services: [{name: a, addresses: [203.0.113.9]}]"
    file.write_text(f"node: {socket.gethostname()}\ninterfaces: [nosuch9]\n{services}\n")
    result = CliRunner().invoke(main, ["check", str(file)])
    assert result.exit_code == 0
    assert f"{file}:2:14: warning: interfaces[0]: 'nosuch9' matches no interface now" in result.output
    assert "no announcing interface here has an IPv4 address now" in result.output
    assert "not held" not in result.output
    told = json.loads(CliRunner().invoke(main, ["check", "--json", str(file)]).output)
    assert (told["held_against_this_host"], len(told["problems"])) == (True, 2)


@pytest.mark.parametrize("text", [GOOD, MANIFEST], ids=["file", "manifest"])
@pytest.mark.parametrize("through", ["-", "/dev/stdin", "pipe"])
def test_streams_are_read_once_and_whole(file: Path, text: str, through: str) -> None:
    file.write_text(text)
    name = through if through != "pipe" else "/dev/fd/0"
    command = [sys.executable, "-m", "roost", "check", name]
    with subprocess.Popen(["cat", str(file)], stdout=subprocess.PIPE) as cat:
        done = subprocess.run(command, stdin=cat.stdout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert f"{name}: good: " in done.stdout


def test_a_key_file_of_a_stream_is_looked_for_in_the_working_folder(tmp_path: Path) -> None:
    (tmp_path / "k").write_text("MDEyMzQ1Njc4OWFiY2RlZg==")
    (tmp_path / "k").chmod(0o600)
    command = [sys.executable, "-m", "roost", "check", "-"]
    text = "node: n1\nmembership: {bind: '203.0.113.1:7946', keyFile: k}\n"
    done = subprocess.run(command, input=text, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "it lacks 203.0.113.1 (membership.bind)" in done.stdout


@pytest.mark.parametrize("word", ["global_defs", "vrrp_instance VI_1", "virtual_server 192.0.2.1 80"])
def test_keepalived_is_told_from_yaml(file: Path, word: str) -> None:
    file.write_text(f"! Configuration File for keepalived\n\n{word} {{\n    state MASTER\n}}\n")
    result = CliRunner().invoke(main, ["check", str(file)])
    assert result.exit_code == 1
    assert (
        f"{file}:3:1: error: is Keepalived's configuration, not Roost's (write it anew with: "
        in result.output
    )
    assert "roost import" in result.output


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
    assert (good.exit_code, json.loads(good.output)) == (
        0,
        {"ok": True, "held_against_this_host": False, "problems": []},
    )
    file.write_text(MANIFEST)
    manifest = CliRunner().invoke(main, ["check", "--json", str(file)])
    assert json.loads(manifest.output).keys() == json.loads(good.output).keys()


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
    heavy = {"pyroute2.netlink", "rich", "asyncio", "cryptography", "prometheus_client", "roost.speaker"}
    assert heavy.isdisjoint(loaded)

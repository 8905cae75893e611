"""Which speaker a command asks when it is not told."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner

from roost.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROOST_RUN_DIR", str(tmp_path))
    return tmp_path


def test_without_any_speaker_the_places_looked_at_are_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder))  # no ~/.kube/config
    done = CliRunner().invoke(main, ["status"])
    assert done.exit_code == 4
    assert f"no speaker's socket in {folder}" in done.output


def test_of_several_one_is_to_be_named(folder: Path) -> None:
    for name in ("n1", "n2"):
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(folder / f"{name}.sock"))
    done = CliRunner().invoke(main, ["status"])
    assert done.exit_code == 4
    assert "several speakers run here" in done.output


def test_the_socket_of_a_dead_one_is_said_to_be_silent(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "n1.sock"))
    done = CliRunner().invoke(main, ["status"])
    assert done.exit_code == 4
    assert "no speaker answers" in done.output


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize("closed", ["socket", "folder"])
@pytest.mark.parametrize("named", [True, False])
def test_who_may_not_ask_is_told_so(monkeypatch: pytest.MonkeyPatch, closed: str, *, named: bool) -> None:
    with TemporaryDirectory() as name, socket.socket(socket.AF_UNIX) as listening:  # pytest's is root's alone
        folder = Path(name)
        folder.chmod(0o755)
        monkeypatch.setenv("ROOST_RUN_DIR", name)
        sock = folder / "n1.sock"
        listening.bind(str(sock))
        sock.chmod(0o600)
        if closed == "folder":
            folder.chmod(0o700)
        told = [f"--socket={sock}"] if named else []
        for options, stream in (([], "stderr"), (["--check"], "stdout")):
            done = as_nobody("status", *options, *told)
            assert done.returncode == 3
            said: str = getattr(done, stream)
            assert (said.count("\n"), "not for this user; run this as root" in said) == (1, True), said


def as_nobody(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as somebody who has no rights, in a process of its own."""
    run = (
        "import os, sys; from roost.cli import main; import roost.cli.status, roost.runtime.http_client;"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534); main(sys.argv[1:])"
    )
    return subprocess.run(
        [sys.executable, "-c", run, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_list_of_commands_cuts_no_sentence() -> None:
    commands = CliRunner().invoke(main, ["--help"]).output.partition("Commands:")[2]
    assert "drain " in commands
    assert "..." not in commands

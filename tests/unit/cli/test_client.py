"""Which speaker a command asks when it is not told."""

import socket
from pathlib import Path

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


def test_the_list_of_commands_cuts_no_sentence() -> None:
    commands = CliRunner().invoke(main, ["--help"]).output.partition("Commands:")[2]
    assert "drain " in commands
    assert "..." not in commands

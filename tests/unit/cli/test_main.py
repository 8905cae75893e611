"""What is alike for all commands."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from roost.cli import main, status


def test_a_misspelt_command_is_told_which_may_be_meant() -> None:
    done = CliRunner().invoke(main, ["statsu"])
    assert (done.exit_code, "Did you mean 'status'?" in done.output) == (2, True)
    assert "Did you mean" not in CliRunner().invoke(main, ["zzz"]).output


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, click.Abort])
def test_an_interrupted_command_is_told_from_one_that_found_something(
    monkeypatch: pytest.MonkeyPatch, interruption: type[BaseException]
) -> None:
    def interrupted(*_: object) -> None:
        raise interruption

    monkeypatch.setattr(status, "ask", interrupted)
    done = CliRunner().invoke(main, ["status"])
    assert (done.exit_code, done.stderr) == (130, "roost: interrupted\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can close a folder to itself")
@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("check", "{}/roost.yaml"), 1),
        (("speaker", "--config", "{}/roost.yaml"), 1),
        (("import", "{}/keepalived.conf"), 1),
        (("init", "--yes", "--address", "192.0.2.200", "-o", "{}/roost.yaml"), 3),
        (("doctor", "--bundle", "{}/b.tar.gz"), 3),
        (("status", "--socket", "{}/n1.sock"), 3),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_is_in_a_closed_folder_costs_a_line_and_no_traceback(
    tmp_path: Path, command: tuple[str, ...], code: int
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    os.chown(closed, 65534, 65534)
    bounded = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all"]
    arguments = [each.format(closed) for each in command]
    done = subprocess.run(
        [*bounded, sys.executable, "-m", "roost", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert str(closed) in done.stdout + done.stderr

"""What is alike for all commands."""

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

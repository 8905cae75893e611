"""Options that do nothing, or contradict each other, are refused by name before anything is done."""

import pytest
from click.testing import CliRunner

from roost.cli import main

GOSSIPING = "speaker --kubernetes --node-name n --ml-labels a=b --ml-bindaddr 192.0.2.1"


@pytest.mark.parametrize(
    "line",
    [
        "speaker --config f.yaml --profile fast",
        "speaker --config f.yaml --node-name n1",
        "speaker --config f.yaml --socket /tmp/x.sock",
        "speaker --config f.yaml --metallb-metrics",
        "speaker --config f.yaml --failback never",
        "speaker --kubernetes --node-name n --failback never",
        f"{GOSSIPING} --ml-wan-config --profile fast",
        f"{GOSSIPING} --profile lan --arp-rate 10",
        "speaker --kubernetes --node-name n --ml-bindaddr 192.0.2.1 --profile fast",
        "controller --webhook-mode onlywebhook --quarantine 3",
        "sim --campaign 5 --trials 3",
        "sim --campaign 5 --loss 3",
        "sim --campaign 5 --witnesses",
        "sim --campaign 5 --plot x.svg",
        "sim --failed x.json",
        "sim --trials 0 --fault kill",
        "sim --trials 0 --plot x.svg",
        "sim --profile lan --witnesses",
        "sim --replay pyproject.toml --seed 3",
        "sim --replay pyproject.toml --nodes 3",
        "lab --kubernetes --drill cut",
        "lab --kubernetes --vips 3",
        "lab --kubernetes --output x.svg",
        "lab --kubernetes --keep",
        "lab --drill cut --duration 5",
        "lab --duration 5",
        "lab --profile lan --arp-rate 10",
        "lab --nodes 1",
        "lab --kubernetes --nodes 1",
    ],
)
def test_what_would_do_nothing_is_refused(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("METALLB_ML_BIND_ADDR", "METALLB_ML_LABELS"):
        monkeypatch.delenv(name, raising=False)
    words = line.split()
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2, done.output
    said = " ".join(done.output.split())
    assert "no effect" in said or "has none" in said or "--nodes" in said, said
    assert words[-1] in said or words[-2] in said, "the option is named"


def test_what_variables_say_is_for_all_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roost.cli.speaker.configure", lambda *_: None)  # other tests read the logs
    monkeypatch.setenv("ROOST_PROFILE", "fast")
    monkeypatch.setenv("ROOST_SOCKET", "/tmp/none.sock")
    done = CliRunner().invoke(main, ["speaker", "--config", "/nonexistent/roost.yaml"])
    assert done.exit_code == 1, done.output
    assert "cannot be read" in done.output


def test_a_failback_that_is_none_is_refused() -> None:
    done = CliRunner().invoke(main, [*GOSSIPING.split(), "--failback", "nevr"])
    assert done.exit_code == 2
    assert "'nevr' is neither always, never nor a duration up to a day such as 30s" in done.output

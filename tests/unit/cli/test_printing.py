"""What a command prints into a pipe that is closed, or onto a full disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FILE = str(ROOT / "docs/examples/three-nodes.yaml")
CONTRADICTING = "interfaces: [lo]\nservices: [{name: 3}]\n"

COMMANDS = [
    ("--help",),
    ("--version",),
    ("explain", "--help"),
    ("status", "--schema"),
    ("check", FILE),
    ("check", "--json", FILE),
    ("check", "{wrong}"),
    ("import", "{keepalived}"),
    ("sim", "--trials", "1", "--seconds", "1"),
    ("sim", "--campaign", "1"),
    ("status", "--check", "--socket", "{missing}"),
]


def _run(arguments: tuple[str, ...], folder: Path, stdout: int, stderr: int) -> "subprocess.Popen[str]":
    wrong, keepalived = folder / "wrong.yaml", folder / "keepalived.conf"
    wrong.write_text(CONTRADICTING)
    keepalived.write_text("vrrp_instance a {\n interface eth0\n virtual_router_id 51\n}\n")
    filled = [
        each.format(wrong=wrong, keepalived=keepalived, missing=folder / "n1.sock") for each in arguments
    ]
    command = [sys.executable, "-m", "roost", *filled]
    return subprocess.Popen(command, stdout=stdout, stderr=stderr, text=True)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda value: " ".join(value[:2]))
def test_whose_reader_has_gone_it_ends_quietly_with_its_own_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], unbuffered: str
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    reading, writing = os.pipe()
    os.close(reading)
    process = _run(arguments, tmp_path, writing, subprocess.PIPE)
    os.close(writing)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (141, "")


def test_an_error_that_nobody_reads_ends_it_alike(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = _run(("status", "--socket", "{missing}"), tmp_path, writing, writing)
    os.close(writing)
    assert process.wait(60) == 141


def test_what_was_read_to_the_end_keeps_its_code(tmp_path: Path) -> None:
    process = _run(("check", "{wrong}"), tmp_path, subprocess.PIPE, subprocess.STDOUT)
    told, _ = process.communicate(timeout=60)
    assert (process.returncode, "wrong.yaml" in told) == (1, True)


@pytest.mark.parametrize("arguments", [COMMANDS[3], COMMANDS[4], COMMANDS[8]], ids=lambda value: value[0])
def test_a_full_disk_is_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    process = _run(arguments, tmp_path, full, subprocess.PIPE)
    os.close(full)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (3, "roost: cannot write the output: No space left on device\n")

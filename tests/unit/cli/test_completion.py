"""`roost explain <TAB>`: names of the running speaker, in time, and never an error."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from roost.cli import main

NAMES = {
    "nodes": ["n1", "n2", "odd\x1bname"],
    "lost": ["n9"],
    "services": ["web", "mail"],
    "addresses": ["192.0.2.200", "2001:db8::200"],
}
FILE = """
node: here
services: [{name: filed, addresses: [192.0.2.201]}]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROOST_RUN_DIR", str(tmp_path))
    monkeypatch.setenv("ROOST_CONFIG", str(tmp_path / "roost.yaml"))
    monkeypatch.setattr("roost.cli.completion._PATIENCE", 30.0)  # the machine may be busy
    return tmp_path


@pytest.fixture
def listening(folder: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "n1.sock"))
        server.listen()
        yield server


def completed(words: str) -> Sequence[str]:
    """What bash is offered after these words; the last one is begun, or empty."""
    begun = words.split(" ")
    environment = {"_ROOST_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(begun) - 1)}
    done = CliRunner().invoke(main, [], prog_name="roost", env=environment)
    assert (done.exit_code, done.stderr) == (0, "")
    return [line.removeprefix("plain,") for line in done.stdout.split()]


def answer(server: socket.socket, body: bytes, status: str = "200 OK") -> None:
    def once() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)

    threading.Thread(target=once, daemon=True).start()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("roost explain ", ["web", "mail", "192.0.2.200", "2001:db8::200"]),
        ("roost explain w", ["web"]),
        ("roost drain ", ["n1", "n2"]),
        ("roost forget ", ["n9"]),
        ("roost what-if --down n", ["n1", "n2"]),
        ("roost what-if --add ", ["n9"]),
        ("roost what-if --down n1 19", ["192.0.2.200"]),
    ],
)
def test_names_that_the_speaker_knows(listening: socket.socket, words: str, offered: list[str]) -> None:
    answer(listening, json.dumps(NAMES).encode())
    assert completed(words) == offered


@pytest.mark.parametrize(("body", "status"), [(b"[]", "200 OK"), (b"x", "200 OK"), (b"{}", "404 Not Found")])
def test_another_answer_offers_nothing(listening: socket.socket, body: bytes, status: str) -> None:
    answer(listening, body, status)
    assert completed("roost explain ") == []


def test_a_speaker_that_hangs_is_given_up(listening: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    assert listening.fileno() >= 0
    monkeypatch.setattr("roost.cli.completion._PATIENCE", 0.1)
    assert completed("roost explain ") == []


def test_with_a_speaker_nothing_is_loaded_that_reads_files(listening: socket.socket, folder: Path) -> None:
    """Somebody waits at a prompt, and most of the time would go into imports."""
    answer(listening, json.dumps(NAMES).encode())
    environment = {"_ROOST_COMPLETE": "bash_complete", "COMP_WORDS": "roost explain ", "COMP_CWORD": "2"}
    program = (
        "import contextlib, sys\n"
        "from roost.cli import completion, main\n"
        "completion._PATIENCE = 30.0\n"
        "with contextlib.suppress(SystemExit):\n"
        "    main([], prog_name='roost')\n"
        "print(*{'yaml', 'pydantic', 'asyncio', 'roost.standalone', 'roost.speaker'} & sys.modules.keys())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment, "ROOST_RUN_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    *offered, loaded = done.stdout.splitlines()
    assert offered == [f"plain,{each}" for each in ("web", "mail", "192.0.2.200", "2001:db8::200")]
    assert loaded == ""


def test_without_a_speaker_its_file_is_read_and_without_that_nothing_is_said(folder: Path) -> None:
    assert completed("roost explain ") == []
    (folder / "roost.yaml").write_text(FILE)
    assert completed("roost explain ") == ["filed", "192.0.2.201"]
    assert completed("roost drain ") == ["here"]
    (folder / "roost.yaml").write_text("{")
    assert completed("roost explain ") == []

"""`roost doctor --bundle`: what a supporter needs in one archive, secrets out."""

import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, Final

from roost import __version__
from roost.cli.examination import Examination
from roost.cli.exits import Exit, Failure
from roost.observe.redaction import Redaction
from roost.runtime.http_client import NotASpeakerError, get, read_text

__all__ = ["pack"]

_WITHIN: Final = 10.0  # seconds for each command
_MOST: Final = 4 << 20  # bytes of each text, its end
_KEYS: Final = 1 << 16  # bytes of a key file
_LOG: Final = "2000"  # lines
_COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "host/addresses.txt": ("ip", "-d", "address"),
    "host/links.txt": ("ip", "-s", "-d", "link"),
    "host/routes.txt": ("ip", "route", "show", "table", "all"),
    "host/routes6.txt": ("ip", "-6", "route", "show", "table", "all"),
    "host/rules.txt": ("ip", "rule"),
    "host/neighbours.txt": ("ip", "neighbour"),
    "host/bridges.txt": ("bridge", "-d", "link"),
    "host/filters.txt": ("tc", "filter", "show"),
    "host/firewall.txt": ("nft", "list", "ruleset"),
    "host/sockets.txt": ("ss", "-tuanp"),
    "host/unit.txt": ("systemctl", "cat", "roost-speaker.service"),
    "log.txt": ("journalctl", "--unit=roost-speaker", f"--lines={_LOG}", "--no-pager", "--output=short-iso"),
    "kernel-log.txt": ("journalctl", "--dmesg", "--lines=300", "--no-pager", "--output=short-iso"),
}
_VIEWS: Final = {
    "events.json": "/v1/events",
    "traffic.json": "/v1/traffic",
    "history.json": "/v1/history?limit=5000",
}


def pack(path: Path, seen: Examination) -> None:
    """Write the archive, readable by its owner alone; raises Failure when it cannot be written."""
    redacted = Redaction(_secrets(seen))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            for name, text in _texts(seen):
                _add(archive, name, redacted(text[-_MOST:]))
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror or error}", Exit.CANNOT_RUN) from error


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode(errors="replace")
    entry = tarfile.TarInfo(f"roost-bundle/{name}")
    entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
    archive.addfile(entry, io.BytesIO(data))


def _texts(seen: Examination) -> Iterator[tuple[str, str]]:
    """Yield the name and text of each file; what cannot be had says why."""
    yield "doctor.json", json.dumps(seen.as_data(), indent=2)
    yield "versions.txt", "\n".join(_versions())
    yield (
        "kernel-settings.txt",
        "".join(f"{key} = {value}\n" for key, value in sorted(seen.facts.host.settings.items())),
    )
    yield "lan.txt", "\n".join(map(repr, seen.facts.lan.peers)) + "\n" + repr(dict(seen.facts.lan.holders))
    yield "kernel.txt", "\n".join(f"{key}: {why or 'yes'}" for key, why in seen.facts.host.features.items())
    if seen.facts.status is not None:
        yield "status.json", json.dumps(seen.facts.status, indent=2)
    if seen.socket is not None and seen.facts.status is not None:
        for name, target in _VIEWS.items():
            yield name, _view(seen.socket, target)
        yield "metrics.txt", _metrics(seen.socket)
    if seen.file is not None:
        yield "configuration.yaml", _file(seen.file)
    for name, command in _COMMANDS.items():
        yield name, _output(command)


def _secrets(seen: Examination) -> Iterator[bytes | str]:
    """Yield what is known to be secret: the gossip keys, as they are in force and as the files have them."""
    config = seen.config
    if config is not None and config.membership is not None:
        yield from config.membership.keys
    if seen.file is None:
        return
    # The file may be invalid, or the key file newer than what runs: their words are taken as they stand.
    for path in (Path(each.strip("\"' ")) for each in _values_of(_file(seen.file), "keyFile:")):
        yield from _file(seen.file.parent / path, _KEYS).split()
    yield from _values_of(_file(seen.file), "key:")


def _values_of(text: str, key: str) -> Iterator[str]:
    for line in text.splitlines():
        _, found, value = line.partition(key)
        if found and (plain := value.partition(" #")[0].strip(" \"'[]{},")):
            yield plain.partition(",")[0].strip(" \"'")


def _file(path: Path, most: int = _MOST) -> str:
    try:
        with path.open("rb") as file:
            return file.read(most).decode(errors="replace")
    except (OSError, ValueError):
        return ""


def _view(sock: Path, target: str) -> str:
    try:
        return json.dumps(get(sock, target)[1], indent=2)
    except (OSError, HTTPException, NotASpeakerError) as error:
        return f"not to be had: {error}"


def _metrics(sock: Path) -> str:
    try:
        return read_text(sock, "/metrics")
    except (OSError, HTTPException) as error:
        return f"not to be had: {error}"


def _versions() -> Iterator[str]:
    yield f"roost {__version__}"
    yield f"python {sys.version}"
    yield f"kernel {' '.join(platform.uname())}"
    yield from _file(Path("/etc/os-release")).splitlines()[:3]
    for requirement in requires("roost") or ():
        if "extra" not in requirement:
            name = requirement.split(">")[0].split("[")[0]
            try:
                yield f"{name} {version(name)}"
            except PackageNotFoundError:
                yield f"{name} is missing"


def _output(command: tuple[str, ...]) -> str:
    program = shutil.which(command[0], path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        return f"{command[0]} is not on this host\n"
    environment: dict[str, Any] = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(  # noqa: S603 - fixed commands
            [program, *command[1:]], capture_output=True, timeout=_WITHIN, check=False, env=environment
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{' '.join(command)}: {error}\n"
    return (done.stdout + done.stderr).decode(errors="replace")

"""Names that a shell completes: of nodes, services and addresses, as the running speaker knows them.

Without a speaker the services of its file are offered. Nothing is ever said: who completes wants no errors.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from threading import Thread
from typing import Final

import click

from roost.cli.client import only_socket
from roost.cli.exits import Failure
from roost.observe.text import printable
from roost.runtime.http_client import NotASpeakerError, get

__all__ = ["Complete", "complete_events", "complete_lost", "complete_nodes", "complete_vips"]

_PATIENCE: Final = 0.3  # seconds
_FILE: Final = Path("/etc/roost/roost.yaml")  # the unit's

Complete = Callable[[click.Context, click.Parameter, str], list[str]]
_Names = Mapping[str, Sequence[str]]


def _complete(*kinds: str) -> Complete:
    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
        found = _in_time(lambda: _names(ctx.params.get("socket_path")))
        names = (name for kind in kinds for name in found.get(kind, ()) if name.startswith(incomplete))
        return [name for name in dict.fromkeys(names) if name == printable(name)]

    return complete


complete_nodes: Final = _complete("nodes")
complete_lost: Final = _complete("lost")
complete_vips: Final = _complete("services", "addresses")
complete_events: Final = _complete("services", "addresses", "nodes")


def _in_time(look: Callable[[], _Names]) -> _Names:
    """Return what `look` returns, or nothing when that takes too long: somebody waits at a prompt."""
    found: list[_Names] = []
    looking = Thread(target=lambda: found.append(look()), daemon=True)
    looking.start()
    looking.join(_PATIENCE)
    return found[0] if found else {}


def _names(path: Path | None) -> _Names:
    try:
        status, names = get(path or only_socket(), "/v1/names", _PATIENCE)
    except (OSError, HTTPException, NotASpeakerError, Failure):
        return _names_in_file()
    return names if status == 200 and isinstance(names, dict) else {}


def _names_in_file() -> _Names:
    from roost.standalone import load  # noqa: PLC0415 - only where no speaker runs

    config = load(Path(os.environ.get("ROOST_CONFIG", _FILE))).config
    if config is None:
        return {}
    return {
        "nodes": [config.node],
        "services": [service.name for service in config.services],
        "addresses": [str(address) for service in config.services for address in service.addresses],
    }

"""Asking the local speaker over its API socket."""

import os
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import click

from roost.cli.cluster import ask_cluster, is_known
from roost.cli.exits import Exit, Failure
from roost.runtime import paths
from roost.runtime.http_client import NotASpeakerError, request
from roost.runtime.run_folder import folders

__all__ = ["ask", "asks_cluster", "json_option", "only_socket", "socket_option", "sockets_here"]

socket_option = click.option(
    "--socket",
    "socket_path",
    type=click.Path(path_type=Path, readable=False),  # who may not open it is told so by `ask`
    envvar="ROOST_SOCKET",
    help="The speaker's API socket. Default: $ROOST_SOCKET, else the only socket in /run/roost"
    " (or $XDG_RUNTIME_DIR/roost); without any, the speakers of the cluster that KUBECONFIG leads to.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def ask(
    path: Path | None, *segments: str, query: Mapping[str, object] | None = None, method: str = "GET"
) -> Any:
    """Ask the speaker for /v1/`segments` and return its JSON; ends the command with one line on failure."""
    target = "/v1/" + "/".join(quote(segment, safe="") for segment in segments)
    if query:
        target += "?" + urlencode(query, doseq=True)
    if asks_cluster(path):
        return ask_cluster(target)
    sock = path or only_socket()
    try:
        status, answer = request(method, sock, target)
    except PermissionError as error:
        raise _not_allowed(sock) from error
    except (OSError, HTTPException) as error:
        raise Failure(
            f"no speaker answers at {sock} ({error}); is `roost speaker` running?", Exit.NO_SPEAKER
        ) from error
    except NotASpeakerError as error:
        raise Failure(str(error), Exit.NO_SPEAKER) from error
    if status >= 400:
        raise Failure(str(answer.get("error", status)), Exit.INVALID)
    return answer


def _not_allowed(path: Path) -> Failure:
    return Failure(
        f"{path} is not for this user; run this as root, or as the speaker's user", Exit.CANNOT_RUN
    )


def asks_cluster(path: Path | None) -> bool:
    """Tell whether a cluster is asked: no socket is named, none is here, and kubectl would find a cluster."""
    return path is None and not sockets_here() and is_known()


def sockets_here() -> list[Path]:
    """Return the sockets of all speakers of this host, as far as this user may look."""
    return [path for folder in folders() if paths.is_dir(folder) for path in sorted(folder.glob("*.sock"))]


def only_socket() -> Path:
    """Return the only socket of a speaker here; ends the command where there are none, or several."""
    found = sockets_here()
    if len(found) == 1:
        return found[0]
    for folder in () if found else folders():
        if paths.is_dir(folder) and not os.access(folder, os.R_OK | os.X_OK):
            raise _not_allowed(folder)
    if not found:
        looked = " or ".join(map(str, folders()))
        raise Failure(
            f"no speaker's socket in {looked}, and no KUBECONFIG; name one with --socket or ROOST_SOCKET",
            Exit.NO_SPEAKER,
        )
    names = ", ".join(map(str, found))
    raise Failure(
        f"several speakers run here ({names}); choose one with --socket or ROOST_SOCKET", Exit.NO_SPEAKER
    )

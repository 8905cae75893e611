"""Asking a speaker over its unix socket."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any

__all__ = ["NotASpeakerError", "get", "read_text", "request"]


class NotASpeakerError(Exception):
    """Something listens at the socket, and it is no Roost speaker."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def get(path: Path, target: str, timeout: float = 5.0) -> tuple[int, Any]:
    """GET `target`; see `request`."""
    return request("GET", path, target, timeout)


def request(method: str, path: Path, target: str, timeout: float = 5.0) -> tuple[int, Any]:
    """Ask for `target` at the socket at `path`; returns the status and the decoded JSON.

    Raises OSError or http.client.HTTPException when nobody answers, NotASpeakerError for another answer.
    """
    connection = _UnixConnection(path, timeout)
    try:
        connection.request(method, target)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except ValueError as error:
        raise NotASpeakerError(f"what listens at {path} is no Roost speaker") from error
    finally:
        connection.close()


def read_text(path: Path, target: str, timeout: float = 5.0) -> str:
    """GET `target` and return its text as it is. Raises OSError or http.client.HTTPException."""
    connection = _UnixConnection(path, timeout)
    try:
        connection.request("GET", target)
        return connection.getresponse().read().decode(errors="replace")
    finally:
        connection.close()

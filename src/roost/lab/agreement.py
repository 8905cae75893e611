"""Who leads an address by the word of all speakers: whoever is cut off must be the one that answers."""

from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path

from roost.runtime.http_client import get

__all__ = ["agreed_leader"]


def agreed_leader(sockets: Mapping[str, Path], address: str) -> str:
    """Return the node that every speaker names as leader of `address` and that alone answers, or "".

    `sockets` are the speakers' by node. While somebody is missing, or not settled, nobody is agreed on.
    """
    named, answering = set(), []
    for node, path in sockets.items():
        try:
            _, status = get(path, "/v1/status", timeout=1.0)
        except (OSError, HTTPException):
            return ""
        alive = sum(member["verdict"] == "alive" for member in status["members"])
        service = next((each for each in status["services"] if address in each["addresses"]), None)
        if service is None or not status["settled"] or alive != len(sockets):
            return ""
        named.add(service["leader"])
        answering += [node] if service["answering"] else []
    return answering[0] if len(answering) == 1 and named == set(answering) else ""

"""Rows of a table of backends, for `status` and `explain`."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from roost.cli.screen import Cell, Screen

__all__ = ["BACKEND_COLUMNS", "backend_rows"]

BACKEND_COLUMNS: Final = ("backend of", "address", "state", "since", "weight", "open", "why")
_COLOURS: Final = {"up": "green", "down": "bold red", "unknown": "yellow"}


def backend_rows(services: Iterable[Mapping[str, Any]], screen: Screen) -> list[list[Cell]]:
    """Return a row for each backend that this node sees."""
    return [
        [
            service["name"],
            _place(backend),
            _state(backend),
            screen.moment(backend["since"]),
            str(backend["weight"]),
            str(backend["connections"]),
            backend["why"],
        ]
        for service in services
        for backend in service.get("backends", ())
    ]


def _place(backend: Mapping[str, Any]) -> str:
    address, port = backend["address"], backend["port"]
    if port is None:
        return str(address)
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _state(backend: Mapping[str, Any]) -> Cell:
    state = backend["state"]
    if backend["draining"]:
        return (f"draining ({state})", "yellow")
    return (state, _COLOURS.get(state, ""))

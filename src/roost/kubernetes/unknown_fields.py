"""Fields of our objects that their definitions do not know: the API server drops them without a word."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any

from roost.kubernetes.definitions import definitions

__all__ = ["meant", "unknown_fields"]


def meant(close: Sequence[str], known: Iterable[str]) -> str:
    """Return the cure for a word that is none of `known`, where these are `close` to it, the best first."""
    return f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"


def unknown_fields(kind: str, item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (field, cure) for each field of an object of `kind` that has no meaning there."""
    schema = _schemas().get(kind)
    if schema is not None:
        yield from _walk(schema, {key: value for key, value in item.items() if key != "metadata"}, "")


@cache
def _schemas() -> Mapping[str, Mapping[str, Any]]:
    """Return the schemas by kind."""
    return {
        each["spec"]["names"]["kind"]: each["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for each in definitions()
    }


def _walk(schema: Mapping[str, Any], value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for at, each in enumerate(value):
            yield from _walk(schema.get("items", {}), each, f"{path}[{at}]")
    known = schema.get("properties")
    if not isinstance(value, dict) or known is None:
        return
    for key, below in value.items():
        field = f"{path}.{key}" if path else str(key)
        if key in known:
            yield from _walk(known[key], below, field)
        else:
            lower = {name.lower(): name for name in known}
            close = get_close_matches(str(key).lower(), lower, n=1)
            yield field, meant([lower[each] for each in close], known)

"""YAML documents as plain values, within bounds: manifests, a kubeconfig, files that are mounted."""

from collections.abc import Iterator
from typing import Any, Final

import yaml

__all__ = ["MAX_DEPTH", "MAX_VALUES", "documents", "only_document"]

MAX_DEPTH: Final = 64  # collections within each other
MAX_VALUES: Final = 1_000_000  # in all documents, with every alias expanded

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def documents(text: str) -> list[Any]:
    """Return the documents of a text. Raises ValueError for what is no YAML, or beyond the bounds."""
    try:
        _check(yaml.parse(text, Loader=_Loader))
    except yaml.YAMLError as error:
        raise ValueError(f"is no YAML: {error}") from error
    try:
        return list(yaml.load_all(text, Loader=_Loader))
    except yaml.YAMLError as error:
        raise ValueError(f"is no YAML: {error}") from error
    except (ValueError, TypeError, AttributeError, OverflowError) as error:  # of a date or a number
        raise ValueError(f"holds a value that YAML does not allow: {error}") from error


def only_document(text: str) -> Any:
    """Return the one document of a text, None of an empty one. Raises ValueError."""
    found = documents(text)
    if len(found) > 1:
        raise ValueError("holds more than one YAML document")
    return found[0] if found else None


def _check(events: Iterator[yaml.Event]) -> None:
    """Raise ValueError for nesting or aliases that cost whoever walks through the values too much."""
    total = 0
    begun: list[tuple[str | None, int]] = []  # of each open collection: its anchor, and `total` before it
    weights: dict[str, int] = {}  # values that an alias stands for
    for event in events:
        match event:
            case yaml.AliasEvent():
                if event.anchor not in weights:
                    raise ValueError(
                        f"has an alias *{event.anchor} that points to nothing finished before it"
                    )
                total += weights[event.anchor]
            case yaml.CollectionStartEvent():
                begun.append((event.anchor, total))
                total += 1
                if len(begun) > MAX_DEPTH:
                    raise ValueError(f"is nested deeper than {MAX_DEPTH} levels")
                weights.pop(event.anchor or "", None)
            case yaml.CollectionEndEvent():
                anchor, before = begun.pop()
                if anchor:
                    weights[anchor] = total - before
            case yaml.ScalarEvent():
                total += 1
                if event.anchor:
                    weights[event.anchor] = 1
            case yaml.DocumentStartEvent():
                weights.clear()
        if total > MAX_VALUES:
            raise ValueError(f"holds more than {MAX_VALUES:,} values, aliases expanded")

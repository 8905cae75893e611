"""How large a machine's tables are: every container in reach, within Roost's own objects."""

from collections import deque
from collections.abc import Iterator
from typing import Any, Final

__all__ = ["largest"]

_CONTAINERS: Final = (dict, list, set, frozenset, tuple, deque)
_DEPTH: Final = 8


def largest(machine: object) -> tuple[str, int]:
    """Return where the largest container is, as a path of names, and how many entries it has."""
    return max(_sizes(machine, type(machine).__name__, set(), 0), key=lambda found: found[1], default=("", 0))


def _sizes(thing: object, path: str, seen: set[int], depth: int) -> Iterator[tuple[str, int]]:
    if id(thing) in seen or depth > _DEPTH:
        return
    seen.add(id(thing))
    if isinstance(thing, _CONTAINERS):
        yield path, len(thing)
        inside = [*thing.keys(), *thing.values()] if isinstance(thing, dict) else list(thing)
        for each in inside:
            yield from _sizes(each, f"{path}[]", seen, depth + 1)
    elif type(thing).__module__.startswith(("roost.", "tests.")):
        for name, value in _attributes(thing):
            yield from _sizes(value, f"{path}.{name}", seen, depth + 1)


def _attributes(thing: object) -> list[tuple[str, Any]]:
    names = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    found = [(name, getattr(thing, name)) for name in names if hasattr(thing, name)]
    return [*found, *getattr(thing, "__dict__", {}).items()]

"""What a value looks like in the file, as JSON schema, kept with the function that reads it.

Editors complete and check by it (`roost check --schema`). A shape may take more than its function does:
what no schema can say, `roost check` does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from pydantic.alias_generators import to_camel

__all__ = ["TEXT", "Reader", "Shape", "choices", "kinds", "not_empty", "reads", "widens"]

Shape = dict[str, Any]
_Value = TypeVar("_Value")

TEXT: Final[Shape] = {"type": "string", "pattern": r"\S"}


@dataclass(frozen=True, slots=True)
class Reader(Generic[_Value]):
    """A function from what YAML gives to a value; `shape` is from its result's shape to its input's.

    For a function that reads a value alone, the result's shape has no say.
    """

    read: Callable[[Any], _Value]
    shape: Callable[[Shape], Shape]

    def __call__(self, value: Any) -> _Value:
        """Return what `value` means."""
        return self.read(value)


def reads(shape: Shape) -> Callable[[Callable[[Any], _Value]], Reader[_Value]]:
    """Decorate a function that reads values of this shape."""
    return lambda function: Reader(function, lambda _: dict(shape))


def widens(shape: Callable[[Shape], Shape]) -> Callable[[Callable[[Any], _Value]], Reader[_Value]]:
    """Decorate a function that stands before or behind another, whose shape becomes `shape` of it."""
    return lambda function: Reader(function, shape)


def not_empty(inner: Shape) -> Shape:
    """Return the shape of a list or mapping that has an entry."""
    return inner | {"minProperties" if inner.get("type") == "object" else "minItems": 1}


def choices(*shapes: Shape) -> Shape:
    """Return the shape of what has one of these."""
    return {"anyOf": list(shapes)}


def kinds(of: Sequence[str], keys: Mapping[str, Sequence[str]]) -> Shape:
    """Return what a mapping has that is of exactly one kind, where some `keys` go with some kinds alone."""
    return {
        "oneOf": [{"required": [to_camel(kind)]} for kind in of],
        "dependencies": {
            to_camel(key): choices(*({"required": [to_camel(kind)]} for kind in kinds_of))
            for key, kinds_of in keys.items()
        },
    }

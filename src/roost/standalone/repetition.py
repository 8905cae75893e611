"""How deep a regular expression repeats repetitions: matching may take exponential time by that depth.

`(a+)+b` tries each way to part a row of `a`. What an atomic group `(?>...)` or a possessive `++` has matched
is never parted in another way, so in there counting begins anew.
"""

from collections.abc import Iterator
from re import _parser  # it has no other
from typing import Any, Final

__all__ = ["depth"]

_MANY: Final = 10  # times: what is repeated less often multiplies little
_REPEATS: Final = frozenset({"MAX_REPEAT", "MIN_REPEAT"})
_FIRM: Final = frozenset({"ATOMIC_GROUP", "POSSESSIVE_REPEAT"})


def depth(expression: str) -> int:
    """Return how many repetitions there are within each other. Raises as `re.compile`."""
    deepest = 0
    todo = [(_parser.parse(expression), 0)]
    while todo:
        found, around = todo.pop()
        for operation, arguments in found:
            level = around
            if str(operation) in _FIRM:
                level = 0
            elif str(operation) in _REPEATS and arguments[1] > _MANY:
                level += 1
            deepest = max(deepest, level)
            todo += [(each, level) for each in _parts(arguments)]
    return deepest


def _parts(arguments: Any) -> Iterator[Any]:
    """Yield the expressions among an operation's arguments, which may be lists of some."""
    if isinstance(arguments, _parser.SubPattern):
        yield arguments
    elif isinstance(arguments, tuple | list):
        for each in arguments:
            yield from _parts(each)

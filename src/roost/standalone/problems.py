"""What is wrong in a configuration file: where, why, and what to do about it."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

__all__ = ["Finding", "Problem", "Spot"]


class Spot(NamedTuple):
    """A place in a text; both count from 1."""

    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, before anybody knows where in which file it stands.

    `cause` is one clause, `cure` an imperative one; neither ever holds a key.
    """

    cause: str
    cure: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: an error refuses the file, a warning does not.

    `line` and `column` count from 1; `field` is a path such as `services[0].addresses[1]`, empty when
    the whole file is meant.
    """

    severity: Literal["error", "warning"]
    file: str
    line: int
    column: int
    field: str
    cause: str
    cure: str

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        return f"{self.file}:{self.line}:{self.column}: {self.severity}: {field}{self.cause} ({self.cure})"

    def as_data(self) -> dict[str, Any]:
        """Return the problem as JSON-able data."""
        return asdict(self)

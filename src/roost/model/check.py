"""What is looked at to know whether a node, or a backend, is well."""

from dataclasses import dataclass

__all__ = ["Result"]


@dataclass(frozen=True, slots=True)
class Result:
    """What one look has found: `why` is one clause for people, `output` what a program or server said.

    `weight` is what a file asks for, None of everything else.
    """

    ok: bool
    why: str
    output: str = ""
    weight: int | None = None

"""How well one node can serve one service now, by its own checks."""

from dataclasses import dataclass

__all__ = ["FIT", "Fitness"]


@dataclass(frozen=True, slots=True)
class Fitness:
    """Whether a node is `fit` to lead a service, and the `weight` that adds to its score; `why` for people.

    Who is unfit comes after all that are fit, whatever its score; when nobody is fit, exactly one leads all
    the same.
    """

    fit: bool = True
    weight: int = 0
    why: str = ""


FIT = Fitness()

"""Annotations of a Service that let all its nodes answer for its address, or take its connections. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from roost.kubernetes.resources import SHARING_ANNOTATION, WEIGHTS_ANNOTATION
from roost.model.sharing import WEIGHT_LIMIT, Sharing

__all__ = ["sharing_of", "why_not_shared"]

_KINDS: Final[Mapping[str, Literal["client", "connection"]]] = MappingProxyType(
    {"per-client": "client", "connection": "connection"}
)


def sharing_of(annotations: Mapping[str, str]) -> Sharing | None:
    """Return how a Service with these is shared; None is one leader, also where they are wrong."""
    by = _KINDS.get(annotations.get(SHARING_ANNOTATION, ""))
    if by is None or why_not_shared(annotations):
        return None
    return Sharing(by, _weights(annotations.get(WEIGHTS_ANNOTATION, "")))


def why_not_shared(annotations: Mapping[str, str]) -> str:
    """Return what is wrong with the annotations, with the cure, or ""."""
    wanted = annotations.get(SHARING_ANNOTATION, "leader")
    if wanted not in ("leader", *_KINDS):
        kinds = "leader, per-client nor connection"
        return f"{SHARING_ANNOTATION}: {wanted[:60]!r} is neither {kinds}; one node leads it"
    try:
        _weights(annotations.get(WEIGHTS_ANNOTATION, ""))
    except ValueError as error:
        return f"{WEIGHTS_ANNOTATION}: {error} (write NODE=WEIGHT, comma between, 0 to {WEIGHT_LIMIT})"
    return ""


def _weights(text: str) -> tuple[tuple[str, int], ...]:
    """Read `n1=2,n2=1`. Raises ValueError."""
    found: dict[str, int] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, equals, weight = (each.strip() for each in part.partition("="))
        if not (name and equals and weight.isdecimal() and weight.isascii()):
            raise ValueError(f"{part[:60]!r} is no weight of a node")
        if len(weight) > len(str(WEIGHT_LIMIT)) or int(weight) > WEIGHT_LIMIT:
            raise ValueError(f"{weight[:20]} is more than {WEIGHT_LIMIT}")
        if name in found:
            raise ValueError(f"{name} is given twice")
        found[name] = int(weight)
    return tuple(sorted(found.items()))

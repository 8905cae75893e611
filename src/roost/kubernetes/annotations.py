"""Annotations of a Service in a manifest: those that nothing reads, and addresses that cannot be given."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from roost.kubernetes.config import Mistake
from roost.kubernetes.resources import (
    APART_ANNOTATION,
    FAILBACK_ANNOTATION,
    POOL_ANNOTATION,
    PREFERRED_ANNOTATION,
    SHARING_ANNOTATION,
    WEIGHTS_ANNOTATION,
    Object,
)
from roost.kubernetes.unknown_fields import meant
from roost.model.address import is_address

__all__ = ["annotations_of", "name_of", "unknown_annotations", "wrong_addresses"]

_OURS: Final = "roost.io/"
_THEIRS: Final = ("metallb.io/", "metallb.universe.tf/")
_ADDRESSES: Final = tuple(f"{prefix}loadBalancerIPs" for prefix in _THEIRS)
_KNOWN: Final = frozenset(
    {
        APART_ANNOTATION,
        FAILBACK_ANNOTATION,
        PREFERRED_ANNOTATION,
        SHARING_ANNOTATION,
        WEIGHTS_ANNOTATION,
        POOL_ANNOTATION,
        *_ADDRESSES,
        *(f"{prefix}{name}" for prefix in _THEIRS for name in ("address-pool", "allow-shared-ip")),
        *(f"{prefix}{POOL_ANNOTATION.partition('/')[2]}" for prefix in _THEIRS),
    }
)


def unknown_annotations(item: Object) -> Iterator[Mistake]:
    """Yield the annotations of a Service that have our names or MetalLB's, and no meaning."""
    for key in annotations_of(item):
        if key.startswith((_OURS, *_THEIRS)) and key not in _KNOWN:
            # What misses a letter, and what stands with the wrong one of the three names.
            same_end = [each for each in sorted(_KNOWN) if each.partition("/")[2] == key.partition("/")[2]]
            close = same_end or get_close_matches(key, sorted(_KNOWN), n=1)
            cure = meant(close, sorted(_KNOWN))
            yield Mistake("Service", name_of(item), f"metadata.annotations[{key}]", "has no effect", cure)


def wrong_addresses(item: Object) -> Iterator[Mistake]:
    """Yield what a Service asks for as its addresses, and is none."""
    annotations, spec = annotations_of(item), item.get("spec")
    asked = [(f"metadata.annotations[{key}]", annotations[key]) for key in _ADDRESSES if key in annotations]
    single = spec.get("loadBalancerIP") if isinstance(spec, dict) else None
    if single:
        asked.append(("spec.loadBalancerIP", str(single)))
    for field, texts in asked:
        for each in texts.split(",") if texts else ():
            if not is_address(each.strip()):
                cause = f"{each.strip()[:60]!r} is not an IP address"
                yield Mistake("Service", name_of(item), field, cause, "separate several by commas")


def annotations_of(item: Object) -> dict[str, str]:
    """Return the annotations of an object in a manifest, all as text."""
    found = item["metadata"].get("annotations") or {}
    return {str(key): str(each) for key, each in found.items()}


def name_of(item: Object) -> str:
    """Return namespace and name of an object in a manifest, as people write them."""
    return f"{item['metadata'].get('namespace', 'default')}/{item['metadata']['name']}"

"""Annotations of a Service in a manifest: those that nothing reads, and addresses that cannot be given."""

from collections.abc import Iterator
from difflib import get_close_matches
from ipaddress import ip_address
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

__all__ = ["unknown_annotations", "wrong_addresses"]

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
    for key in _annotations(item):
        if key.startswith((_OURS, *_THEIRS)) and key not in _KNOWN:
            # What misses a letter, and what stands with the wrong one of the three names.
            same_end = [each for each in sorted(_KNOWN) if each.partition("/")[2] == key.partition("/")[2]]
            close = same_end or get_close_matches(key, sorted(_KNOWN), n=1)
            cure = f"did you mean {close[0]}?" if close else f"known here: {', '.join(sorted(_KNOWN))}"
            yield Mistake("Service", _name(item), f"metadata.annotations[{key}]", "has no effect", cure)


def wrong_addresses(item: Object) -> Iterator[Mistake]:
    """Yield what a Service asks for as its addresses, and is none."""
    annotations, spec = _annotations(item), item.get("spec")
    asked = [(f"metadata.annotations[{key}]", annotations[key]) for key in _ADDRESSES if key in annotations]
    single = spec.get("loadBalancerIP") if isinstance(spec, dict) else None
    if single:
        asked.append(("spec.loadBalancerIP", str(single)))
    for field, texts in asked:
        for each in texts.split(",") if texts else ():
            if not _is_address(each.strip()):
                cause = f"{each.strip()[:60]!r} is not an IP address"
                yield Mistake("Service", _name(item), field, cause, "separate several by commas")


def _annotations(item: Object) -> dict[str, str]:
    found = item["metadata"].get("annotations") or {}
    return {str(key): str(each) for key, each in found.items()}


def _name(item: Object) -> str:
    return f"{item['metadata'].get('namespace', 'default')}/{item['metadata']['name']}"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True

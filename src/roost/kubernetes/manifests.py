"""MetalLB's manifests, read without a cluster: what the API server, the webhook or the speakers would refuse.

Beyond mistakes, it names what is allowed and probably not meant.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from roost.kubernetes.annotations import annotations_of, name_of, unknown_annotations, wrong_addresses
from roost.kubernetes.config import Mistake, check_communities, read_advertisements, read_pools
from roost.kubernetes.documents import documents, only_document
from roost.kubernetes.failback import why_no_failback
from roost.kubernetes.resources import SHARING_ANNOTATION, Object, parse_namespace
from roost.kubernetes.sharing import sharing_of, why_not_shared
from roost.kubernetes.unknown_fields import meant, unknown_fields

__all__ = ["check", "is_manifest", "read"]

_GROUP: Final = "metallb.io/"
_NAMED: Final = [
    re.compile(rf"""(?:^[ \t-]*|[{{,]\s*)["']?{key}["']?\s*:""", re.MULTILINE)
    for key in ("apiVersion", "kind")
]
_BGP: Final = frozenset({"BGPPeer", "BGPAdvertisement", "BFDProfile"})
_KINDS: Final = _BGP | {  # of MetalLB and its operator
    "Community",
    "ConfigurationState",
    "IPAddressPool",
    "L2Advertisement",
    "MetalLB",
    "ServiceBGPStatus",
    "ServiceL2Status",
}
_STRINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "IPAddressPool": ("addresses",),
    "L2Advertisement": ("ipAddressPools", "interfaces"),
}
_LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "IPAddressPool": (),
    "L2Advertisement": (
        "ipAddressPoolSelectors",
        "nodeSelectors",
        "serviceSelectors",
        "preferredNodeSelectors",
    ),
}


def is_manifest(text: str) -> bool:
    """Tell whether a text looks like Kubernetes objects rather than like a speaker's own file."""
    return all(key.search(text) for key in _NAMED)


def read(text: str) -> list[Object]:
    """Return the objects in a text of YAML documents, those of Lists too. Raises ValueError."""
    found: list[Object] = []
    for document in documents(text):
        items = document.get("items") if isinstance(document, dict) and "items" in document else [document]
        listed = items if isinstance(items, list) else []
        found += [item for item in listed if isinstance(item, dict) and "kind" in item]
    return found


def check(items: Sequence[Object]) -> tuple[list[Mistake], list[Mistake]]:
    """Return the errors and the warnings in these objects, taken as one whole configuration.

    Raises ValueError for an object that is so odd that no field can be named.
    """
    try:
        return _check(items)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"has an object that does not fit its kind: {error}") from error


def _check(items: Sequence[Object]) -> tuple[list[Mistake], list[Mistake]]:
    shapes = [list(_shape(item)) for item in items]
    errors = [
        mistake for item, found in zip(items, shapes, strict=True) for mistake in (*_unknown(item), *found)
    ]
    whole = [item for item, found in zip(items, shapes, strict=True) if not found]
    kinds = {
        kind: [item for item in whole if item["kind"] == kind and _is_metallb(item)]
        for kind in ("IPAddressPool", "L2Advertisement", "Community")
    }
    namespaces = [parse_namespace(item) for item in whole if item["kind"] == "Namespace"]
    _, mistakes = read_pools(kinds["IPAddressPool"], namespaces)
    labels = {
        str(item["metadata"]["name"]): item["metadata"].get("labels") or {} for item in kinds["IPAddressPool"]
    }
    _, more = read_advertisements(kinds["L2Advertisement"], labels)
    errors += [*mistakes, *more, *check_communities(kinds["Community"])]
    errors += [each for item in whole if item["kind"] == "Service" for each in wrong_addresses(item)]
    # Where objects are left out, the others cannot be held against them.
    return errors, list(_doubts(items, kinds, labels)) if len(whole) == len(items) else []


def _unknown(item: Object) -> Iterator[Mistake]:
    """Yield the fields of an object of ours that its kind does not have."""
    metadata = item.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if _is_metallb(item) and item["kind"] not in _KINDS:
        close = get_close_matches(str(item["kind"]), sorted(_KINDS), n=1)
        cure = meant(close, sorted(_KINDS))
        yield Mistake(str(item["kind"]), str(name or "?"), "kind", "is none of metallb.io", cure)
    elif _is_metallb(item):
        for field, cure in unknown_fields(str(item["kind"]), item):
            yield Mistake(str(item["kind"]), str(name or "?"), field, "is not a known field", cure)


def _shape(item: Object) -> Iterator[Mistake]:
    """Yield where an object of ours is not even of the right form, as the API server would see it."""
    kind = str(item["kind"])
    metadata = item.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        yield Mistake(kind, "?", "metadata.name", "is missing")
        return
    if not _is_metallb(item):
        return
    if kind not in _STRINGS:
        return
    spec = item.get("spec", {})
    if not isinstance(spec, dict):
        yield Mistake(kind, name, "spec", "is no mapping")
        return
    for field in _STRINGS[kind]:
        value = spec.get(field, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            yield Mistake(
                kind, name, f"spec.{field}", "is no list of texts", "quote it, with a dash before it"
            )
    for field in _LISTS[kind]:
        value = spec.get(field, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            yield Mistake(
                kind, name, f"spec.{field}", "is no list of selectors", "as in [{matchLabels: {a: b}}]"
            )
    for at, each in enumerate(spec.get("preferredNodeSelectors") or ()):
        weight = each.get("weight") if isinstance(each, dict) else None
        if not isinstance(weight, int) or not 1 <= weight <= 100:
            field = f"spec.preferredNodeSelectors[{at}].weight"
            yield Mistake(kind, name, field, f"{weight!r} is not from 1 to 100")


def _doubts(
    items: Sequence[Object], kinds: Mapping[str, Sequence[Object]], labels: Mapping[str, object]
) -> Iterator[Mistake]:
    for item in kinds["L2Advertisement"]:
        for at, pool in enumerate((item.get("spec") or {}).get("ipAddressPools") or ()):
            if pool not in labels:
                field = f"spec.ipAddressPools[{at}]"
                yield Mistake("L2Advertisement", item["metadata"]["name"], field, f"no pool {pool!r} here")
    if kinds["IPAddressPool"] and not kinds["L2Advertisement"]:
        name = kinds["IPAddressPool"][0]["metadata"]["name"]
        yield Mistake("IPAddressPool", name, "spec", "nothing advertises it", "add an L2Advertisement")
    for item in items:
        name = str(item["metadata"]["name"])
        if item["kind"] in _BGP and _is_metallb(item):
            yield Mistake(
                str(item["kind"]), name, "kind", "has no effect", "Roost announces on layer 2 alone"
            )
        if item["kind"] == "ConfigMap" and name == "kube-proxy":
            yield from _proxy(item)
        if item["kind"] == "Service":
            yield from _shared(item)
            yield from _failback(item)
            yield from unknown_annotations(item)


def _failback(item: Object) -> Iterator[Mistake]:
    """Yield a warning where the annotation of a Service that is to stay is wrong."""
    if why := why_no_failback(annotations_of(item)):
        yield Mistake("Service", name_of(item), "metadata.annotations", why)


def _proxy(item: Object) -> Iterator[Mistake]:
    """Yield a warning when kube-proxy lets every node answer ARP for service addresses."""
    text = str((item.get("data") or {}).get("config.conf", ""))
    try:
        settings = only_document(text)
    except ValueError:
        return
    if not isinstance(settings, dict) or settings.get("mode") != "ipvs":
        return
    if not (settings.get("ipvs") or {}).get("strictARP"):
        cause = "in ipvs mode without ipvs.strictARP every node answers for every address"
        yield Mistake("ConfigMap", "kube-proxy", "data.config.conf", cause, "set strictARP: true")


def _shared(item: Object) -> Iterator[Mistake]:
    """Yield what to mind about a Service whose address many nodes share."""
    annotations, name = annotations_of(item), name_of(item)
    if why := why_not_shared(annotations):
        yield Mistake("Service", name, "metadata.annotations", why)
    elif sharing_of(annotations) is not None:
        cause = (
            "is shared by all Roost speakers; a MetalLB speaker that announces its pool takes every client"
        )
        cure = "beside MetalLB give it a pool whose L2Advertisement selects Roost's nodes alone"
        yield Mistake("Service", name, f"metadata.annotations[{SHARING_ANNOTATION}]", cause, cure)


def _is_metallb(item: Object) -> bool:
    return str(item.get("apiVersion", "")).startswith(_GROUP)

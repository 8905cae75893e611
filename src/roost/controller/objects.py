"""The objects that the controller writes: whole, as `PUT` wants them. Pure."""

import json
from typing import Any

from roost.controller.convergence import Outcome
from roost.kubernetes.resources import (
    CLEANUP_FINALIZER,
    POOL_ANNOTATION,
    PREFERRED_ANNOTATION,
    KubeService,
    Object,
)
from roost.model.address import canonical
from roost.model.allocation import Allocator
from roost.model.pool import UNCOUNTABLE, capacity

__all__ = ["pool_status", "service_to_write"]


def service_to_write(
    service: KubeService, outcome: Outcome, *, finalizer: bool, preferred: str | None = None
) -> dict[str, Any] | None:
    """Return the Service as it should be, for its status subresource, or None when it is so already.

    With `finalizer`, a service that holds addresses carries the clean-up finalizer, one that holds none does
    not; without, the finalizer is only ever removed. `preferred` is the node for its annotation, "" for none,
    None to leave that alone.
    """
    if outcome.left_alone:
        return None
    ingress = [canonical(address) for address in outcome.addresses]
    keep = finalizer and bool(ingress)
    if (
        list(service.ingress) == ingress
        and service.ingress_entries == len(ingress)
        and service.annotations.get(POOL_ANNOTATION, "") == outcome.pool
        and preferred in (None, service.annotations.get(PREFERRED_ANNOTATION, ""))
        and ((CLEANUP_FINALIZER in service.finalizers) == keep)
    ):
        return None
    item: dict[str, Any] = json.loads(service.whole)
    metadata = item["metadata"]
    annotations = {key: value for key, value in service.annotations.items() if key != POOL_ANNOTATION}
    if outcome.pool:
        annotations[POOL_ANNOTATION] = outcome.pool
    if preferred is not None:
        annotations.pop(PREFERRED_ANNOTATION, None)
        annotations |= {PREFERRED_ANNOTATION: preferred} if preferred else {}
    finalizers = [each for each in service.finalizers if each != CLEANUP_FINALIZER]
    if keep:
        finalizers.append(CLEANUP_FINALIZER)
    metadata["annotations"], metadata["finalizers"] = annotations, finalizers
    status = item.setdefault("status", {})
    status["loadBalancer"] = {"ingress": [{"ip": ip, "ipMode": "VIP"} for ip in ingress]} if ingress else {}
    return item


def pool_status(allocator: Allocator, item: Object) -> dict[str, Any] | None:
    """Return the pool's object with its counters as they are now, or None when it shows them already."""
    pool = allocator.pools.get(item["metadata"]["name"])
    if pool is None:
        return None
    usage = allocator.usage(pool.name)
    status = {
        "assignedIPv4": usage.ipv4,
        "assignedIPv6": usage.ipv6,
        "availableIPv4": _left(capacity(pool, 4), usage.ipv4),
        "availableIPv6": _left(capacity(pool, 6), usage.ipv6),
    }
    return None if item.get("status") == status else {**item, "status": status}


def _left(whole: int, used: int) -> int:
    return whole if whole == UNCOUNTABLE else whole - used

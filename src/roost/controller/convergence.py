"""What one Service should look like, given who holds what: MetalLB's steps in MetalLB's order. Pure.

The only thing that changes here is the allocator. What is to be written, and told to users, comes out.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from roost.kubernetes.resources import KubeService, addresses_in
from roost.model.address import IPAddress, canonical
from roost.model.allocation import AllocationError, Allocator, Claim, Family

__all__ = ["Event", "Outcome", "claim_of", "converge", "is_ours"]

_OLD_PREFIX: Final = "metallb.universe.tf/"


@dataclass(frozen=True, slots=True)
class Event:
    """What users read about a Service in `kubectl describe`."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a Service should have: addresses in the order of status, the pool that they are from.

    A service that is `waiting` is tried again when anything is released or the configuration changes.
    `left_alone` says that nothing may be written.
    """

    addresses: tuple[IPAddress, ...] = ()
    pool: str = ""
    waiting: bool = False
    left_alone: bool = False
    events: tuple[Event, ...] = ()


@dataclass(slots=True)
class _Course:
    """One service on its way through the steps."""

    service: KubeService
    allocator: Allocator
    now: float
    events: list[Event] = field(default_factory=list)

    def note(self, kind: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        self.events.append(Event(kind, reason, message))

    def cleared(self, *, waiting: bool) -> Outcome:
        self.allocator.release(self.service.key, self.now)
        return Outcome(waiting=waiting, events=tuple(self.events))

    def as_held(self, *, waiting: bool = False) -> Outcome:
        held = self.allocator.held_by(self.service.key)
        if held is None:
            return Outcome(waiting=waiting, events=tuple(self.events))
        return Outcome(held.addresses, held.pool, waiting, events=tuple(self.events))

    def untouched(self) -> Outcome:
        return Outcome(waiting=True, left_alone=True, events=tuple(self.events))


def is_ours(service: KubeService, load_balancer_class: str) -> bool:
    """Tell whether a Service is for a controller of this class ("": those that name none)."""
    return service.load_balancer_class == load_balancer_class


def claim_of(service: KubeService) -> Claim:
    """Return what decides about the service's addresses."""
    return Claim(
        service.key,
        service.namespace,
        service.labels,
        sharing=service.annotation("allow-shared-ip") or "",
        backend=",".join(f"{key}={value}" for key, value in sorted(service.selector.items()))
        if service.local
        else "",
        ports=frozenset(service.ports),
    )


def converge(service: KubeService, allocator: Allocator, now: float) -> Outcome:
    """Work out what a Service that is ours should have now, and hold it in `allocator`."""
    course = _Course(service, allocator, now)
    if service.deleting or not service.is_load_balancer:
        return course.cleared(waiting=False)
    if not allocator.pools or not service.cluster_ips:
        return course.cleared(waiting=True)
    if service.ip_family_policy == "RequireDualStack" and len(service.cluster_ips) < 2:
        listed = " ".join(service.cluster_ips)
        course.note(
            "Warning", "not enough clusterips", f"dual stack is required, but clusterIPs are [{listed}]"
        )
        return course.cleared(waiting=True)
    family = _family(service.cluster_ips)
    if family is None:
        message = f"no IP family follows from the clusterIPs {list(service.cluster_ips)}"
        course.note("Warning", "noclusterIPsIPFamily", message)
        return course.untouched()
    _keep_what_may_stay(course, family)
    return _give(course, family)


def _keep_what_may_stay(course: _Course, family: Family) -> None:
    """Hold again what status says, where the rules still allow it; else let it go."""
    service, allocator = course.service, course.allocator
    if not service.ingress:
        allocator.release(service.key, course.now)
        return
    held = _family(service.ingress)
    if held is None:
        message = f"no IP family follows from the addresses {list(service.ingress)}"
        course.note("Warning", "nolbIPsIPFamily", message)
    one_is_fine = family is Family.DUAL and _prefers_dual(service) and held is not Family.DUAL
    if held is None or (held is not family and not one_is_fine):
        allocator.release(service.key, course.now)
        return
    try:
        allocator.assign(claim_of(service), addresses_in(service.ingress))
    except AllocationError as error:
        message = f'current IP for "{service.key}" is not allowed by config, a new one is tried: {error}'
        course.note("Normal", "ClearAssignment", message)
        allocator.release(service.key, course.now)
        return
    wanted_pool = service.annotation("address-pool")
    allocation = allocator.held_by(service.key)
    if wanted_pool and allocation is not None and wanted_pool != allocation.pool:
        allocator.release(service.key, course.now)


def _give(course: _Course, family: Family) -> Outcome:
    """Give what is asked for, or what there is."""
    service, allocator = course.service, course.allocator
    try:
        requested = _requested(service)
    except ValueError as error:
        message = f"invalid requested loadbalancer IPs: {error}"
        course.note("Warning", "LoadBalancerFailed", message)
        return course.as_held(waiting=True)
    held = allocator.held_by(service.key)
    if held is not None and requested and set(requested) != set(held.addresses):
        allocator.release(service.key, course.now)
        held = None
    if held is None:
        return _allocate(course, family, requested)
    if requested and requested != held.addresses:  # the same addresses in another order: one order for all
        allocator.assign(claim_of(service), requested)
    if len(held.addresses) == 1 and family is Family.DUAL and _prefers_dual(service) and not requested:
        return _extend(course, held.addresses[0])
    return course.as_held()


def _allocate(course: _Course, family: Family, requested: Sequence[IPAddress]) -> Outcome:
    service = course.service
    claim = claim_of(service)
    pool = service.annotation("address-pool") or ""
    try:
        if requested:
            _assign_requested(course, claim, family, requested, pool)
        else:
            _choose(course, claim, family, pool)
    except AllocationError as error:
        course.note("Warning", "AllocationFailed", f'Failed to allocate IP for "{service.key}": {error}')
        return course.cleared(waiting=True)
    _warn_of_old_names(course)
    outcome = course.as_held()
    quoted = " ".join(json.dumps(canonical(address)) for address in outcome.addresses)
    course.note("Normal", "IPAllocated", f"Assigned IP [{quoted}]")
    lacking = family is Family.DUAL and len(outcome.addresses) == 1
    return course.as_held(waiting=lacking)


def _choose(course: _Course, claim: Claim, family: Family, pool: str) -> None:
    service = course.service
    if family is Family.DUAL and service.ip_family_policy == "SingleStack":
        raise AllocationError("clusterIPs are of two families, but ipFamilyPolicy is SingleStack")
    optional = _primary(service) if family is Family.DUAL and _prefers_dual(service) else 0
    course.allocator.allocate(claim, family, course.now, pool=pool, optional=optional)


def _assign_requested(
    course: _Course, claim: Claim, family: Family, requested: Sequence[IPAddress], pool: str
) -> None:
    if Family.of(requested) is not family:
        texts = ", ".join(canonical(address) for address in requested)
        raise AllocationError(
            f"requested [{texts}] does not fit the service, whose clusterIPs are {course.service.cluster_ips}"
        )
    allocation = course.allocator.assign(claim, requested)
    if pool and allocation.pool != pool:
        raise AllocationError(f'the requested addresses are of pool "{allocation.pool}", not of "{pool}"')


def _extend(course: _Course, has: IPAddress) -> Outcome:
    """Try for an address of the other family, from the same pool."""
    try:
        allocation = course.allocator.extend(claim_of(course.service), 10 - has.version, course.now)
    except AllocationError as error:
        message = f"cannot assign additional IP in PreferDualStack: {error}"
        course.note("Normal", "AdditionalAssignFailed", message)
        return course.as_held(waiting=True)
    added = json.dumps(canonical(allocation.addresses[-1]))
    course.note("Normal", "IPAllocated", f"Assigned additional IP {added}")
    return course.as_held()


def _requested(service: KubeService) -> tuple[IPAddress, ...]:
    """Return the addresses that the service asks for, in the order that status gets. Raises ValueError."""
    annotation = service.annotation("loadBalancerIPs")
    if not annotation and not service.load_balancer_ip:
        return ()
    if annotation and service.load_balancer_ip:
        raise ValueError("both spec.loadBalancerIP and the annotation loadBalancerIPs are set")
    texts = [text.strip() for text in annotation.split(",")] if annotation else [service.load_balancer_ip]
    return tuple(sorted(addresses_in(texts), key=canonical))


def _family(texts: Sequence[str]) -> Family | None:
    try:
        return Family.of(addresses_in(texts))
    except ValueError:
        return None


def _prefers_dual(service: KubeService) -> bool:
    return service.ip_family_policy == "PreferDualStack"


def _primary(service: KubeService) -> int:
    return 6 if service.ip_families and service.ip_families[0] == "IPv6" else 4


def _warn_of_old_names(course: _Course) -> None:
    for name in sorted(course.service.annotations):
        if name.startswith(_OLD_PREFIX):
            new = name.replace(_OLD_PREFIX, "metallb.io/", 1)
            course.note("Warning", "deprecatedAnnotation", f"{name} is deprecated, use {new}")

"""Where the API keeps each kind of object that Roost reads or writes."""

from typing import Final

from roost.kubernetes.client import Resource

__all__ = [
    "ACCESS_REVIEWS",
    "ADVERTISEMENTS",
    "COMMUNITIES",
    "CONFIG_MAPS",
    "DEFINITIONS",
    "DEPLOYMENTS",
    "EVENTS",
    "HOOKS",
    "L2_STATUSES",
    "LEASES",
    "NAMESPACES",
    "NODES",
    "PODS",
    "POOLS",
    "SECRETS",
    "SERVICES",
    "SLICES",
    "STATES",
    "TOKEN_REVIEWS",
]

_CORE: Final = "api/v1"
_METALLB: Final = "apis/metallb.io/v1beta1"

CONFIG_MAPS: Final = Resource(_CORE, "configmaps")
EVENTS: Final = Resource(_CORE, "events")
NAMESPACES: Final = Resource(_CORE, "namespaces")
NODES: Final = Resource(_CORE, "nodes")
PODS: Final = Resource(_CORE, "pods")
SECRETS: Final = Resource(_CORE, "secrets")
SERVICES: Final = Resource(_CORE, "services")

DEFINITIONS: Final = Resource("apis/apiextensions.k8s.io/v1", "customresourcedefinitions")
DEPLOYMENTS: Final = Resource("apis/apps/v1", "deployments")
HOOKS: Final = Resource("apis/admissionregistration.k8s.io/v1", "validatingwebhookconfigurations")
LEASES: Final = Resource("apis/coordination.k8s.io/v1", "leases")
SLICES: Final = Resource("apis/discovery.k8s.io/v1", "endpointslices")

ACCESS_REVIEWS: Final = Resource("apis/authorization.k8s.io/v1", "subjectaccessreviews")
TOKEN_REVIEWS: Final = Resource("apis/authentication.k8s.io/v1", "tokenreviews")

ADVERTISEMENTS: Final = Resource(_METALLB, "l2advertisements")
COMMUNITIES: Final = Resource(_METALLB, "communities")
L2_STATUSES: Final = Resource(_METALLB, "servicel2statuses")
POOLS: Final = Resource(_METALLB, "ipaddresspools")
STATES: Final = Resource(_METALLB, "configurationstates")

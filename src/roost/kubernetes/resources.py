"""The parts of Kubernetes' objects that Roost reads, as immutable values.

The API server has validated what comes here; a missing field takes the API's default. What does not fit is
left out, so that one odd object never stops the others.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any, Final

from roost.model.address import IPAddress

__all__ = [
    "APART_ANNOTATION",
    "CLEANUP_FINALIZER",
    "DRAIN_ANNOTATION",
    "EXCLUDE_LABEL",
    "FAILBACK_ANNOTATION",
    "OUT_OF_SERVICE_TAINT",
    "POOL_ANNOTATION",
    "PREFERRED_ANNOTATION",
    "SHARING_ANNOTATION",
    "WEIGHTS_ANNOTATION",
    "Endpoints",
    "KubeNode",
    "KubePod",
    "KubeService",
    "Namespace",
    "Object",
    "addresses_in",
    "key_of",
    "parse_endpoint_slice",
    "parse_namespace",
    "parse_node",
    "parse_pod",
    "parse_service",
    "plain",
]

Object = Mapping[str, Any]

CLEANUP_FINALIZER: Final = "service.kubernetes.io/load-balancer-cleanup"
EXCLUDE_LABEL: Final = "node.kubernetes.io/exclude-from-external-load-balancers"
OUT_OF_SERVICE_TAINT: Final = "node.kubernetes.io/out-of-service"
POOL_ANNOTATION: Final = "metallb.io/ip-allocated-from-pool"
DRAIN_ANNOTATION: Final = "roost.io/drain"
PREFERRED_ANNOTATION: Final = "roost.io/preferred-node"
APART_ANNOTATION: Final = "roost.io/addresses-apart"
FAILBACK_ANNOTATION: Final = "roost.io/failback"
SHARING_ANNOTATION: Final = "roost.io/sharing"
WEIGHTS_ANNOTATION: Final = "roost.io/sharing-weights"
_FAMILIES: Final = MappingProxyType({"IPv4": 4, "IPv6": 6})
_SERVICE_NAME_LABEL: Final = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class KubeService:
    """A Service; `ingress` are the texts in status.loadBalancer, `key` is namespace/name.

    `whole` is the object as JSON, for writing it back, where that was asked for.
    """

    key: str
    namespace: str
    name: str
    uid: str = ""
    version: str = field(default="", compare=False)  # metadata.resourceVersion
    created: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    type: str = "ClusterIP"
    load_balancer_class: str = ""
    cluster_ips: tuple[str, ...] = ()
    ip_families: tuple[str, ...] = ()
    ip_family_policy: str = "SingleStack"
    load_balancer_ip: str = ""
    local: bool = False  # externalTrafficPolicy Local
    health_port: int = 0  # healthCheckNodePort
    selector: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[tuple[str, int], ...] = ()  # (protocol, port)
    ingress: tuple[str, ...] = ()
    ingress_entries: int = 0  # those without an IP, too
    finalizers: tuple[str, ...] = ()
    deleting: bool = False
    whole: bytes = field(default=b"", compare=False, repr=False)

    @property
    def is_load_balancer(self) -> bool:
        """Whether the Service wants addresses from somebody."""
        return self.type == "LoadBalancer"

    def annotation(self, suffix: str) -> str | None:
        """Return MetalLB's annotation with this suffix; the old prefix counts where the new is absent."""
        for prefix in ("metallb.io/", "metallb.universe.tf/"):
            if prefix + suffix in self.annotations:
                return self.annotations[prefix + suffix]
        return None


@dataclass(frozen=True, slots=True)
class Endpoints:
    """One EndpointSlice: the nodes with an endpoint that can serve; `elsewhere` if one has no node.

    `family` is 4 or 6, 0 for endpoints that have names only.
    """

    key: str
    service: str  # namespace/name, or "" for a slice that belongs to none
    nodes: frozenset[str] = frozenset()
    elsewhere: bool = False
    family: int = 0


@dataclass(frozen=True, slots=True)
class KubeNode:
    """A Node's facts that decide about announcing."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    network_unavailable: bool = False
    ready: bool = True
    out_of_service: bool = False
    addresses: tuple[str, ...] = ()  # InternalIP
    drain: bool = False  # whether an operator wants its addresses elsewhere

    @property
    def excluded(self) -> bool:
        """Whether the label takes the node out of load balancing."""
        return EXCLUDE_LABEL in self.labels


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace with its labels."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KubePod:
    """A pod: where it runs and how it is reached."""

    key: str
    uid: str
    ip: str
    node: str


def key_of(item: Object) -> str:
    """Return namespace/name, or the name alone of what has no namespace."""
    metadata = item["metadata"]
    namespace = metadata.get("namespace", "")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def parse_service(item: Object, *, keep: bool = False) -> KubeService:
    """Return a Service; with `keep`, what is needed to write it back is kept if that may be."""
    metadata, spec = item["metadata"], item.get("spec") or {}
    annotations = metadata.get("annotations") or {}
    keep = keep and (spec.get("type") == "LoadBalancer" or POOL_ANNOTATION in annotations)
    entries = ((item.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    cluster_ips = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    return KubeService(
        key=key_of(item),
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        version=metadata.get("resourceVersion", ""),
        created=metadata.get("creationTimestamp") or "",
        labels=metadata.get("labels") or {},
        annotations=annotations,
        type=spec.get("type") or "ClusterIP",
        load_balancer_class=spec.get("loadBalancerClass") or "",
        cluster_ips=tuple(cluster_ips),
        ip_families=tuple(spec.get("ipFamilies") or ()),
        ip_family_policy=spec.get("ipFamilyPolicy") or "SingleStack",
        load_balancer_ip=spec.get("loadBalancerIP") or "",
        local=spec.get("externalTrafficPolicy") == "Local",
        health_port=spec.get("healthCheckNodePort") or 0,
        selector=spec.get("selector") or {},
        ports=tuple((port.get("protocol") or "TCP", port["port"]) for port in spec.get("ports") or ()),
        ingress=tuple(entry["ip"] for entry in entries if entry.get("ip")),
        ingress_entries=len(entries),
        finalizers=tuple(metadata.get("finalizers") or ()),
        deleting=bool(metadata.get("deletionTimestamp")),
        whole=_without_managed_fields(item) if keep else b"",
    )


def parse_endpoint_slice(item: Object) -> Endpoints:
    """Return an EndpointSlice. An endpoint can serve when it is ready (or does not say), or serving."""
    metadata = item["metadata"]
    owner = (metadata.get("labels") or {}).get(_SERVICE_NAME_LABEL)
    able = [each for each in item.get("endpoints") or () if _can_serve(each.get("conditions") or {})]
    nodes = frozenset(each["nodeName"] for each in able if each.get("nodeName"))
    return Endpoints(
        key_of(item),
        f"{metadata.get('namespace', '')}/{owner}" if owner else "",
        nodes,
        elsewhere=any(not each.get("nodeName") for each in able),
        family=_FAMILIES.get(item.get("addressType", ""), 0),
    )


def parse_node(item: Object) -> KubeNode:
    """Return a Node."""
    conditions = {
        each["type"]: each.get("status") for each in (item.get("status") or {}).get("conditions") or ()
    }
    taints = (item.get("spec") or {}).get("taints") or ()
    return KubeNode(
        item["metadata"]["name"],
        item["metadata"].get("labels") or {},
        network_unavailable=conditions.get("NetworkUnavailable") == "True",
        ready=conditions.get("Ready", "True") == "True",
        addresses=tuple(
            each["address"]
            for each in (item.get("status") or {}).get("addresses") or ()
            if each.get("type") == "InternalIP"
        ),
        drain=(item["metadata"].get("annotations") or {}).get(DRAIN_ANNOTATION) == "true",
        out_of_service=any(taint.get("key") == OUT_OF_SERVICE_TAINT for taint in taints),
    )


def parse_namespace(item: Object) -> Namespace:
    """Return a Namespace."""
    return Namespace(item["metadata"]["name"], item["metadata"].get("labels") or {})


def parse_pod(item: Object) -> KubePod:
    """Return a Pod."""
    return KubePod(
        key_of(item),
        item["metadata"].get("uid", ""),
        (item.get("status") or {}).get("podIP") or "",
        (item.get("spec") or {}).get("nodeName") or "",
    )


def addresses_in(texts: Iterable[str]) -> tuple[IPAddress, ...]:
    """Return the addresses among `texts`, IPv4-mapped ones as IPv4, in order. Raises ValueError."""
    return tuple(plain(ip_address(text)) for text in texts)


def plain(address: IPAddress) -> IPAddress:
    """Return an IPv4-mapped address as IPv4, as Go's net package sees it."""
    mapped = address.ipv4_mapped if address.version == 6 else None
    return mapped or address


def _can_serve(conditions: Object) -> bool:
    ready = conditions.get("ready")
    return ready is None or ready is True or conditions.get("serving") is True


def _without_managed_fields(item: Object) -> bytes:
    metadata = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    return json.dumps({**item, "metadata": metadata}, separators=(",", ":")).encode()

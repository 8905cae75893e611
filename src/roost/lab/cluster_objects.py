"""What kubelets and administrators make in a cluster, for one that has no containers: plain data."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

__all__ = [
    "SPEAKER_LABELS",
    "endpoint_slice",
    "node",
    "node_status",
    "pod",
    "pod_address",
    "proxy_command",
]

SPEAKER_LABELS: Final = {"app": "metallb", "component": "speaker"}
_ECHO: Final = {"name": "echo", "port": 7, "protocol": "UDP"}


def pod_address(number: int) -> str:
    """Return the address of the pod on the node with this number, from 1."""
    return f"198.51.100.{number}"


def node(name: str, number: int) -> dict[str, Any]:
    """Return a Node."""
    labels = {"kubernetes.io/hostname": name}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"podCIDR": f"{pod_address(number)}/32"},
    }


def node_status(address: str) -> dict[str, Any]:
    """Return the status patch of a Node that is ready and has this address."""
    return {
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}],
            "conditions": [{"type": "Ready", "status": "True"}],
        }
    }


def pod(name: str, node_name: str) -> dict[str, Any]:
    """Return the Pod of a speaker, which runs as a plain process there."""
    return {
        "metadata": {"name": name, "labels": SPEAKER_LABELS},
        "spec": {
            "nodeName": node_name,
            "hostNetwork": True,
            "containers": [{"name": "speaker", "image": "example.invalid/roost"}],
        },
    }


def endpoint_slice(service: str, pods: Mapping[str, int], conditions: Mapping[str, bool]) -> dict[str, Any]:
    """Return the slice of a Service whose echo pods run on these nodes (name -> number)."""
    return {
        "metadata": {"name": f"{service}-1", "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "ports": [_ECHO],
        "endpoints": [
            {"addresses": [pod_address(number)], "nodeName": name, "conditions": dict(conditions)}
            for name, number in pods.items()
        ],
    }


def proxy_command(binary: str, kubeconfig: str, node_name: str, mode: str = "nftables") -> Iterable[str]:
    """Return how kube-proxy runs on a node that is a network namespace."""
    return (
        binary,
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={node_name}",
        f"--proxy-mode={mode}",
        "--conntrack-max-per-core=0",  # these are the machine's, not the namespace's
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
    )

"""What the controller is told at start."""

from dataclasses import dataclass, field

from roost.kubernetes.serving_certificate import MetricsOptions

__all__ = ["ControllerSettings"]


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """`namespace` is where configuration is read from; times are in seconds, ports 0 are not opened.

    `identity` tells replicas apart.
    """

    namespace: str
    identity: str
    load_balancer_class: str = ""
    quarantine: float = 0.0
    finalizer: bool = True
    elect: bool = True
    spread: bool = False  # whether Services are given preferred nodes, evenly
    health_port: int = 17472
    metrics_port: int = 0
    metallb_names: bool = False  # whether metrics carry MetalLB's names, too
    webhook: str = "enabled"  # enabled | disabled | onlywebhook
    webhook_port: int = 9443
    certificate_folder: str = ""
    certificate_secret: str = "metallb-webhook-cert"  # noqa: S105 - a Secret's name
    certificate_service: str = "metallb-webhook-service"
    rotate_certificates: bool = True
    gossip_secret: str = ""  # the Secret to make for the speakers' gossip, "" for none
    deployment: str = ""  # its owner
    pod: str = ""
    metrics: MetricsOptions = field(default_factory=MetricsOptions)
